//! What clients are told of changes: the feed, filtered for each ([`notifier`]).
//!
//! A legacy session has its GET stream ([`session_stream`]), a modern client as many subscriptions as it asks for
//! ([`subscription`]).

mod listened_tasks;
mod notifier;
pub(crate) mod session_stream;
pub(crate) mod subscription;
