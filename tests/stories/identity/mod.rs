//! Who calls, what they may, and what is nothing to anybody else.

mod auth;
mod downstream;
mod forgery;
mod policy;
mod rate_limits;
mod strangers;
