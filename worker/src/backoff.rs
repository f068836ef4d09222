//! Waiting between attempts while the bus is away.

use std::time::Duration;

use prynai_shared::bus::BusError;
use tokio::time::Instant;

use crate::running::{Controls, Stop};

const FIRST: Duration = Duration::from_millis(50);
const LONGEST: Duration = Duration::from_secs(2);

/// Growing pauses with jitter, so that a fleet does not come back in step.
#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    give_up_at: Option<Instant>,
}

impl Backoff {
    /// For work that is tried until it is stopped.
    pub(crate) fn endless() -> Self {
        Self {
            next: FIRST,
            give_up_at: None,
        }
    }

    /// For work that makes no sense after `limit`.
    pub(crate) fn for_at_most(limit: Duration) -> Self {
        Self {
            next: FIRST,
            give_up_at: Some(Instant::now() + limit),
        }
    }

    /// Waits; `false`, at once, when there is no time left.
    pub(crate) async fn pause(&mut self) -> bool {
        let pause = self.next.mul_f64(rand::random_range(0.5..1.0));
        if self
            .give_up_at
            .is_some_and(|at| Instant::now() + pause > at)
        {
            return false;
        }
        self.next = (self.next * 2).min(LONGEST);
        tokio::time::sleep(pause).await;
        true
    }
}

/// Does something on the bus for a running call, again and again while the bus is away.
///
/// # Errors
///
/// When the call must end, or the bus was away for `patience`: then the call counts as lost.
pub(crate) async fn persist<T, F: Future<Output = Result<T, BusError>>>(
    controls: &Controls,
    patience: Duration,
    what: &'static str,
    mut attempt: impl FnMut() -> F,
) -> Result<T, Stop> {
    let mut backoff = Backoff::for_at_most(patience);
    let mut told = false;
    loop {
        let error = tokio::select! {
            biased;
            reason = controls.stopped() => return Err(reason),
            outcome = attempt() => match outcome {
                Ok(done) => return Ok(done),
                Err(error) => error,
            },
        };
        if !told {
            tracing::warn!(%error, what, "the bus refuses; trying again");
            told = true;
        }
        let waited = tokio::select! {
            reason = controls.stopped() => return Err(reason),
            waited = backoff.pause() => waited,
        };
        if !waited {
            tracing::error!(%error, what, "given up; the call is left to its lease");
            return Err(Stop::Lost);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn pauses_grow_and_end() {
        let begun = Instant::now();
        let mut backoff = Backoff::for_at_most(Duration::from_secs(10));
        let mut pauses = 0;
        while backoff.pause().await {
            pauses += 1;
        }
        assert!(begun.elapsed() <= Duration::from_secs(10));
        assert!((5..100).contains(&pauses), "{pauses} pauses");
    }
}
