//! [`Catalog`] in memory.

use async_trait::async_trait;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::change::Change;
use prynai_bus::{BusError, Catalog};

use crate::bus::{MemoryBus, lock};

#[async_trait]
impl Catalog for MemoryBus {
    async fn announce_catalog(&self, record: &CatalogRecord) -> Result<bool, BusError> {
        let mut stored = lock(&self.catalog);
        if stored.as_ref() == Some(record) {
            return Ok(false);
        }
        *stored = Some(record.clone());
        // Still under the catalog's lock: two announcements are published in the order stored.
        lock(&self.feed).publish(Change::CatalogChanged);
        Ok(true)
    }

    async fn read_catalog(&self) -> Result<Option<CatalogRecord>, BusError> {
        Ok(lock(&self.catalog).clone())
    }
}
