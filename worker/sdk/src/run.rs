//! The worker as a process.

use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_process::lifecycle::Shutdown;
use prynai_process::settings::parse_or_exit;
use prynai_redis_bus::RedisBus;
use prynai_redis_bus::settings::exit_if_unusable;
use prynai_worker_engine::{WorkerConfig, hush_handler_panics, serve};
use rmcp::ServerHandler;

use crate::settings::ProcessSettings;

/// Runs `handler` as a worker: reads the settings from arguments and environment, starts logging,
/// connects to Redis and serves until SIGTERM or SIGINT. Settings that cannot work end the process
/// with exit code 64, and so does a Redis that cannot be used as it is set up. The process ends five
/// seconds after this returns at the latest, also when a handler still blocks a thread.
///
/// # Errors
///
/// When Redis cannot be used as it is set up. A Redis that is away is waited for.
pub async fn run<H: ServerHandler>(handler: H) -> anyhow::Result<()> {
    let (settings, _log) = parse_or_exit(std::env::args_os(), |settings: &ProcessSettings| {
        settings.check()?;
        settings.telemetry.start()
    });
    hush_handler_panics();
    let shutdown = Shutdown::new();
    let grace = settings.drain_timeout;
    let _unended = shutdown.on_signals(Duration::ZERO, grace)?;
    let limits = BusLimits {
        caller_kept: settings.caller_kept,
        ..BusLimits::default()
    };
    let connected = tokio::select! {
        () = shutdown.soft().cancelled() => return Ok(()),
        connected = RedisBus::connect_when_there(&settings.redis, limits, |_| {}) => connected,
    };
    let config = WorkerConfig {
        caller_kept: settings.caller_kept,
        ..settings.work.config()
    };
    let bus = exit_if_unusable(connected)?;
    serve(handler, bus, config, shutdown).await;
    Ok(())
}
