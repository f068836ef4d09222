//! One request, from its claim to its final response.
//!
//! 1. `running`: the table of the calls that run
//! 2. `runner` runs one over a `request_transport` of its own, within `idempotency`
//! 3. `messages`: what comes in is read, what goes out is written and what the caller may not see left out
//! 4. `conversation`: what handler and client say to each other; `event_writer` numbers it, within the `event_shares`
//!    of the caller, and hands it to the appender in the `event_queue`; `changes` are for everybody
//! 5. `call_bus`: the bus as one call sees it, which may be away for a while
//! 6. `ending`: what is handed over to the finisher
//! 7. `run_line`: what the log says of a run
//! 8. `gone_holders`: gateways for which no call is begun any more

pub(crate) mod audit;
pub(crate) mod call_bus;
pub(crate) mod changes;
pub(crate) mod deadline;
pub(crate) mod ending;
pub(crate) mod event_queue;
pub(crate) mod event_shares;
pub(crate) mod event_writer;
pub(crate) mod gone_holders;
pub(crate) mod idempotency;
pub(crate) mod messages;
pub(crate) mod promotion;
pub(crate) mod run_line;
pub(crate) mod runner;
pub(crate) mod running;
pub(crate) mod task_input;

mod conversation;
mod request_transport;
