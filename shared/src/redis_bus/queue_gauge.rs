//! How full the request queue is, known without asking each time.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Entries that may be added without looking, at most.
const MOST_UNSEEN: usize = 64;

/// The last known length of the queue, and how many entries may be added before the next look.
#[derive(Default)]
pub(super) struct QueueGauge {
    length: AtomicUsize,
    unseen: AtomicUsize,
}

impl QueueGauge {
    /// Whether the queue was full at the last look.
    pub(super) fn is_full(&self, limit: usize) -> bool {
        self.length.load(Ordering::Relaxed) >= limit
    }

    /// Whether the next entry needs a look.
    pub(super) fn must_look(&self) -> bool {
        let spend = |left: usize| left.checked_sub(1);
        let spent = self
            .unseen
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        spent.is_err()
    }

    /// Notes the length. A sixteenth of the room may be filled without another look: that saves the
    /// command on nearly every entry, and sixteen gateways together stay within the bound.
    pub(super) fn saw(&self, length: usize, limit: usize) {
        self.length.store(length, Ordering::Relaxed);
        let room = limit.saturating_sub(length) / 16;
        self.unseen.store(room.min(MOST_UNSEEN), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_rarely_while_there_is_room_and_always_when_there_is_none() {
        let gauge = QueueGauge::default();
        assert!(gauge.must_look(), "nothing is known yet");
        gauge.saw(0, 1600);
        assert_eq!(
            (0..).take_while(|_| !gauge.must_look()).count(),
            MOST_UNSEEN
        );
        gauge.saw(1590, 1600);
        assert!(gauge.must_look());
        assert!(!gauge.is_full(1600));
        gauge.saw(1600, 1600);
        assert!(gauge.is_full(1600));
    }
}
