//! What fails around a fleet, and what its clients see of that.

mod blocked;
mod clocks;
mod lost_replies;
mod outage;
mod standstill;
