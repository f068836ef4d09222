//! Breaks a fleet on purpose and holds against it what must be true all the same.
//!
//! Two things are written down, both outside of the system under test: in the ledger, what the chaos handler did; in
//! the record of each call, what its client saw. The verdict compares them.
//!
//! 1. [`tools`]: the handler, and the ledger of what it did
//! 2. [`clients`]: the load; each client is a legacy or a modern one over plain HTTP through a balancer, and an
//!    observer reads what it is sent
//! 3. [`faults`]: what is broken, by name; when, by a seed that makes it happen again
//! 4. [`judging`]: the outcome; the invariants; how long recovery took; which figures were to be reached; the table
//! 5. [`scenarios`]: one run of all this; sessions that nobody ends, and clients that come at once, which need no fault

pub mod clients;
pub mod faults;
pub mod judging;
pub mod scenarios;
pub mod tools;
