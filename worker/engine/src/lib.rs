//! Runs the requests of an rmcp [`ServerHandler`](rmcp::ServerHandler) as one of many workers.
//!
//! [`serve()`] is given a bus and does not know which one. Tool authors depend on `prynai-worker`, which connects it to
//! Redis and gives them the names that they need from here.
//!
//! Read in this order; each folder imports only `config`, `health`, `metrics` and those that follow it:
//!
//! 1. `config`: what a worker is told; `health`: whether it takes requests; `metrics`: what it counts; `serve`: how its
//!    roles start and stop
//! 2. `roles`: what runs for as long as the worker
//! 3. `call`: one request, from its claim to its final response
//! 4. `handler`: what the handler runs in, and what it is given

mod call;
mod config;
mod handler;
mod health;
mod metrics;
mod roles;
mod serve;

pub use config::{TaskTerms, WorkerConfig};
pub use handler::ask::Ask;
pub use handler::ask::request_state::RequestStateKeys;
pub use handler::ask::unanswered::{Answerable, Unanswered};
pub use handler::audited::Audited;
pub use handler::become_task::BecomeTask;
pub use handler::close_stream::CloseStream;
pub use handler::downstream::{Downstream, DownstreamError};
pub use handler::guard::hush_handler_panics;
pub use handler::raw_message::RawMessage;
pub use handler::redelivery::Redelivery;
pub use handler::state::{ScopedState, State, StateError};
pub use handler::task_use::{Tasks, refuse_own_tasks};
pub use health::WorkerHealth;
pub use metrics::register as register_metrics;
pub use serve::serve;
