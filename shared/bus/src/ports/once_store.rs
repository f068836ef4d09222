//! What is written once in the whole fleet, and forgotten soon.

use std::time::Duration;

use async_trait::async_trait;

use super::BusError;

/// Names under which something is written once: the first who writes decides, and nobody changes it. It is forgotten
/// when its life is over. The bus's clock counts.
#[async_trait]
pub trait OnceStore: Send + Sync {
    /// Writes `value` under `name`, if nothing is written there, in one atomic step. Gives what is written there now:
    /// who gets another value than its own was not the first. A value that belongs to one attempt alone therefore tells
    /// that attempt whether it was the first, however often it is tried. A later call changes neither value nor `life`.
    ///
    /// # Errors
    ///
    /// [`BusError::Full`] when no more is kept, and when the bus is away.
    async fn put_once(&self, name: &str, value: &str, life: Duration) -> Result<String, BusError>;

    /// What is written under `name`. `None` when nothing is, or its life is over.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn read_once(&self, name: &str) -> Result<Option<String>, BusError>;
}
