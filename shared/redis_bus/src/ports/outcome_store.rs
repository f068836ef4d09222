//! [`OutcomeStore`] on Redis: a hash per key.
//!
//! On the shared connection, so that what a stopped call sent last is done before what is sent to undo it.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::principal::Share;
use prynai_bus::{BusError, KeyState, KeyUse, OutcomeStore};

use crate::bus::RedisBus;
use crate::ports::shares::Kept;
use crate::scripts::{self, unknown_code};
use crate::wire::sealing::{self, Kind};

#[async_trait]
impl OutcomeStore for RedisBus {
    async fn check_room(&self, share: &Share) -> Result<(), BusError> {
        self.room_for_outcome(share).await
    }

    async fn begin_once(&self, once: &KeyUse, window: Duration) -> Result<KeyState, BusError> {
        self.use_key(once, None, window).await
    }

    async fn conclude_once(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<KeyState, BusError> {
        let outcome = self.outcome_at_rest(once, outcome)?;
        let state = self.use_key(once, Some(&outcome), window).await?;
        if state == KeyState::Yours {
            // Small, and kept whether there is room or not.
            if let Err(error) = self.outcome_has_room(once, &outcome, window).await {
                tracing::debug!(%error, "could not count an outcome that is kept; its share seems too small");
            }
        }
        Ok(state)
    }

    async fn record_outcome(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<bool, BusError> {
        let mut outcome = self.outcome_at_rest(once, outcome)?;
        if !self.outcome_has_room(once, &outcome, window).await? {
            outcome = Outcome::left_out(outcome.len()).to_json()?;
            // Kept whether there is room or not; counted if there is, so that a share is full in the end.
            self.outcome_has_room(once, &outcome, window).await?;
        }
        let record = scripts::leave_key(&self.keys, once, Some(&outcome), window);
        Ok(self.hot.run(&record).await?)
    }

    async fn release_key(&self, once: &KeyUse) -> Result<bool, BusError> {
        let release = scripts::leave_key(&self.keys, once, None, Duration::ZERO);
        Ok(self.hot.run(&release).await?)
    }
}

impl RedisBus {
    /// Counts an outcome; `false` when its share has no room for it.
    async fn outcome_has_room(
        &self,
        once: &KeyUse,
        outcome: &str,
        window: Duration,
    ) -> Result<bool, BusError> {
        let kept = Kept::Outcome(&once.record);
        let bytes = kept.cost(outcome.len());
        let counted = self.count_kept(&once.share, &kept, bytes, Some(window));
        match counted.await {
            Ok(()) => Ok(true),
            Err(BusError::ShareFull(_)) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// What a task ended with is sealed there as well.
    fn outcome_at_rest(&self, once: &KeyUse, outcome: &Outcome) -> Result<String, BusError> {
        let json = outcome.to_json()?;
        if !once.takes_task {
            return Ok(json);
        }
        let place = self.keys.outcome(&once.record);
        let sealed = self.task_keys.seal(&place, Kind::Outcome, &json);
        Ok(sealed.into_owned())
    }

    /// A call that takes no task may have left one that is not sealed.
    fn open_outcome(&self, once: &KeyUse, outcome: &str) -> Result<Outcome, BusError> {
        let place = self.keys.outcome(&once.record);
        let opened = match sealing::is_sealed(outcome) {
            true => self.task_keys.open(&place, Kind::Outcome, outcome)?,
            false => outcome.into(),
        };
        Ok(Outcome::from_json(&opened)?)
    }

    async fn use_key(
        &self,
        once: &KeyUse,
        outcome: Option<&str>,
        window: Duration,
    ) -> Result<KeyState, BusError> {
        let command = scripts::use_key(&self.keys, once, outcome, window);
        let (code, outcome) = self.hot.run(&command).await?;
        Ok(match code {
            0 => KeyState::Yours,
            1 => KeyState::Running(outcome.parse().map_err(|_| unnamed())?),
            2 => KeyState::Ended(self.open_outcome(once, &outcome)?),
            3 => KeyState::Reused,
            4 => KeyState::Lost,
            other => return Err(unknown_code(other)),
        })
    }
}

fn unnamed() -> BusError {
    BusError::Unexpected("a call under a key has no stream".to_owned())
}
