//! What the workers serve.

use async_trait::async_trait;

use super::BusError;
use crate::wire::catalog::CatalogRecord;

/// What the workers serve. It outlives them, so that gateways can answer while no worker runs.
///
/// Gateways watch it through the change feed: [`crate::wire::change::Change::CatalogChanged`].
#[async_trait]
pub trait Catalog: Send + Sync {
    /// Replaces the catalog. If it differs from the stored one, the change is published in the same atomic step, and
    /// the answer is `true`. May be repeated.
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
