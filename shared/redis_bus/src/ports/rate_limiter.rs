//! [`RateLimiter`] on Redis: a string for each bucket that is not full.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::{Bucket, BusError, RateLimiter, Taken};

use crate::bus::RedisBus;
use crate::scripts;

#[async_trait]
impl RateLimiter for RedisBus {
    async fn take(&self, bucket: &Bucket, wanted: u32) -> Result<Taken, BusError> {
        let take = scripts::take_tokens(&self.keys, bucket, wanted);
        let (tokens, next) = self.run(&take).await?;
        Ok(Taken {
            tokens,
            next: Duration::from_micros(next),
        })
    }
}
