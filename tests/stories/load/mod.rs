//! Too much, too large, too slow: who pays for it, and who does not.

mod bad_peers;
mod overload;
mod shares;
mod sizes;
