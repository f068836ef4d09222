//! Breaks a fleet on purpose and holds against it what must be true all the same.
//!
//! Two books are kept, both outside of the system under test: the [`ledger`], in which the chaos handler writes what it
//! did, and the [`record`] of each call, in which its client writes what it saw. The [`verdict`] compares them.
//!
//! 1. [`handler`]: the tools, and [`ledger`]: what they did
//! 2. [`load`]: the clients; each is a [`legacy`] or a [`modern`] one over plain [`http`] through a [`balancer`], and an
//!    [`observer`] reads what it is sent
//! 3. [`fault`]: what is broken, by name, with those of [`time`]; when, by a seed that makes it happen again
//! 4. [`outcome`]: what came of it; [`verdict`]: the invariants; [`recovery`]: how long it took, and how that [`spread`]s;
//!    [`figure`]: what was to be reached; [`report`]: the table
//! 5. [`scenario`]: one run of all this
//! 6. [`abandoned`]: sessions that nobody ends, and [`crowd`]: clients that come at once, which need no fault

pub mod abandoned;
pub mod balancer;
pub mod crowd;
pub mod fault;
pub mod figure;
pub mod handler;
pub mod http;
pub mod ledger;
pub mod legacy;
pub mod load;
pub mod modern;
pub mod observer;
pub mod outcome;
pub mod record;
pub mod recovery;
pub mod report;
pub mod scenario;
pub mod spread;
pub mod time;
pub mod verdict;
