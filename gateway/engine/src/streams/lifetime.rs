//! How long an event stream lasts.

use std::time::Duration;

use prynai_process::lifecycle::Shutdown;
use tokio::time::Instant;
use tokio_util::sync::WaitForCancellationFuture;

/// By how much earlier a stream ends than its greatest age, and a silence than its time, as a part of them and at most:
/// what began at the same moment must not go on in step.
const JITTER: f64 = 0.2;

/// Until when an event stream is kept open.
pub(crate) struct Lifetime {
    shutdown: Shutdown,
    ends: Instant,
    keep_alive: Duration,
    expires: Option<Instant>,
}

/// What closes an event stream although there may be more to tell.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Closing {
    /// It is as old as it may be.
    pub(crate) by_age: bool,
    /// Its caller's token expires. The answer to a call that was let in may still be told; whoever just listens has to
    /// come back with another token.
    pub(crate) by_expiry: bool,
    /// The gateway stops. What is not closed then may go on until everything is ended.
    pub(crate) by_stop: bool,
}

impl Lifetime {
    /// Begins now and lasts `most`, or a little less; after a silence of `keep_alive` something must be sent. `expires`
    /// is when the caller's token does.
    pub(crate) fn begin(
        shutdown: Shutdown,
        most: Duration,
        keep_alive: Duration,
        expires: Option<Instant>,
    ) -> Self {
        Self {
            shutdown,
            ends: soon_after(most),
            keep_alive,
            expires,
        }
    }

    /// The longest silence.
    pub(crate) fn keep_alive(&self) -> Duration {
        self.keep_alive
    }

    /// When age or expiry closes the stream.
    pub(crate) fn over(&self, closing: Closing) -> Option<Instant> {
        let aged = closing.by_age.then_some(self.ends);
        let expired = self.expires.filter(|_| closing.by_expiry);
        aged.into_iter().chain(expired).min()
    }

    /// Completes when the gateway stops, or when everything must end if the stream is not closed before.
    pub(crate) fn stopped(&self, closing: Closing) -> WaitForCancellationFuture<'_> {
        match closing.by_stop {
            true => self.shutdown.soft().cancelled(),
            false => self.aborted(),
        }
    }

    /// Completes when everything must end.
    pub(crate) fn aborted(&self) -> WaitForCancellationFuture<'_> {
        self.shutdown.hard().cancelled()
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
    async fn a_stream_is_over_when_it_is_old_or_its_callers_token_expires() {
        let expires = Instant::now() + MINUTE / 2;
        let ages = Lifetime::begin(Shutdown::new(), MINUTE, MINUTE, None);
        let both = Lifetime::begin(Shutdown::new(), MINUTE, MINUTE, Some(expires));
        let closing = |by_age, by_expiry| Closing {
            by_age,
            by_expiry,
            by_stop: true,
        };
        let old = ages.over(closing(true, true)).unwrap();
        assert!(old > Instant::now() + MINUTE / 2 && old <= Instant::now() + MINUTE);
        assert_eq!(ages.over(closing(false, true)), None);
        assert_eq!(both.over(closing(true, true)), Some(expires));
        assert_eq!(both.over(closing(false, true)), Some(expires));
        assert!(both.over(closing(true, false)).unwrap() > expires);
        assert_eq!(both.over(closing(false, false)), None);
    }
}
