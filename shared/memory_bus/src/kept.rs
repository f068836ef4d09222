//! What is kept for each caller, counted in one place per share.

use std::collections::HashMap;
use std::time::Duration;

use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Share;
use prynai_bus::{BusError, BusLimits, ShareFull, StateScope};
use tokio::time::Instant;

use super::{MemoryBus, lock};

/// What a session, a record of an idempotency key or a value costs besides its content, in bytes, about.
const BESIDES: usize = 1024;

/// Something that is kept for a caller.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Kept {
    Session(SessionId),
    /// By the name of its record.
    Outcome(String),
    /// A value of a tool.
    Value(StateScope, String),
}

/// What is kept for one share. What has ended is forgotten when its room is needed.
#[derive(Default)]
pub(super) struct Account {
    things: HashMap<Kept, (usize, Option<Instant>)>,
    sum: usize,
    sessions: usize,
}

impl Account {
    fn count(
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

    fn check(&self, kept: &Kept, bytes: usize, limits: &BusLimits) -> Result<(), ShareFull> {
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

    fn forget(&mut self, kept: &Kept) {
        if let Some((bytes, _)) = self.things.remove(kept) {
            self.sum -= bytes;
            self.sessions -= usize::from(matches!(kept, Kept::Session(_)));
        }
    }

    fn forget_ended(&mut self, now: Instant) {
        let ended = self
            .things
            .iter()
            .filter(|(_, (_, ends))| ends.is_some_and(|ends| ends <= now));
        let ended: Vec<_> = ended.map(|(kept, _)| kept.clone()).collect();
        ended.iter().for_each(|kept| self.forget(kept));
    }
}

impl MemoryBus {
    /// Counts something in the place of what was counted for it before.
    pub(super) fn count_kept(
        &self,
        share: &Share,
        kept: Kept,
        content: usize,
        life: Option<Duration>,
    ) -> Result<(), BusError> {
        let mut accounts = lock(&self.accounts);
        let bytes = content.saturating_add(BESIDES);
        let account = accounts.entry(share.clone()).or_default();
        let counted = account.count(kept, bytes, life, &self.limits);
        if account.things.is_empty() {
            accounts.remove(share);
        }
        Ok(counted?)
    }

    /// Takes a count back.
    pub(super) fn forget_kept(&self, share: &Share, kept: &Kept) {
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get_mut(share) {
            account.forget(kept);
            if account.things.is_empty() {
                accounts.remove(share);
            }
        }
    }

    /// Whether there is room for one more outcome.
    pub(super) fn room_for_outcome(&self, share: &Share) -> Result<(), BusError> {
        let mut accounts = lock(&self.accounts);
        let Some(account) = accounts.get_mut(share) else {
            return Ok(());
        };
        let any = Kept::Outcome(String::new());
        if account.check(&any, BESIDES, &self.limits).is_err() {
            account.forget_ended(Instant::now());
        }
        Ok(account.check(&any, BESIDES, &self.limits)?)
    }
}
