//! The entries that Redis handed to the workers of this process, and those that they received.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::connection::blocking_read::BlockingReader;
use crate::queue::entry::QueueEntry;

/// The entries of one worker. Redis may have handed some out in an answer that was lost.
#[derive(Default)]
pub(crate) struct Deliveries {
    /// The connection on which the worker waits for new entries.
    pub(crate) reader: tokio::sync::Mutex<BlockingReader>,
    /// The number of its next reclaim: one whose answer was lost is asked for again under the same.
    pub(crate) reclaims: tokio::sync::Mutex<u64>,
    /// The newest entry that it received. A read hands out newer entries than all that were handed out before.
    newest: Mutex<(u64, u64)>,
    /// A read was begun, and its answer has not come.
    is_owed: AtomicBool,
}

impl Deliveries {
    /// Whether entries may have been handed out that the worker has not received.
    pub(crate) fn is_owed(&self) -> bool {
        self.is_owed.load(Ordering::Acquire)
    }

    pub(crate) fn set_owed(&self, owed: bool) {
        self.is_owed.store(owed, Ordering::Release);
    }

    /// The newest entry that the worker received.
    pub(crate) fn newest(&self) -> (u64, u64) {
        *self.lock()
    }

    /// Notes entries that the worker received.
    pub(crate) fn received(&self, entries: &[QueueEntry]) {
        let newest = entries.iter().filter_map(QueueEntry::position).max();
        if let Some(position) = newest {
            let mut newest = self.lock();
            *newest = position.max(*newest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, u64)> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
