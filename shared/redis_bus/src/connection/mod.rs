//! Connections to Redis: how each kind is used.
//!
//! * [`HotConnection`](hot::HotConnection): requests and sessions. All tasks share it, and commands are pipelined. It
//!   reconnects in the background.
//! * [`PooledConnections`](pool::PooledConnections): state and catalog, and all that is [`LARGE`](budget::LARGE). Each
//!   has one caller at a time, and is made when one is needed.
//! * [`Link`](link::Link) on its own: a blocking read, a subscription, a wait for the disk. Its user connects again.
//!
//! `connector` makes them, `driver` keeps each going, `queue_group` prepares the queue on those that use it, and
//! `command` is what goes over them.

pub(crate) mod blocking_read;
pub(crate) mod budget;
pub(crate) mod command;
pub(crate) mod connector;
pub(crate) mod disk;
pub(crate) mod driver;
pub(crate) mod generation;
pub(crate) mod hot;
pub(crate) mod link;
pub(crate) mod pool;
pub(crate) mod queue_group;
pub(crate) mod subscription;
pub(crate) mod task_channels;
