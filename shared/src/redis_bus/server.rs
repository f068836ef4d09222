//! Looks at the Redis we connected to: its version and its eviction policy.

use redis::cmd;

use super::connection::HotConnection;
use super::scripts::Call;
use crate::bus::BusError;

/// The oldest Redis with all that the scripts use.
const OLDEST_MAJOR: u32 = 7;

/// Refuses a Redis that is too old and warns of one that evicts keys.
pub(super) async fn check(hot: &HotConnection) -> Result<(), BusError> {
    let facts = match hot.run(&Call::<String>::command(cmd("INFO"))).await {
        Ok(facts) => facts,
        Err(fault) => {
            let error = BusError::from(fault);
            // Forbidden to this user, perhaps; then the first script finds out.
            tracing::warn!(%error, "INFO failed: version and eviction policy of Redis are not known");
            return Ok(());
        }
    };
    check_version(fact(&facts, "redis_version").unwrap_or_default())?;
    check_eviction(fact(&facts, "maxmemory_policy"));
    Ok(())
}

fn check_version(version: &str) -> Result<(), BusError> {
    let major = version
        .split('.')
        .next()
        .and_then(|major| major.parse::<u32>().ok());
    match major {
        Some(major) if major < OLDEST_MAJOR => Err(BusError::Unexpected(format!(
            "this is Redis {version}; version {OLDEST_MAJOR}.0 or later is needed"
        ))),
        _ => Ok(()),
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

/// The value of a line `name:value`.
fn fact<'a>(facts: &'a str, name: &str) -> Option<&'a str> {
    let mut values = facts
        .lines()
        .filter_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    values.next().map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn six_is_too_old() {
        let facts = "# Server\r\nredis_version:6.2.14\r\nmaxmemory_policy:noeviction\r\n";
        let refused = check_version(fact(facts, "redis_version").unwrap()).unwrap_err();
        assert!(refused.to_string().contains("7.0 or later"), "{refused}");
        assert!(check_version("7.0.15").is_ok());
        assert!(check_version("10.0").is_ok());
        assert_eq!(fact(facts, "maxmemory_policy"), Some("noeviction"));
    }
}
