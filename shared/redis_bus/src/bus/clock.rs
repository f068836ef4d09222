//! The clock of Redis: the one by which the whole fleet tells deadlines.

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use prynai_process::clock::unix_millis;
use prynai_process::outage::Alarm;
use redis::cmd;

use crate::connection::command::Command;
use crate::connection::hot::HotConnection;
use crate::fault::Fault;

/// How far the clock of this machine may be off before somebody should know, in milliseconds.
const TOLERATED_MS: i64 = 1000;

/// What Redis' clock shows, by what it told last and the time since.
#[derive(Debug)]
pub(crate) struct ServerClock {
    /// The system's, since Redis' clock goes on where a test halts that of the runtime.
    started: Instant,
    /// What Redis' clock showed then, Unix milliseconds.
    at_start_ms: AtomicI64,
    /// This machine's clock is off.
    off: Alarm,
}

/// The answer to `TIME`: seconds and microseconds.
pub(crate) type Time = (u64, u64);

impl ServerClock {
    /// Asks Redis.
    pub(crate) async fn read(hot: &HotConnection) -> Result<Self, Fault> {
        let clock = Self::unset();
        let time = hot.run(&Command::single(cmd("TIME"))).await?;
        clock.saw(unix_ms(time), clock.started);
        Ok(clock)
    }

    fn unset() -> Self {
        Self {
            started: Instant::now(),
            at_start_ms: AtomicI64::new(0),
            off: Alarm::default(),
        }
    }

    /// Redis' time, Unix milliseconds.
    pub(crate) fn now_ms(&self) -> u64 {
        let now =
            self.at_start_ms.load(Ordering::Relaxed) + millis_between(self.started, Instant::now());
        u64::try_from(now).unwrap_or(0)
    }

    /// Notes what Redis told, having been asked at `asked`. It may have looked at its clock at any moment since; half
    /// of the time is the smallest error.
    pub(crate) fn saw(&self, shown_ms: u64, asked: Instant) {
        let passed = (millis_between(self.started, asked)
            + millis_between(self.started, Instant::now()))
            / 2;
        let shown = i64::try_from(shown_ms).unwrap_or(i64::MAX);
        self.at_start_ms
            .store(shown.saturating_sub(passed), Ordering::Relaxed);
        self.compare(unix_millis());
    }

    fn compare(&self, own_ms: u64) {
        let own = i64::try_from(own_ms).unwrap_or(i64::MAX);
        let now = i64::try_from(self.now_ms()).unwrap_or(i64::MAX);
        let ahead_ms = own.saturating_sub(now);
        if ahead_ms.abs() <= TOLERATED_MS {
            self.off.clear();
            return;
        }
        if !self.off.raise() {
            return;
        }
        tracing::warn!(
            ahead_s = ahead_ms as f64 / 1000.0,
            "this machine's clock differs from that of Redis: deadlines go by the clock of Redis, the expiry of tokens \
             by this one; set the clocks of both machines by the same time servers"
        );
    }
}

/// Milliseconds of an answer to `TIME`.
pub(crate) fn unix_ms((seconds, micros): Time) -> u64 {
    seconds.saturating_mul(1000).saturating_add(micros / 1000)
}

fn millis_between(from: Instant, to: Instant) -> i64 {
    i64::try_from(to.saturating_duration_since(from).as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    /// Compared in whole hours, so that a test that is halted for a moment does not fail.
    const HOUR_MS: u64 = 3_600_000;

    #[test]
    fn a_redis_that_follows_with_another_clock_is_followed() {
        let clock = ServerClock::unset();
        for shown_ms in [20, 400, 10].map(|hours| hours * HOUR_MS) {
            clock.saw(shown_ms, Instant::now());
            assert_eq!(clock.now_ms() / HOUR_MS, shown_ms / HOUR_MS);
        }
    }

    #[test]
    fn an_answer_that_took_long_is_taken_for_one_from_the_middle() {
        let asked = Instant::now()
            .checked_sub(Duration::from_secs(40))
            .expect("this machine has run for longer");
        let clock = ServerClock {
            started: asked,
            ..ServerClock::unset()
        };
        clock.saw(HOUR_MS, asked);
        let since_ms = clock.now_ms() - HOUR_MS;
        assert!((20_000..30_000).contains(&since_ms), "{since_ms}");
    }
}
