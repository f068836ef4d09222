//! The process `prynai-gateway`, from settings to the last connection.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prynai_shared::bus::{Bus, BusLimits};
use prynai_shared::lifecycle::Shutdown;
use prynai_shared::redis_bus::RedisBus;
use prynai_shared::settings::{RedisSettings, parse_or_exit};
use tokio::net::TcpListener;

use crate::config::ProcessSettings;

/// Pause between attempts to reach Redis at the start.
const CONNECT_PAUSE: Duration = Duration::from_secs(1);

/// Runs the gateway process.
///
/// # Errors
///
/// When logging cannot start, the address cannot be bound, or Redis refuses the first subscriptions.
pub async fn run() -> anyhow::Result<()> {
    let settings: ProcessSettings = parse_or_exit(std::env::args_os(), |_| Ok(()));
    settings.telemetry.start().map_err(anyhow::Error::msg)?;
    let shutdown = Shutdown::new();
    tokio::spawn(shutdown.clone().on_signals(settings.gateway.drain_timeout));
    let listener = TcpListener::bind(settings.gateway.listen)
        .await
        .with_context(|| format!("cannot listen on {}", settings.gateway.listen))?;
    let Some(bus) = connect(&settings.redis, &shutdown).await else {
        return Ok(());
    };
    crate::serve(listener, bus, settings.gateway, shutdown).await?;
    Ok(())
}

/// Waits for Redis, for as long as it takes; `None` when told to stop meanwhile.
async fn connect(redis: &RedisSettings, shutdown: &Shutdown) -> Option<Arc<dyn Bus>> {
    loop {
        match RedisBus::connect(
            &redis.redis_url,
            &redis.keys.key_prefix,
            BusLimits::default(),
        )
        .await
        {
            Ok(bus) => return Some(bus),
            Err(error) => tracing::warn!(%error, "waiting for Redis"),
        }
        tokio::select! {
            () = tokio::time::sleep(CONNECT_PAUSE) => {}
            () = shutdown.soft().cancelled() => return None,
        }
    }
}
