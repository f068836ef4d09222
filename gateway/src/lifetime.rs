//! How long an event stream lasts.

use std::time::Duration;

use prynai_shared::lifecycle::Shutdown;
use tokio::time::Instant;

/// The part of the greatest age by which streams end earlier, at most.
const JITTER: f64 = 0.2;

/// Until when an event stream is kept open.
pub(crate) struct Lifetime {
    pub(crate) shutdown: Shutdown,
    ends: Instant,
    expires: Option<Instant>,
}

impl Lifetime {
    /// Begins now and lasts `most`, or a little less; `expires` is when the caller's token does.
    pub(crate) fn begin(shutdown: Shutdown, most: Duration, expires: Option<Instant>) -> Self {
        let part = 1.0 - rand::random_range(0.0..JITTER);
        Self {
            shutdown,
            ends: Instant::now() + most.mul_f64(part),
            expires,
        }
    }

    /// Completes when the caller is nobody any more. The answer to a call that was let in may still be
    /// told; whoever just listens has to come back with another token.
    pub(crate) async fn expired(&self) {
        match self.expires {
            Some(expires) => tokio::time::sleep_until(expires).await,
            None => std::future::pending().await,
        }
    }

    /// Completes at the greatest age.
    pub(crate) async fn aged(&self) {
        tokio::time::sleep_until(self.ends).await;
    }

    /// Completes when the gateway stops.
    pub(crate) async fn stopping(&self) {
        self.shutdown.soft().cancelled().await;
    }
}
