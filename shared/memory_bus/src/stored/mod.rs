//! What the bus keeps.

pub(crate) mod account;
pub(crate) mod audit;
pub(crate) mod expiry;
pub(crate) mod feed;
pub(crate) mod gateway;
pub(crate) mod log;
pub(crate) mod news;
pub(crate) mod partition;
pub(crate) mod record;
pub(crate) mod session;
pub(crate) mod task;
