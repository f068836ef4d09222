//! What gateways and workers must agree on; nothing else may enter.
//!
//! Read in this order:
//!
//! 1. [`ids`]: the names of sessions, streams, gateways and workers
//! 2. [`wire`]: what travels between the processes, with its format version
//! 3. [`ports`]: the ports, each a small trait whose documentation is its contract
//! 4. [`patterns`]: how names and URIs are matched, by policies and lists
//! 5. [`shown`]: what strangers sent, as a log or a page may show it
//!
//! With the feature `testing` there are builders of requests and sessions for tests.

pub mod ids;
pub mod patterns;
pub mod ports;
pub mod shown;
#[cfg(feature = "testing")]
pub mod testing;
pub mod wire;

pub use ports::*;
