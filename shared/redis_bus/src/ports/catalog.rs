//! [`Catalog`] on Redis: one string, whose changes go through the feed.

use async_trait::async_trait;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::change::{Change, ChangeEntry};
use prynai_bus::{BusError, Catalog};

use crate::bus::RedisBus;
use crate::scripts;

#[async_trait]
impl Catalog for RedisBus {
    async fn announce_catalog(&self, record: &CatalogRecord) -> Result<bool, BusError> {
        let catalog = record.to_json()?;
        let line = ChangeEntry::new(Change::CatalogChanged).to_line()?;
        let announce = scripts::announce_catalog(&self.keys, &self.limits, &catalog, &line);
        Ok(self.run_pooled(&announce).await?)
    }

    async fn read_catalog(&self) -> Result<Option<CatalogRecord>, BusError> {
        let catalog = self.read_value(&self.keys.catalog()).await?;
        Ok(catalog
            .map(|json| CatalogRecord::from_json(&json))
            .transpose()?)
    }
}
