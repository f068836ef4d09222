//! Runs your MCP server as a fleet. You write an rmcp [`ServerHandler`](rmcp::ServerHandler) and call [`run()`]; the
//! process is then one of many workers, all with the same handler. Gateways (`prynai-gateway`) hold the connections of
//! the clients and queue each request in Redis, and any free worker runs it. A whole worker in one file is
//! `examples/custom_worker`.
//!
//! Most tools need nothing else from here. For those that do:
//!
//! | what you want | type |
//! |---|---|
//! | to keep values that outlive the process | [`State`] |
//! | to ask the user or the model of the client | [`Ask`], [`Unanswered`] |
//! | to know who calls | [`Principal`], [`Session`] |
//! | to say whether a call may run again when its worker was lost | [`Redelivery`] |
//! | to say which arguments of a call the audit has | [`Audited`] |
//! | to say when a call becomes a task, whose client asks for the answer later | [`Tasks`], [`BecomeTask`] |
//! | to ask another API on behalf of who calls | [`Downstream`] |
//! | to let the client disconnect during a long call | [`CloseStream`] |
//! | to read what rmcp's types cannot hold | [`RawMessage`] |
//!
//! Two words come up often: clients of the revision 2026-07-28 of MCP are *modern*, those of earlier ones *legacy*. A
//! worker serves both.
//!
//! How it is made: `settings` is what the command line says, `run` the process, which connects to Redis; the rest is
//! from `prynai_worker_engine`, which runs the requests on any bus.

mod run;
mod settings;

pub use prynai_bus::wire::principal::{CallerKind, Identity, Principal};
pub use prynai_bus::wire::session::Session;
pub use prynai_probe::Command;
pub use prynai_process::secret::Secret;
pub use prynai_worker_engine::{
    Answerable, Ask, Audited, BecomeTask, CloseStream, Downstream, DownstreamError, RawMessage,
    Redelivery, RequestStateKeys, ScopedState, State, StateError, TaskTerms, Tasks, Unanswered,
    WorkerConfig, WorkerHealth, hush_handler_panics, refuse_own_tasks, register_metrics, serve,
};
pub use run::run;
pub use settings::{ProcessSettings, WorkerSettings};
