//! Trouble that lasts is told when it begins and when it is over, not with every attempt in between.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crate::backoff::Backoff;

/// One step that is tried again and again while it fails.
#[derive(Debug)]
pub struct Outage {
    alarm: Alarm,
    backoff: Backoff,
}

/// Whether trouble is under way and was told. For what is not tried in a loop, or is noticed in several places.
#[derive(Debug, Default)]
pub struct Alarm(AtomicBool);

// === impl Outage ===

impl Outage {
    /// For a step that is tried until it is stopped.
    pub fn endless() -> Self {
        Self::with(Backoff::endless())
    }

    /// For a step that makes no sense after `limit`.
    pub fn for_at_most(limit: Duration) -> Self {
        Self::with(Backoff::for_at_most(limit))
    }

    fn with(backoff: Backoff) -> Self {
        Self {
            alarm: Alarm::default(),
            backoff,
        }
    }

    /// Notes that the step failed: `true` the first time, when the log is to say so.
    pub fn begins(&mut self) -> bool {
        self.alarm.raise()
    }

    /// Waits before the next attempt, as [`Backoff::pause`].
    pub async fn pause(&mut self) -> bool {
        self.backoff.pause().await
    }

    /// Notes that the step succeeded, so that the next failure begins another outage: `true` when it had failed before,
    /// and the log may say that this is over.
    pub fn ends(&mut self) -> bool {
        let ends = self.alarm.clear();
        if ends {
            self.backoff.begin_anew();
        }
        ends
    }
}

// === impl Alarm ===

impl Alarm {
    /// Notes trouble: `true` when it is new, and the log is to say so.
    pub fn raise(&self) -> bool {
        !self.0.swap(true, Ordering::Relaxed)
    }

    /// Notes that all is well: `true` when it was not, and the log may say so.
    pub fn clear(&self) -> bool {
        // Looked at first: all is well nearly always, and reading costs the other threads nothing.
        self.0.load(Ordering::Relaxed) && self.0.swap(false, Ordering::Relaxed)
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn an_outage_is_told_once_and_its_pauses_begin_anew_after_it() {
        let mut outage = Outage::endless();
        assert!(!outage.ends(), "nothing has failed yet");
        assert!(outage.begins());
        for _ in 0..10 {
            outage.pause().await;
            assert!(!outage.begins());
        }
        assert!(outage.ends());
        assert!(!outage.ends());
        assert!(outage.begins());
        let begun = Instant::now();
        outage.pause().await;
        assert!(begun.elapsed() < Duration::from_millis(100));
    }

    #[tokio::test(start_paused = true)]
    async fn an_outage_may_last_too_long() {
        let mut outage = Outage::for_at_most(Duration::from_secs(1));
        while outage.pause().await {
            outage.begins();
        }
        assert!(!outage.begins());
    }
}
