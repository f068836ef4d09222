//! Too much, too large, too slow: who pays for it, and who does not.

mod bad_peers;
mod deaf_peers;
mod errands;
mod idle_streams;
mod overload;
mod refusals;
mod shares;
mod sizes;
