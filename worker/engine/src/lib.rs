//! Runs the requests of an rmcp [`ServerHandler`](rmcp::ServerHandler) as one of many workers.
//!
//! [`serve()`] is given a bus and does not know which one. Tool authors depend on `prynai-worker`, which connects it to
//! Redis and gives them the names that they need from here.
//!
//! Read in this order:
//!
//! 1. `config`: what a worker is told
//! 2. `serve`: the roles and how they stop
//! 3. `processor`, `reclaimer` (with `redelivery` and `policy`), `lease_keeper` (with `runtime_watch`), `holder_watch`, `signal_listener`,
//!    `finisher` (with `ended_calls`), `catalog` (with `header_params`): one long-running role each, around the table of `running`
//!    calls
//! 4. `call` (with `idempotency`): one request from claim to final response, over its own `request_transport`; what comes
//!    in is read by `inbound`, what goes out is written by `outbound` (lists: through `visible`) and `event_writer` (within `event_shares`)
//! 5. `guard`, `context`, `ask` (with `rounds` and `state_keys`), `state`, `raw_message`, `close_stream`: what the handler runs in and what it is given

mod ask;
mod call;
mod catalog;
mod close_stream;
mod config;
mod context;
mod ended_calls;
mod event_shares;
mod event_writer;
mod finisher;
mod guard;
mod header_params;
mod holder_watch;
mod idempotency;
mod inbound;
mod lease_keeper;
mod outbound;
mod persist;
mod policy;
mod processor;
mod raw_message;
mod reclaimer;
mod redelivery;
mod request_transport;
mod rounds;
mod running;
mod runtime_watch;
mod serve;
mod signal_listener;
mod state;
mod state_keys;
mod visible;

pub use ask::{Answerable, Ask, Unanswered};
pub use close_stream::CloseStream;
pub use config::WorkerConfig;
pub use guard::hush_handler_panics;
pub use policy::Redelivery;
pub use raw_message::RawMessage;
pub use serve::serve;
pub use state::{ScopedState, State, StateError};
pub use state_keys::StateKeys;
