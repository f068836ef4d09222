//! How long it took until a call that lost its worker ran again, or its client was told.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::clients::record::{Answer, Record};
use crate::faults::fault::Injected;
use crate::tools::ledger::{Deed, Deeds, Entry};

/// Times from the loss of a worker. When another one was lost while a call waited, and may have taken it over by then,
/// its time begins with that loss: what was taken over and not begun must be waited for a second time.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Until the next run began.
    pub ran_again: Vec<Duration>,
    /// Until the client was told that the outcome is unknown, or that its call was given up.
    pub told: Vec<Duration>,
    /// How many of them lost a second worker.
    pub lost_twice: usize,
}

/// Which losses there were.
struct Losses {
    lease: Duration,
    of_worker: HashMap<u32, Vec<Instant>>,
    in_order: Vec<Instant>,
}

impl Recovery {
    /// Of all calls that were running when their worker was hit.
    pub fn of(injected: &[Injected], records: &[Record], deeds: &Deeds, lease: Duration) -> Self {
        let losses = Losses::of(injected, lease);
        let mut recovery = Self::default();
        for record in records {
            let entries = deeds
                .get(&record.call.number)
                .map_or(&[][..], Vec::as_slice);
            for begun in entries.iter().filter(|entry| entry.deed == Deed::Begun) {
                if let Some(lost) = losses.lost_at(begun, entries) {
                    recovery.note(lost, record, entries, &losses);
                }
            }
        }
        recovery.ran_again.sort_unstable();
        recovery.told.sort_unstable();
        recovery
    }

    fn note(&mut self, lost: Instant, record: &Record, entries: &[Entry], losses: &Losses) {
        let again = |entry: &&Entry| entry.deed == Deed::Begun && entry.at >= lost;
        let (times, ended) = if let Some(again) = entries.iter().find(again) {
            (&mut self.ran_again, again.at)
        } else if matches!(record.answer, Answer::OutcomeUnknown | Answer::GivenUp) {
            (&mut self.told, record.answered)
        } else {
            return;
        };
        let last = losses.last_before(ended, lost);
        self.lost_twice += usize::from(last > lost);
        times.push(ended.saturating_duration_since(last));
    }
}

impl Losses {
    fn of(injected: &[Injected], lease: Duration) -> Self {
        let mut of_worker: HashMap<u32, Vec<Instant>> = HashMap::new();
        let mut in_order = Vec::new();
        for injected in injected {
            if let Some(pid) = injected.worker {
                of_worker.entry(pid).or_default().push(injected.at);
                in_order.push(injected.at);
            }
        }
        Self {
            lease,
            of_worker,
            in_order,
        }
    }

    /// When a run lost its worker before it ended.
    fn lost_at(&self, begun: &Entry, entries: &[Entry]) -> Option<Instant> {
        let mut hits = self.of_worker.get(&begun.run.pid)?.iter();
        let hit = *hits.find(|hit| **hit >= begun.at)?;
        let ended = entries.iter().any(|entry| {
            let ends = matches!(entry.deed, Deed::Done | Deed::Cancelled);
            ends && entry.run == begun.run && entry.at <= hit
        });
        (!ended).then_some(hit)
    }

    /// The last loss that can have hit a call which was `lost` and waited until `ended`. Leases are renewed three times
    /// each, so nobody takes over sooner than two thirds of one after a loss.
    fn last_before(&self, ended: Instant, lost: Instant) -> Instant {
        let within = self.in_order.iter().filter(|at| **at < ended);
        within.fold(lost, |last, at| match *at >= last + self.lease * 2 / 3 {
            true => *at,
            false => last,
        })
    }
}
