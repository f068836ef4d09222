//! What came of a run.

use tokio::time::Instant;

use crate::clients::record::{Answer, Record};
use crate::faults::fault::Injected;
use crate::judging::recovery::Recovery;
use crate::judging::spread::Spread;
use crate::judging::verdict::Violation;
use crate::tools::ledger::{Deed, Deeds};

/// All that is known of a run when it is over.
#[derive(Debug)]
pub struct Outcome {
    /// Every call.
    pub records: Vec<Record>,
    /// What the handlers did.
    pub deeds: Deeds,
    /// What was broken.
    pub injected: Vec<Injected>,
    /// The largest number of calls seen in flight.
    pub in_flight: usize,
    /// How long lost calls took.
    pub recovery: Recovery,
    /// What must not have happened.
    pub violations: Vec<Violation>,
}

impl Outcome {
    /// Runs of calls beyond their first.
    pub fn runs_again(&self) -> usize {
        let runs = self.deeds.values().map(|entries| {
            let begun = entries.iter().filter(|entry| entry.deed == Deed::Begun);
            begun.count().saturating_sub(1)
        });
        runs.sum()
    }

    /// Tasks that clients were told of and whose end they fetched.
    pub fn tasks_fetched(&self) -> usize {
        let fetched = |record: &&Record| record.is_task && record.answer != Answer::Hung;
        self.records.iter().filter(fetched).count()
    }

    /// How much longer than their tools calls with a result took, before or after the first fault.
    pub fn delays(&self, before_faults: bool) -> Spread {
        let first = self.injected.first().map(|injected| injected.at);
        let chosen = |record: &&Record| {
            let before = first.is_none_or(|first: Instant| record.answered < first);
            before == before_faults && matches!(record.answer, Answer::Result(_))
        };
        let delays = self.records.iter().filter(chosen).map(|record| {
            let whole = record.answered - record.sent;
            whole.saturating_sub(record.call.takes)
        });
        Spread::of(delays.collect())
    }
}
