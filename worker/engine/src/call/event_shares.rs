//! How many bytes of events the bus holds for each caller because of this worker: of calls that run, and of those
//! that have ended and can still be resumed.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::request::Era;
use tokio::time::Instant;

/// What a log costs besides its events, in bytes, about.
const LOG_BYTES: usize = 512;

/// Logs that ended within this time are remembered as one.
const TOGETHER: Duration = Duration::from_secs(10);

/// With more callers than this, those who have nothing left are removed.
const MANY: usize = 1024;

/// The shares of all callers at this worker.
#[derive(Debug)]
pub(crate) struct EventShares {
    most: usize,
    callers: Mutex<HashMap<Share, Held>>,
}

/// What the bus holds for one caller.
#[derive(Debug, Default)]
struct Held {
    running: usize,
    /// For each group of ended logs, when the first one ended, and the bytes of all.
    ended: VecDeque<(Instant, usize)>,
}

/// The events of one call.
#[derive(Debug)]
pub(crate) struct CallEvents {
    shares: Arc<EventShares>,
    share: Share,
    bytes: AtomicUsize,
}

impl EventShares {
    /// Each caller's calls may have `most` bytes of events while they run, and as many after they have ended.
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            callers: Mutex::default(),
        })
    }

    /// A call begins.
    pub(crate) fn begin(self: &Arc<Self>, share: Share) -> CallEvents {
        CallEvents {
            shares: Arc::clone(self),
            share,
            bytes: AtomicUsize::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Share, Held>> {
        self.callers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl CallEvents {
    /// Takes room for an event; `false` when there is none.
    pub(crate) fn take(&self, bytes: usize) -> bool {
        let mut callers = self.shares.lock();
        let held = callers.entry(self.share.clone()).or_default();
        let running = held.running.saturating_add(bytes);
        let has_room = running <= self.shares.most;
        if has_room {
            held.running = running;
            self.bytes.fetch_add(bytes, Ordering::Relaxed);
        }
        has_room
    }

    /// Notes that the log ends with an event of so many bytes, and says whether it may be kept for as long as others.
    /// One of the modern era is gone with its response.
    pub(crate) fn end(&self, bytes: usize, era: Era) -> bool {
        if era == Era::Modern {
            return true;
        }
        let now = Instant::now();
        let kept_for = BusLimits::default().legacy_retention;
        let mut callers = self.shares.lock();
        if callers.len() > MANY {
            callers.retain(|_, held| held.is_needed(now, kept_for));
        }
        let held = callers.entry(self.share.clone()).or_default();
        held.is_needed(now, kept_for);
        let bytes = self.bytes.load(Ordering::Relaxed) + bytes + LOG_BYTES;
        let kept: usize = held.ended.iter().map(|(_, bytes)| bytes).sum();
        if kept + bytes > self.shares.most {
            return false;
        }
        match held.ended.back_mut() {
            Some((since, sum)) if now.duration_since(*since) < TOGETHER => *sum += bytes,
            _ => held.ended.push_back((now, bytes)),
        }
        true
    }
}

impl Held {
    /// Forgets what is kept no longer.
    fn is_needed(&mut self, now: Instant, kept_for: Duration) -> bool {
        let gone = |since: Instant| now.duration_since(since) > kept_for + TOGETHER;
        while self.ended.front().is_some_and(|(since, _)| gone(*since)) {
            self.ended.pop_front();
        }
        self.running > 0 || !self.ended.is_empty()
    }
}

impl Drop for CallEvents {
    fn drop(&mut self) {
        let mut callers = self.shares.lock();
        if let Some(held) = callers.get_mut(&self.share) {
            held.running -= self.bytes.load(Ordering::Relaxed);
            if held.running == 0 && held.ended.is_empty() {
                callers.remove(&self.share);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::wire::principal::Principal;

    use super::*;

    fn of(name: &str) -> Share {
        Principal::named(name).share()
    }

    #[test]
    fn events_of_running_calls_count_until_they_end() {
        let shares = EventShares::new(100);
        let (one, two) = (shares.begin(of("a")), shares.begin(of("a")));
        assert!(one.take(60) && two.take(40));
        assert!(!two.take(1));
        assert!(shares.begin(of("b")).take(100));
        drop(one);
        assert!(two.take(60));
        drop(two);
        assert!(shares.lock().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn ended_logs_count_while_they_are_kept() {
        let shares = EventShares::new(9_500 + 2 * LOG_BYTES);
        let end = |bytes| shares.begin(of("a")).end(bytes, Era::Legacy);
        assert!(end(9_000));
        assert!(!end(1_000));
        assert!(end(10), "a small one has room");
        assert!(shares.begin(of("b")).end(9_000, Era::Legacy));
        assert!(shares.begin(of("a")).end(9_000, Era::Modern));
        tokio::time::advance(Duration::from_secs(400)).await;
        assert!(end(9_000));
    }
}
