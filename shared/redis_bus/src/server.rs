//! Looks at the Redis we connected to: its eviction policy.

use prynai_bus::BusError;
use redis::cmd;

use super::connection::HotConnection;
use super::info::fact;
use super::scripts::Call;

/// Warns of a Redis that evicts keys.
pub(super) async fn check(hot: &HotConnection) {
    match hot.run(&Call::<String>::command(cmd("INFO"))).await {
        Ok(facts) => check_eviction(fact(&facts, "maxmemory_policy")),
        Err(fault) => {
            let error = BusError::from(fault);
            // Forbidden to this user, perhaps; the scripts find out what else is.
            tracing::warn!(%error, "INFO failed: the eviction policy of Redis is not known");
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
        None => tracing::info!("Redis does not say its eviction policy; it must be noeviction"),
    }
}
