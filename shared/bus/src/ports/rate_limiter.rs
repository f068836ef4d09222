//! How often something may be done, in the whole fleet.

use std::time::Duration;

use async_trait::async_trait;

use super::BusError;

/// Token buckets that all gateways share. A bucket begins full; a token comes back each [`Bucket::period`], until there
/// are [`Bucket::burst`] of them. The bus's clock counts.
#[async_trait]
pub trait RateLimiter: Send + Sync {
    /// Takes as many tokens of a bucket as there are, up to `wanted`, in one atomic step. Whoever repeats this after an
    /// error may take them twice.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn take(&self, bucket: &Bucket, wanted: u32) -> Result<Taken, BusError>;
}

/// A token bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// Its name: whoever takes from the same name takes from the same bucket. Visible ASCII, 128 bytes at most.
    pub name: String,
    /// How long it takes until one token has come back, a microsecond at least.
    pub period: Duration,
    /// How many tokens there are at most, one at least.
    pub burst: u32,
}

/// What was taken of a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// How many tokens.
    pub tokens: u32,
    /// How long it takes until there is one more; zero if there is one now.
    pub next: Duration,
}

impl Bucket {
    /// How long it takes until an empty bucket is full.
    pub fn refill(&self) -> Duration {
        self.period.saturating_mul(self.burst)
    }

    /// What becomes of a bucket when tokens are taken, in microseconds: it is full again at `full_at`, and now it is
    /// `now`. Gives when it is full afterwards.
    pub fn after_taking(&self, full_at: u64, now: u64, wanted: u32) -> (u64, Taken) {
        let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let (period, refill) = (micros(self.period).max(1), micros(self.refill()));
        // Not further ahead than an empty one: the clock may have gone back.
        let full_at = full_at.clamp(now, now.saturating_add(refill));
        let there = now.saturating_add(refill).saturating_sub(full_at) / period;
        let tokens = wanted.min(u32::try_from(there).unwrap_or(u32::MAX));
        let full_at = full_at.saturating_add(period.saturating_mul(tokens.into()));
        let next_at = full_at.saturating_add(period);
        let next = next_at.saturating_sub(now.saturating_add(refill));
        let next = Duration::from_micros(next);
        (full_at, Taken { tokens, next })
    }
}
