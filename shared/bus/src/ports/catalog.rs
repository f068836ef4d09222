//! What the workers serve.

use async_trait::async_trait;

use super::BusError;
use crate::wire::catalog::CatalogRecord;

/// What the workers serve; outlives them, so that gateways answer while no worker runs.
///
/// It is watched through the change feed: [`crate::wire::change::Change::CatalogChanged`].
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Replaces the catalog. Only when it differs from the stored one is the change published;
    /// then the answer is `true`.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn announce_catalog(&self, record: &CatalogRecord) -> Result<bool, BusError>;

    /// The catalog; `None` until a worker announced one.
    ///
    /// # Errors
    ///
    /// When the bus is away, or the record is of a newer release.
    async fn read_catalog(&self) -> Result<Option<CatalogRecord>, BusError>;
}
