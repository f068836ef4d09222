//! A worker on the memory bus: requests are put on the bus as a gateway does it, and the events that
//! reach the gateway are watched.

mod calls;
mod cancelling;
mod catalog;
mod notifications;
mod once;
mod passing_on;
mod principals;
mod probe;
mod questions;
mod redelivery;
mod stage;
mod stopping;
mod tasks;
mod visible;
