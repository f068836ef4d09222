//! The bus inside one process: the default of the standalone server.
//!
//! Nothing here is waited for while a lock is held, no task runs in the background, and nothing outlives the bus. Read
//! in this order:
//!
//! 1. `bus`: [`MemoryBus`], what it holds under which lock
//! 2. `ports`: one file per port; `operations`: what operators see and change
//! 3. `stored::partition`: queue entries and stream logs (`log`), which change together and so share one lock
//! 4. `stored::news`: bounded subscriptions
//! 5. `stored::expiry`: maps whose entries have a lifetime
//!
//! Time is [`tokio::time::Instant`], so a test with a paused clock sees lifetimes end at once.

mod bus;
mod operations;
mod ports;
mod stored;
#[cfg(test)]
mod tests;

pub use bus::MemoryBus;
pub use stored::partition::DeadLetter;
