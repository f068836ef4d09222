//! What is kept for each caller, counted in one place per share.

use std::time::Duration;

use prynai_bus::BusError;
use prynai_bus::wire::principal::Share;
use tokio::time::Instant;

use crate::bus::{MemoryBus, lock};
use crate::stored::account::Kept;

/// What a session, a record of an idempotency key or a value costs besides its content, in bytes, about.
const BESIDES: usize = 1024;

impl MemoryBus {
    /// Counts something in the place of what was counted for it before.
    pub(crate) fn count_kept(
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
        if account.is_empty() {
            accounts.remove(share);
        }
        Ok(counted?)
    }

    /// Takes a count back.
    pub(crate) fn forget_kept(&self, share: &Share, kept: &Kept) {
        let mut accounts = lock(&self.accounts);
        if let Some(account) = accounts.get_mut(share) {
            account.forget(kept);
            if account.is_empty() {
                accounts.remove(share);
            }
        }
    }

    /// Whether there is room for one more outcome.
    pub(crate) fn room_for_outcome(&self, share: &Share) -> Result<(), BusError> {
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
