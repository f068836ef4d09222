//! Connections to Redis: how each kind is used.
//!
//! | connection | for | reconnects |
//! |---|---|---|
//! | [`HotConnection`](hot::HotConnection) | requests and sessions; shared by all tasks, commands are pipelined | in the background |
//! | [`PooledConnections`](pool::PooledConnections) | state and catalog, and all that is [`LARGE`](budget::LARGE); one caller at a time | when one is needed |
//! | [`Link`](link::Link) on its own | a blocking read, a subscription | by its user |
//!
//! `connector` makes them, `queue_group` makes the queue ready on those that use it, and `command` is what goes over them.

pub(crate) mod blocking_read;
pub(crate) mod budget;
pub(crate) mod command;
pub(crate) mod connector;
pub(crate) mod generation;
pub(crate) mod hot;
pub(crate) mod link;
pub(crate) mod pool;
pub(crate) mod queue_group;
pub(crate) mod subscription;
