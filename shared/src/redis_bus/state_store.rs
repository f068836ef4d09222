//! [`StateStore`] on Redis: a string per value.

use std::time::Duration;

use async_trait::async_trait;
use redis::cmd;

use super::RedisBus;
use super::scripts::{self, Call, millis};
use crate::bus::{BusError, StateScope, StateStore};

#[async_trait]
impl StateStore for RedisBus {
    async fn get_state(&self, scope: &StateScope, key: &str) -> Result<Option<String>, BusError> {
        let mut get = cmd("GET");
        get.arg(self.keys.state(scope, key));
        Ok(self.run_pooled(&Call::command(get)).await?)
    }

    async fn set_state(
        &self,
        scope: &StateScope,
        key: &str,
        value: &str,
        ttl: Option<Duration>,
    ) -> Result<(), BusError> {
        let mut set = cmd("SET");
        set.arg(self.keys.state(scope, key)).arg(value);
        if let Some(ttl) = ttl {
            set.arg("PX").arg(millis(ttl));
        }
        self.run_pooled(&Call::<()>::command(set)).await?;
        Ok(())
    }

    async fn remove_state(&self, scope: &StateScope, key: &str) -> Result<bool, BusError> {
        let mut remove = cmd("DEL");
        remove.arg(self.keys.state(scope, key));
        Ok(self.run_pooled(&Call::command(remove)).await?)
    }

    async fn increment_state(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, BusError> {
        let increment = scripts::increment_state(&self.keys, scope, key, by, ttl);
        Ok(self.run_pooled(&increment).await?)
    }
}
