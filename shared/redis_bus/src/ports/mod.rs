//! One file per port of the bus; `shares` counts what is kept for each caller, for three of them.

mod audit_log;
mod catalog;
mod change_feed;
mod downstream_tokens;
mod event_log;
mod liveness;
mod once_store;
mod outcome_store;
mod rate_limiter;
mod request_queue;
mod session_store;
pub(crate) mod shares;
mod signal_channel;
mod state_store;
mod task_store;
