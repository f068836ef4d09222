//! What is kept for one share.

use std::collections::HashMap;
use std::time::Duration;

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::{BusLimits, ShareFull, StateScope};
use tokio::time::Instant;

/// Something that is kept for a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Kept {
    Session(SessionId),
    /// By the name of its record.
    Outcome(String),
    /// A value of a tool.
    Value(StateScope, String),
    /// A part of a task, by what tells it from others.
    Task(StreamId, u64),
}

/// What is kept for one share. What has ended is forgotten when its room is needed.
#[derive(Default)]
pub(crate) struct Account {
    things: HashMap<Kept, (usize, Option<Instant>)>,
    sum: usize,
    sessions: usize,
}

impl Account {
    pub(crate) fn count(
        &mut self,
        kept: Kept,
        bytes: usize,
        life: Option<Duration>,
        limits: &BusLimits,
    ) -> Result<(), ShareFull> {
        let now = Instant::now();
        if self.check(&kept, bytes, limits).is_err() {
            self.forget_ended(now);
            self.check(&kept, bytes, limits)?;
        }
        self.forget(&kept);
        self.sum += bytes;
        self.sessions += usize::from(matches!(kept, Kept::Session(_)));
        // A life too long for the clock is a life for ever.
        let ends = life.and_then(|life| now.checked_add(life));
        self.things.insert(kept, (bytes, ends));
        Ok(())
    }

    pub(crate) fn check(
        &self,
        kept: &Kept,
        bytes: usize,
        limits: &BusLimits,
    ) -> Result<(), ShareFull> {
        let before = self.things.get(kept).map(|(bytes, _)| *bytes);
        let grows = bytes > before.unwrap_or(0);
        if grows && self.sum - before.unwrap_or(0) + bytes > limits.caller_kept {
            let limit = limits.caller_kept;
            return Err(ShareFull::Kept { limit });
        }
        let is_new_session = before.is_none() && matches!(kept, Kept::Session(_));
        if is_new_session && self.sessions >= limits.caller_sessions {
            let limit = limits.caller_sessions;
            return Err(ShareFull::Sessions { limit });
        }
        Ok(())
    }

    pub(crate) fn forget(&mut self, kept: &Kept) {
        if let Some((bytes, _)) = self.things.remove(kept) {
            self.sum -= bytes;
            self.sessions -= usize::from(matches!(kept, Kept::Session(_)));
        }
    }

    pub(crate) fn forget_ended(&mut self, now: Instant) {
        let ended = self
            .things
            .iter()
            .filter(|(_, (_, ends))| ends.is_some_and(|ends| ends <= now));
        let ended: Vec<_> = ended.map(|(kept, _)| kept.clone()).collect();
        ended.iter().for_each(|kept| self.forget(kept));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.things.is_empty()
    }
}
