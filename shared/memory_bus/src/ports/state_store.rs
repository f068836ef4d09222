//! [`StateStore`] in memory.

use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::OperationId;
use prynai_bus::wire::principal::Share;
use prynai_bus::{BusError, StateScope, StateStore};

use crate::bus::{MemoryBus, lock};
use crate::stored::account::Kept;
use crate::stored::expiry::ExpiringMap;

/// How long an operation that must not be done twice is remembered.
const REMEMBERED: Duration = Duration::from_secs(60);

#[async_trait]
impl StateStore for MemoryBus {
    async fn get_state(&self, scope: &StateScope, key: &str) -> Result<Option<String>, BusError> {
        if let StateScope::Session(id) = scope {
            let sessions = lock(&self.sessions);
            let session = sessions.get(id);
            return Ok(session.and_then(|session| session.state.get(&key.to_owned()).cloned()));
        }
        Ok(lock(&self.state).get(&name(scope, key)).cloned())
    }

    async fn set_state(
        &self,
        scope: &StateScope,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        let value = value.to_owned();
        if let StateScope::Session(id) = scope {
            let mut sessions = lock(&self.sessions);
            let session = sessions.get_mut(id).ok_or(BusError::SessionEnded)?;
            session.state.insert(key.to_owned(), value, ttl);
        } else {
            lock(&self.state).insert(name(scope, key), value, ttl);
        }
        Ok(())
    }

    async fn count_state(
        &self,
        share: &Share,
        scope: &StateScope,
        key: &str,
        bytes: Option<usize>,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        let value = Kept::Value(scope.clone(), key.to_owned());
        let Some(bytes) = bytes else {
            self.forget_kept(share, &value);
            return Ok(());
        };
        let of_session = matches!(scope, StateScope::Session(_));
        let ends = of_session.then(|| self.limits.session_idle.saturating_mul(5) / 4);
        self.count_kept(share, value, key.len() + bytes, ttl.or(ends))
    }

    async fn remove_state(
        &self,
        scope: &StateScope,
        key: &str,
        operation: &OperationId,
    ) -> Result<bool, BusError> {
        let removed = self.once(operation, || {
            let removed = if let StateScope::Session(id) = scope {
                let mut sessions = lock(&self.sessions);
                let session = sessions.get_mut(id);
                session.and_then(|session| session.state.remove(&key.to_owned()))
            } else {
                lock(&self.state).remove(&name(scope, key))
            };
            Ok(i64::from(removed.is_some()))
        })?;
        Ok(removed == 1)
    }

    async fn increment_state(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
        operation: &OperationId,
    ) -> Result<i64, BusError> {
        self.once(operation, || {
            if let StateScope::Session(id) = scope {
                let mut sessions = lock(&self.sessions);
                let session = sessions.get_mut(id).ok_or(BusError::SessionEnded)?;
                return increment(&mut session.state, key.to_owned(), by, ttl);
            }
            increment(&mut lock(&self.state), name(scope, key), by, ttl)
        })
    }
}

impl MemoryBus {
    /// Does an operation, unless it was done: then it answers the same.
    fn once(
        &self,
        operation: &OperationId,
        step: impl FnOnce() -> Result<i64, BusError>,
    ) -> Result<i64, BusError> {
        let mut answered = lock(&self.answered);
        if let Some(answer) = answered.get(operation) {
            return Ok(*answer);
        }
        let answer = step()?;
        answered.insert(*operation, answer, Some(REMEMBERED));
        Ok(answer)
    }
}

fn name(scope: &StateScope, key: &str) -> (StateScope, String) {
    (scope.clone(), key.to_owned())
}

fn increment<K: Clone + Eq + Hash>(
    state: &mut ExpiringMap<K, String>,
    key: K,
    by: i64,
    ttl: Option<Duration>,
) -> Result<i64, BusError> {
    let before = state.get(&key).map_or(Some(0), |text| whole_number(text));
    let sum = before.and_then(|before| before.checked_add(by));
    let sum = sum.ok_or_else(|| {
        let reason = "the value is not a whole number, or the sum is out of range";
        BusError::Unexpected(reason.to_owned())
    })?;
    state.insert(key, sum.to_string(), ttl);
    Ok(sum)
}

/// Takes a number in its one spelling only, as Redis does.
fn whole_number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
