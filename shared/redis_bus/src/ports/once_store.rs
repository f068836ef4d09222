//! [`OnceStore`] on Redis: a string for each name, which ends by itself.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::{BusError, OnceStore};

use crate::bus::RedisBus;
use crate::scripts;

#[async_trait]
impl OnceStore for RedisBus {
    async fn put_once(&self, name: &str, value: &str, life: Duration) -> Result<String, BusError> {
        let put = scripts::put_once(&self.keys, name, value, life);
        Ok(self.run_pooled(&put).await?)
    }

    async fn read_once(&self, name: &str) -> Result<Option<String>, BusError> {
        self.read_value(&self.keys.once(name)).await
    }
}
