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
}

impl Lifetime {
    /// Begins now and lasts `most`, or a little less.
    pub(crate) fn begin(shutdown: Shutdown, most: Duration) -> Self {
        let part = 1.0 - rand::random_range(0.0..JITTER);
        Self {
            shutdown,
            ends: Instant::now() + most.mul_f64(part),
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
