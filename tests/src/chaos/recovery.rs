//! How long it took until a call that lost its worker ran again, or its client was told.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::fault::Injected;
use super::ledger::{Deed, Deeds, Entry};
use super::record::{Answer, Record};

/// Times from the loss of a worker.
#[derive(Debug, Default)]
pub struct Recovery {
    /// Until the next run began.
    pub ran_again: Vec<Duration>,
    /// Until the client was told that the outcome is unknown.
    pub told: Vec<Duration>,
}

impl Recovery {
    /// Of all calls that were running when their worker was hit.
    pub fn of(injected: &[Injected], records: &[Record], deeds: &Deeds) -> Self {
        let hits = hits(injected);
        let mut recovery = Self::default();
        for record in records {
            let entries = deeds
                .get(&record.call.number)
                .map_or(&[][..], Vec::as_slice);
            for begun in entries.iter().filter(|entry| entry.deed == Deed::Begun) {
                if let Some(lost) = lost_at(begun, entries, &hits) {
                    recovery.note(lost, record, entries);
                }
            }
        }
        recovery.ran_again.sort_unstable();
        recovery.told.sort_unstable();
        recovery
    }

    fn note(&mut self, lost: Instant, record: &Record, entries: &[Entry]) {
        let again = |entry: &&Entry| entry.deed == Deed::Begun && entry.at >= lost;
        if let Some(again) = entries.iter().find(again) {
            self.ran_again.push(again.at - lost);
        } else if matches!(record.answer, Answer::OutcomeUnknown | Answer::GivenUp) {
            self.told
                .push(record.answered.saturating_duration_since(lost));
        }
    }
}

/// When each worker was hit.
fn hits(injected: &[Injected]) -> HashMap<u32, Vec<Instant>> {
    let mut hits: HashMap<u32, Vec<Instant>> = HashMap::new();
    for injected in injected {
        if let Some(pid) = injected.worker {
            hits.entry(pid).or_default().push(injected.at);
        }
    }
    hits
}

/// When a run lost its worker before it ended.
fn lost_at(begun: &Entry, entries: &[Entry], hits: &HashMap<u32, Vec<Instant>>) -> Option<Instant> {
    let mut hits = hits.get(&begun.run.pid)?.iter();
    let hit = *hits.find(|hit| **hit >= begun.at)?;
    let ended = entries.iter().any(|entry| {
        let ends = matches!(entry.deed, Deed::Done | Deed::Cancelled);
        ends && entry.run == begun.run && entry.at <= hit
    });
    (!ended).then_some(hit)
}
