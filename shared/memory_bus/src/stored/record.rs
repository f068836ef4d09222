//! The record of an idempotency key.

use prynai_bus::ids::StreamId;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::{KeyState, KeyUse};

/// What is known of the calls under one key.
pub(crate) struct Record {
    pub(crate) fingerprint: String,
    pub(crate) stream: StreamId,
    pub(crate) delivery: u32,
    pub(crate) outcome: Option<Outcome>,
}

impl Record {
    pub(crate) fn is_left_running_by(&self, once: &KeyUse) -> bool {
        self.outcome.is_none()
            && self.stream == once.stream
            && self.delivery <= once.delivery
            && self.fingerprint == once.fingerprint
    }

    /// What there is in the way of a use that it does not belong to.
    pub(crate) fn seen_by(&self, once: &KeyUse) -> KeyState {
        if self.fingerprint != once.fingerprint {
            return KeyState::Reused;
        }
        match &self.outcome {
            Some(outcome) => KeyState::Ended(outcome.clone()),
            None if self.stream == once.stream => KeyState::Lost,
            None => KeyState::Running(self.stream),
        }
    }
}
