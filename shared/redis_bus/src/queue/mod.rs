//! The request queue as a worker's process sees it: what it was given, what it could not read, how full the queue is.

pub(crate) mod claims;
pub(crate) mod deliveries;
pub(crate) mod entry;
pub(crate) mod forgeries;
pub(crate) mod gauge;
pub(crate) mod unreadable;
