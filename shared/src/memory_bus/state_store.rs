//! [`StateStore`] in memory.

use std::hash::Hash;
use std::time::Duration;

use async_trait::async_trait;

use super::expiry::ExpiringMap;
use super::{MemoryBus, lock};
use crate::bus::{BusError, StateScope, StateStore};

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

    async fn remove_state(&self, scope: &StateScope, key: &str) -> Result<bool, BusError> {
        if let StateScope::Session(id) = scope {
            let mut sessions = lock(&self.sessions);
            let session = sessions.get_mut(id);
            let removed = session.and_then(|session| session.state.remove(&key.to_owned()));
            return Ok(removed.is_some());
        }
        Ok(lock(&self.state).remove(&name(scope, key)).is_some())
    }

    async fn increment_state(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, BusError> {
        if let StateScope::Session(id) = scope {
            let mut sessions = lock(&self.sessions);
            let session = sessions.get_mut(id).ok_or(BusError::SessionEnded)?;
            return increment(&mut session.state, key.to_owned(), by, ttl);
        }
        increment(&mut lock(&self.state), name(scope, key), by, ttl)
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
