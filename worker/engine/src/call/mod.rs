//! One request, from its claim to its final response.
//!
//! 1. `launcher`: a claim becomes a task with a place in the table of `running` calls
//! 2. `runner` runs it over a `request_transport` of its own, within `idempotency`
//! 3. `messages`: what comes in is read, what goes out is written and what the caller may not see left out
//! 4. `event_writer` puts it into the log, within the `event_shares` of the caller, and with `retry` while the bus is away
//! 5. `ending`: what is handed over to the finisher
//! 6. `gone_holders`: gateways for which no call is begun any more

pub(crate) mod ending;
pub(crate) mod event_shares;
pub(crate) mod event_writer;
pub(crate) mod gone_holders;
pub(crate) mod idempotency;
pub(crate) mod launcher;
pub(crate) mod messages;
pub(crate) mod retry;
pub(crate) mod runner;
pub(crate) mod running;

mod request_transport;
