//! [`Catalog`] on Redis: one string, whose changes go through the feed.

use async_trait::async_trait;
use redis::cmd;

use super::RedisBus;
use super::scripts::{self, Call};
use crate::bus::{BusError, Catalog};
use crate::wire::catalog::CatalogRecord;
use crate::wire::change::{Change, ChangeEntry};

#[async_trait]
impl Catalog for RedisBus {
    async fn announce_catalog(&self, record: &CatalogRecord) -> Result<bool, BusError> {
        let catalog = record.to_json()?;
        let line = ChangeEntry::new(Change::CatalogChanged).to_line()?;
        let announce = scripts::announce_catalog(&self.keys, &self.limits, &catalog, &line);
        Ok(self.run_pooled(&announce).await?)
    }

    async fn read_catalog(&self) -> Result<Option<CatalogRecord>, BusError> {
        let mut get = cmd("GET");
        get.arg(self.keys.catalog());
        let catalog: Option<String> = self.run_pooled(&Call::command(get)).await?;
        Ok(catalog
            .map(|json| CatalogRecord::from_json(&json))
            .transpose()?)
    }
}
