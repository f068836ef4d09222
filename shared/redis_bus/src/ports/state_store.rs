//! [`StateStore`] on Redis: a string per value, but a hash for those of a session.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{OperationId, SessionId};
use prynai_bus::wire::principal::Share;
use prynai_bus::{BusError, StateScope, StateStore};
use redis::cmd;

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::ports::shares::Kept;
use crate::scripts::{self, StateStep, millis};
use crate::wire::keys::StatePlace;

#[async_trait]
impl StateStore for RedisBus {
    async fn get_state(&self, scope: &StateScope, key: &str) -> Result<Option<String>, BusError> {
        match self.keys.state(scope, key) {
            StatePlace::Alone(key) => self.read_value(&key).await,
            StatePlace::OfSession(id) => self.read_in_session(id, key).await,
        }
    }

    async fn set_state(
        &self,
        scope: &StateScope,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        match self.keys.state(scope, key) {
            StatePlace::Alone(key) => {
                let mut set = cmd("SET");
                set.arg(key).arg(value);
                if let Some(ttl) = ttl {
                    set.arg("PX").arg(millis(ttl));
                }
                Ok(self.run_pooled(&Command::<()>::single(set)).await?)
            }
            StatePlace::OfSession(id) => {
                let step = StateStep::Set(value, ttl);
                let written = self.step_in_session(id, key, step).await?;
                written.map(|_| ()).ok_or(BusError::SessionEnded)
            }
        }
    }

    async fn count_state(
        &self,
        share: &Share,
        scope: &StateScope,
        key: &str,
        bytes: Option<usize>,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        let (name, ends) = match self.keys.state(scope, key) {
            StatePlace::Alone(name) => (name, None),
            StatePlace::OfSession(id) => (format!("{id}:{key}"), self.counted_for()),
        };
        let value = Kept::Value(name);
        let Some(bytes) = bytes else {
            return self.forget_kept(share, &value).await;
        };
        let bytes = value.cost(key.len().saturating_add(bytes));
        self.count_kept(share, &value, bytes, ttl.or(ends)).await
    }

    async fn remove_state(
        &self,
        scope: &StateScope,
        key: &str,
        operation: &OperationId,
    ) -> Result<bool, BusError> {
        match self.keys.state(scope, key) {
            StatePlace::Alone(key) => {
                let answered = self.keys.answered(scope, operation);
                let remove = scripts::remove_state(&key, &answered);
                Ok(self.run_pooled(&remove).await?)
            }
            StatePlace::OfSession(id) => {
                let step = StateStep::Remove(operation);
                let removed = self.step_in_session(id, key, step).await?;
                Ok(removed.flatten().is_some())
            }
        }
    }

    async fn increment_state(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        operation: &OperationId,
    ) -> Result<i64, BusError> {
        match self.keys.state(scope, key) {
            StatePlace::Alone(key) => {
                let answered = self.keys.answered(scope, operation);
                let increment = scripts::increment_state(&key, &answered, by, ttl);
                Ok(self.run_pooled(&increment).await?)
            }
            StatePlace::OfSession(id) => {
                let step = StateStep::Add(by, ttl, operation);
                let sum = self.step_in_session(id, key, step).await?;
                let sum = sum.ok_or(BusError::SessionEnded)?;
                let sum = sum.and_then(|sum| sum.parse().ok());
                sum.ok_or_else(|| BusError::Unexpected("a sum that is no number".to_owned()))
            }
        }
    }
}

impl RedisBus {
    /// The value after the step, or the one removed; `None` outside when the session has ended.
    async fn step_in_session(
        &self,
        id: &SessionId,
        key: &str,
        step: StateStep<'_>,
    ) -> Result<Option<Option<String>>, BusError> {
        let step = scripts::session_state(&self.keys, id, key, &step);
        let (code, value) = self.run_pooled(&step).await?;
        Ok((code != 0).then_some(value))
    }

    async fn read_in_session(&self, id: &SessionId, key: &str) -> Result<Option<String>, BusError> {
        let mut most = self.limits.page_bytes;
        // Again only when the value has grown.
        loop {
            let get = scripts::session_state(&self.keys, id, key, &StateStep::Get(most));
            match self.run_pooled(&get).await? {
                (2, Some(bytes)) => most = bytes.parse().map_err(|_| malformed(&bytes))?,
                (_, value) => return Ok(value),
            }
        }
    }

    /// Reads a value, which may be large: then a second time, now that it is known how long that may take.
    pub(crate) async fn read_value(&self, key: &str) -> Result<Option<String>, BusError> {
        let mut most = self.limits.page_bytes;
        // Again only when the value has grown.
        loop {
            match self.run_pooled(&scripts::read_value(key, most)).await? {
                Some((bytes, None)) => most = bytes,
                found => return Ok(found.and_then(|(_, value)| value)),
            }
        }
    }
}

fn malformed(size: &str) -> BusError {
    BusError::Unexpected(format!("{size:?} as the size of a value"))
}
