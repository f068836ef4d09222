//! Sessions and their streams: on any gateway, resumed, and told of changes.

mod keep_alive;
mod resume;
mod sessions;
mod subscriptions;
