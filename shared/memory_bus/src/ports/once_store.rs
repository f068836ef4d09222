//! [`OnceStore`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::{BusError, OnceStore};

use crate::bus::{MemoryBus, lock};

/// Names under which something is written.
const MOST: usize = 100_000;

#[async_trait]
impl OnceStore for MemoryBus {
    async fn put_once(&self, name: &str, value: &str, life: Duration) -> Result<String, BusError> {
        let mut written = lock(&self.written_once);
        if let Some(there) = written.get(&name.to_owned()) {
            return Ok(there.clone());
        }
        written.sweep();
        if written.held() >= MOST {
            return Err(BusError::Full {
                what: "what is written once",
                limit: MOST,
            });
        }
        written.insert(name.to_owned(), value.to_owned(), Some(life));
        Ok(value.to_owned())
    }

    async fn read_once(&self, name: &str) -> Result<Option<String>, BusError> {
        Ok(lock(&self.written_once).get(&name.to_owned()).cloned())
    }
}
