//! How long an event stream lasts.

use std::time::Duration;

use prynai_process::lifecycle::Shutdown;
use tokio::time::Instant;

/// The part of the greatest age by which streams end earlier, at most, and of a silence by which it ends earlier: what
/// began at the same moment must not go on in step.
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
        Self {
            shutdown,
            ends: soon_after(most),
            expires,
        }
    }

    /// Whether a stream that only listens is over: it is as old as it may be, if it may age, or its caller is nobody
    /// any more. The answer to a call that was let in may still be told; whoever just listens has to come back with
    /// another token.
    pub(crate) fn is_over(&self, may_age: bool) -> bool {
        self.over(may_age)
            .is_some_and(|over| over <= Instant::now())
    }

    /// Completes when the stream is over or was quiet for `most`, or a little less.
    pub(crate) async fn over_or_quiet(&self, may_age: bool, most: Duration) {
        let quiet = soon_after(most);
        let next = self.over(may_age).map_or(quiet, |over| over.min(quiet));
        tokio::time::sleep_until(next).await;
    }

    fn over(&self, may_age: bool) -> Option<Instant> {
        may_age
            .then_some(self.ends)
            .into_iter()
            .chain(self.expires)
            .min()
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

/// This long from now, or a little earlier.
pub(crate) fn soon_after(most: Duration) -> Instant {
    let part = 1.0 - rand::random_range(0.0..JITTER);
    Instant::now() + most.mul_f64(part)
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    #[tokio::test(start_paused = true)]
    async fn a_stream_is_over_when_it_is_old_or_its_caller_nobody() {
        let begin = |expires| Lifetime::begin(Shutdown::new(), MINUTE, expires);
        let ages = begin(None);
        let expires = begin(Some(Instant::now() + MINUTE / 2));
        ages.over_or_quiet(true, MINUTE / 4).await;
        assert!(!ages.is_over(true) && !expires.is_over(false));
        expires.over_or_quiet(false, MINUTE * 2).await;
        assert!(!ages.is_over(true) && expires.is_over(false));
        ages.over_or_quiet(true, MINUTE * 2).await;
        assert!(ages.is_over(true) && !ages.is_over(false));
    }
}
