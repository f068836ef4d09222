//! Runs the requests of an rmcp [`ServerHandler`](rmcp::ServerHandler) as one of many workers.
//!
//! A tool author calls [`run`] and needs no more than [`Ask`] and [`State`].
//!
//! Read in this order:
//!
//! 1. [`settings`]: what can be set, and what is refused
//! 2. [`run`](mod@run): the process; [`serve`](mod@serve): the roles and how they stop
//! 3. `processor`, `reclaimer` (with `redelivery`), `lease_keeper`, `signal_listener`, `finisher`,
//!    `catalog`: one long-running role each, around the table of `running` calls
//! 4. `call`: one request from claim to final response, over its own `request_transport`; what comes
//!    in is read by `inbound`, what goes out is written by `outbound` and `event_writer`
//! 5. `guard`, `context`, [`ask`], [`state`]: what the handler runs in and what it is given
//! 6. [`everything`]: the reference handler

pub mod ask;
pub mod everything;
pub mod run;
pub mod serve;
pub mod settings;
pub mod state;

mod backoff;
mod call;
mod catalog;
mod context;
mod event_writer;
mod finisher;
mod guard;
mod header_params;
mod inbound;
mod lease_keeper;
mod outbound;
mod processor;
mod reclaimer;
mod redelivery;
mod request_transport;
mod running;
mod signal_listener;

pub use ask::{Ask, Unanswered};
pub use run::run;
pub use serve::serve;
pub use settings::{WorkSettings, WorkerConfig, WorkerSettings};
pub use state::State;
