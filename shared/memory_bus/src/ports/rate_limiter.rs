//! [`RateLimiter`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::{Bucket, BusError, RateLimiter, Taken};

use crate::bus::{MemoryBus, lock};

/// Buckets that are not full; any more are taken for full.
const MOST_BUCKETS: usize = 100_000;

#[async_trait]
impl RateLimiter for MemoryBus {
    async fn take(&self, bucket: &Bucket, wanted: u32) -> Result<Taken, BusError> {
        let now = u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX);
        let mut buckets = lock(&self.buckets);
        let full_at = buckets.get(&bucket.name).copied().unwrap_or(now);
        let (full_at, taken) = bucket.after_taking(full_at, now, wanted);
        let life = Duration::from_micros(full_at.saturating_sub(now));
        if buckets.held() < MOST_BUCKETS || buckets.get(&bucket.name).is_some() {
            buckets.insert(bucket.name.clone(), full_at, Some(life));
        }
        Ok(taken)
    }
}
