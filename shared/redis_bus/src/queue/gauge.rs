//! How full the request queue is, known without asking each time.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Entries that may be added without looking, at most.
const MOST_UNSEEN: usize = 64;

/// Gateways that may have added so many at the same time.
const GATEWAYS: usize = 8;

/// For how long a look at a queue without room is believed.
const BELIEVED: Duration = Duration::from_millis(100);

/// The last known length of the queue, and how many entries may be added before the next look.
pub(crate) struct QueueGauge {
    length: AtomicUsize,
    unseen: AtomicUsize,
    born: Instant,
    /// When the next look without an entry is due, in milliseconds after `born`.
    next_look: AtomicU64,
}

impl Default for QueueGauge {
    fn default() -> Self {
        Self {
            length: AtomicUsize::default(),
            unseen: AtomicUsize::default(),
            born: Instant::now(),
            next_look: AtomicU64::default(),
        }
    }
}

impl QueueGauge {
    /// Whether the queue was full at the last look.
    pub(crate) fn is_full(&self, limit: usize) -> bool {
        self.length.load(Ordering::Relaxed) >= limit
    }

    /// How many more entries there is room for, as far as is known.
    pub(crate) fn room(&self, limit: usize) -> usize {
        limit.saturating_sub(self.length.load(Ordering::Relaxed))
    }

    /// Whether the queue may have so many entries by now, for all that is known.
    pub(crate) fn may_hold(&self, entries: usize) -> bool {
        let seen = self.length.load(Ordering::Relaxed);
        seen.saturating_add(MOST_UNSEEN * GATEWAYS) >= entries
    }

    /// Whether the last look is too old to refuse an entry for. True for one caller only, who looks.
    pub(crate) fn must_look_again(&self) -> bool {
        let now = u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX);
        let next = now.saturating_add(BELIEVED.as_millis() as u64);
        let due = |at: u64| (at <= now).then_some(next);
        let relaxed = Ordering::Relaxed;
        self.next_look.fetch_update(relaxed, relaxed, due).is_ok()
    }

    /// Whether this entry needs a look. While one caller looks, the others go on.
    pub(crate) fn must_look(&self, limit: usize) -> bool {
        let spend = |left: usize| left.checked_sub(1);
        let relaxed = Ordering::Relaxed;
        let spent = self.unseen.fetch_update(relaxed, relaxed, spend);
        if spent.is_err() {
            let length = self.length.load(relaxed).saturating_add(MOST_UNSEEN);
            self.unseen.store(may_go_unseen(length, limit), relaxed);
        }
        spent.is_err()
    }

    /// Notes the length.
    pub(crate) fn saw(&self, length: usize, limit: usize) {
        self.length.store(length, Ordering::Relaxed);
        self.unseen
            .store(may_go_unseen(length, limit), Ordering::Relaxed);
    }
}

/// A sixteenth of the room may be filled without a look: that saves the command on nearly every
/// entry, and sixteen gateways together stay within the bound.
fn may_go_unseen(length: usize, limit: usize) -> usize {
    (limit.saturating_sub(length) / 16).min(MOST_UNSEEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unseen(gauge: &QueueGauge, limit: usize) -> usize {
        (0..).take_while(|_| !gauge.must_look(limit)).count()
    }

    #[test]
    fn a_queue_that_was_short_at_the_last_look_may_hold_what_came_since() {
        let gauge = QueueGauge::default();
        assert!(gauge.may_hold(MOST_UNSEEN * GATEWAYS));
        assert!(!gauge.may_hold(1000));
        gauge.saw(600, 1600);
        assert!(gauge.may_hold(1000));
    }

    #[test]
    fn looks_rarely_while_there_is_room_and_always_when_there_is_none() {
        let gauge = QueueGauge::default();
        gauge.saw(0, 1600);
        assert_eq!(unseen(&gauge, 1600), MOST_UNSEEN);
        assert_eq!(unseen(&gauge, 1600), MOST_UNSEEN, "while somebody looks");
        gauge.saw(1590, 1600);
        assert_eq!(unseen(&gauge, 1600), 0);
        assert_eq!(unseen(&gauge, 1600), 0);
        assert!(!gauge.is_full(1600));
        gauge.saw(1600, 1600);
        assert!(gauge.is_full(1600));
    }
}
