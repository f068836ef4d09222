//! [`OutcomeStore`] on Redis: a hash per key.
//!
//! On the shared connection, so that what a stopped call sent last is done before what is sent to undo it.

use std::time::Duration;

use async_trait::async_trait;

use super::RedisBus;
use super::scripts;
use crate::bus::{BusError, KeyState, KeyUse, OutcomeStore};
use crate::wire::outcome::Outcome;

#[async_trait]
impl OutcomeStore for RedisBus {
    async fn begin_once(&self, once: &KeyUse, window: Duration) -> Result<KeyState, BusError> {
        self.use_key(once, None, window).await
    }

    async fn conclude_once(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<KeyState, BusError> {
        let outcome = outcome.to_json()?;
        self.use_key(once, Some(&outcome), window).await
    }

    async fn record_outcome(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
        window: Duration,
    ) -> Result<bool, BusError> {
        let outcome = outcome.to_json()?;
        let record = scripts::leave_key(&self.keys, once, Some(&outcome), window);
        Ok(self.hot.run(&record).await?)
    }

    async fn release_key(&self, once: &KeyUse) -> Result<bool, BusError> {
        let release = scripts::leave_key(&self.keys, once, None, Duration::ZERO);
        Ok(self.hot.run(&release).await?)
    }
}

impl RedisBus {
    async fn use_key(
        &self,
        once: &KeyUse,
        outcome: Option<&str>,
        window: Duration,
    ) -> Result<KeyState, BusError> {
        let call = scripts::use_key(&self.keys, once, outcome, window);
        let (code, outcome) = self.hot.run(&call).await?;
        Ok(match code {
            0 => KeyState::Yours,
            1 => KeyState::Running,
            2 => KeyState::Ended(Outcome::from_json(&outcome)?),
            3 => KeyState::Reused,
            4 => KeyState::Lost,
            other => return Err(BusError::Unexpected(format!("use_key answered {other}"))),
        })
    }
}
