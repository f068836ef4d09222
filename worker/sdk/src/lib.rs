//! Runs the requests of an rmcp [`ServerHandler`](rmcp::ServerHandler) as one of many workers.
//!
//! A tool author calls [`run()`] and needs no more than [`Ask`] and [`State`]; [`Redelivery`] says what becomes of a
//! call whose worker was lost.
//!
//! 1. `settings`: what the command line says, and what is refused
//! 2. `run`: the process, which connects to Redis
//! 3. what handlers use, from the crate `prynai_worker_engine`, which runs them

mod run;
mod settings;

pub use prynai_bus::wire::principal::{CallerKind, Identity, Principal};
pub use prynai_bus::wire::session::Session;
pub use prynai_process::secret::Secret;
pub use prynai_worker_engine::{
    Answerable, Ask, CloseStream, RawMessage, Redelivery, RequestStateKeys, ScopedState, State,
    StateError, Unanswered, WorkerConfig, hush_handler_panics, serve,
};
pub use run::run;
pub use settings::{ProcessSettings, WorkerSettings};
