//! The long-running roles of a worker; each is a task of its own, around the table of running calls. `worker` is what
//! they share.
//!
//! 1. `processor` claims requests and has them run
//! 2. `reclaimer` takes those of lost workers over; its `verdict` says what becomes of them
//!    (`intake`: how both begin calls)
//! 3. `lease_keeper` renews the leases of what runs, and `runtime_watch` notices when handlers block the runtime
//! 4. `signal_listener` brings cancels and mail to running calls; `holder_watch` cancels the calls of lost gateways
//! 5. `appender` writes what running calls have to tell, and `finisher` ends requests; `brief_logs` lets logs expire
//!    soon where their caller has too many
//! 6. `catalog_announcer` tells gateways what the handler serves, and `drain_notice` tells operators that this worker
//!    drains

pub(crate) mod appender;
pub(crate) mod brief_logs;
pub(crate) mod catalog_announcer;
pub(crate) mod drain_notice;
pub(crate) mod finisher;
pub(crate) mod holder_watch;
pub(crate) mod intake;
pub(crate) mod lease_keeper;
pub(crate) mod processor;
pub(crate) mod reclaimer;
pub(crate) mod signal_listener;
pub(crate) mod worker;

mod runtime_watch;
mod verdict;
