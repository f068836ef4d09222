//! Looks at the Redis we connected to: its eviction policy.

use prynai_bus::BusError;
use redis::cmd;

use crate::connection::command::Command;
use crate::connection::hot::HotConnection;
use crate::server::info::fact;

/// Warns of a Redis that evicts keys.
pub(crate) async fn check(hot: &HotConnection) {
    match hot.run(&Command::<String>::single(cmd("INFO"))).await {
        Ok(facts) => check_eviction(fact(&facts, "maxmemory_policy")),
        Err(fault) => {
            let error = BusError::from(fault);
            // Perhaps this user may not run INFO; the scripts find out what else is forbidden.
            tracing::warn!(%error, "the eviction policy of Redis cannot be read; make sure that it is noeviction");
        }
    }
}

fn check_eviction(policy: Option<&str>) {
    match policy {
        Some("noeviction") => {}
        Some(policy) => tracing::error!(
            policy,
            "Redis may evict keys: sessions, streams and the queue itself can vanish under memory \
             pressure; set maxmemory-policy to noeviction"
        ),
        None => tracing::info!(
            "Redis does not say its eviction policy; make sure that it is noeviction"
        ),
    }
}
