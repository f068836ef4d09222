//! [`OutcomeStore`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::principal::Share;
use prynai_bus::{BusError, KeyState, KeyUse, OutcomeStore};

use crate::bus::{MemoryBus, lock};
use crate::stored::account::Kept;
use crate::stored::record::Record;

#[async_trait]
impl OutcomeStore for MemoryBus {
    async fn check_room(&self, share: &Share) -> Result<(), BusError> {
        self.room_for_outcome(share)
    }

    async fn begin_once(&self, once: &KeyUse, window: Duration) -> Result<KeyState, BusError> {
        Ok(self.use_key(once, None, window))
    }

    async fn conclude_once(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<KeyState, BusError> {
        let state = self.use_key(once, Some(outcome.clone()), window);
        if state == KeyState::Yours {
            // Small, and kept whether there is room or not.
            let _: Result<(), BusError> = self.count_outcome(once, outcome, window);
        }
        Ok(state)
    }

    async fn record_outcome(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<bool, BusError> {
        let mut records = lock(&self.outcomes);
        let running = records.get_mut(&once.record);
        let Some(running) = running.filter(|record| record.is_left_running_by(once)) else {
            return Ok(false);
        };
        let mut kept = outcome.clone();
        if self.count_outcome(once, &kept, window).is_err() {
            kept = Outcome::left_out(size(outcome));
            // Kept whether there is room or not; counted if there is, so that a share is full in the end.
            let _: Result<(), BusError> = self.count_outcome(once, &kept, window);
        }
        running.outcome = Some(kept);
        records.live_for(&once.record, Some(window));
        Ok(true)
    }

    async fn release_key(&self, once: &KeyUse) -> Result<bool, BusError> {
        let mut records = lock(&self.outcomes);
        let running = records.get(&once.record);
        if !running.is_some_and(|record| record.is_left_running_by(once)) {
            return Ok(false);
        }
        Ok(records.remove(&once.record).is_some())
    }
}

/// About what an outcome takes, in bytes.
fn size(outcome: &Outcome) -> usize {
    let kept = outcome.result.as_ref().or(outcome.error.as_ref());
    kept.map_or(0, |kept| kept.as_str().len())
}

impl MemoryBus {
    fn count_outcome(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<(), BusError> {
        let kept = Kept::Outcome(once.record.clone());
        self.count_kept(&once.share, kept, size(outcome), Some(window))
    }

    fn use_key(&self, once: &KeyUse, outcome: Option<Outcome>, window: Duration) -> KeyState {
        let mut records = lock(&self.outcomes);
        if let Some(record) = records.get(&once.record)
            && !record.is_left_running_by(once)
        {
            return record.seen_by(once);
        }
        let record = Record {
            fingerprint: once.fingerprint.clone(),
            stream: once.stream,
            delivery: once.delivery,
            outcome,
        };
        records.insert(once.record.clone(), record, Some(window));
        KeyState::Yours
    }
}
