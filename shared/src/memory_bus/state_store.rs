//! [`StateStore`] in memory.

use std::time::Duration;

use async_trait::async_trait;

use super::{MemoryBus, lock};
use crate::bus::{BusError, StateScope, StateStore};

#[async_trait]
impl StateStore for MemoryBus {
    async fn get_state(&self, scope: &StateScope, key: &str) -> Result<Option<String>, BusError> {
        Ok(lock(&self.state).get(&name(scope, key)).cloned())
    }

    async fn set_state(
        &self,
        scope: &StateScope,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        lock(&self.state).insert(name(scope, key), value.to_owned(), ttl);
        Ok(())
    }

    async fn remove_state(&self, scope: &StateScope, key: &str) -> Result<bool, BusError> {
        Ok(lock(&self.state).remove(&name(scope, key)).is_some())
    }

    async fn increment_state(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, BusError> {
        let name = name(scope, key);
        let mut state = lock(&self.state);
        let before = state.get(&name).map_or(Some(0), |text| whole_number(text));
        let sum = before.and_then(|before| before.checked_add(by));
        let sum = sum.ok_or_else(|| {
            let reason = "the value is not a whole number, or the sum is out of range";
            BusError::Unexpected(reason.to_owned())
        })?;
        state.insert(name, sum.to_string(), ttl);
        Ok(sum)
    }
}

fn name(scope: &StateScope, key: &str) -> (StateScope, String) {
    (scope.clone(), key.to_owned())
}

/// Takes a number in its one spelling only, as Redis does.
fn whole_number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
