//! The worker as a process.

use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_probe::Command;
use prynai_process::lifecycle::Shutdown;
use prynai_process::settings::parse_or_exit;
use prynai_redis_bus::settings::exit_if_unusable;
use prynai_redis_bus::{RedisBus, RedisOperations};
use prynai_worker_engine::{
    WorkerConfig, WorkerHealth, hush_handler_panics, refuse_own_tasks, serve,
};
use rmcp::ServerHandler;

use crate::settings::ProcessSettings;

/// The name under which its metrics know it, whatever the handler.
const PROGRAM: &str = "prynai-worker";

/// Runs `handler` as a worker: reads the settings from the command line and the environment, starts the log, connects
/// to Redis and serves until SIGTERM or SIGINT. `--help` lists the settings.
///
/// On SIGTERM it takes no more requests, lets running calls finish for `--drain-timeout` and hands the rest to other
/// workers. The process ends five seconds after this returns at the latest, even if a handler still blocks a thread.
///
/// With the subcommand `health` it serves nobody, and asks the worker of this machine whether it is ready. The command
/// line is read only here, after `handler` was built: so build what is slow or may fail, such as the connection to a
/// database, when it is first used. Otherwise each check of a container does it, too.
///
/// The process exits with code 64 when a setting cannot work, or when Redis is not set up so that it can be used. A
/// Redis that cannot be reached is waited for.
///
/// # Errors
///
/// When the handler declares tasks of its own, signals cannot be waited for, `--admin-listen` cannot be bound, or Redis
/// answers with something that it never should.
pub async fn run<H: ServerHandler>(handler: H) -> anyhow::Result<()> {
    let (settings, (probe, _traces_and_log)) =
        parse_or_exit(std::env::args_os(), |settings: &ProcessSettings| {
            if let Some(Command::Health) = settings.command {
                return Ok((Some(settings.probe()?), None));
            }
            settings.check()?;
            let traces = settings.traces.start(PROGRAM, env!("CARGO_PKG_VERSION"))?;
            let log = settings.telemetry.start_with(traces.layer())?;
            Ok((None, Some((traces, log))))
        });
    if let Some(probe) = probe {
        return Ok(probe.tell().await?);
    }
    refuse_own_tasks(&handler).map_err(anyhow::Error::msg)?;
    hush_handler_panics();
    let shutdown = Shutdown::new();
    let grace = settings.drain_timeout;
    let _unended = shutdown.on_signals(Duration::ZERO, grace)?;
    let admin = settings.admin.start(PROGRAM, env!("CARGO_PKG_VERSION"))?;
    let health = WorkerHealth::default();
    if let Some(admin) = &admin {
        admin.show_console(RedisOperations::connecting(settings.redis.clone()));
        let health = health.clone();
        admin.tell_health(Box::new(move || {
            let health = health.clone();
            Box::pin(async move { health.check().await })
        }));
    }
    let limits = BusLimits {
        caller_kept: settings.caller_kept,
        audit: settings.telemetry.audit.audit_records,
        ..BusLimits::default()
    };
    let waits = |reason: &str| health.waits_for(&format!("Redis: {reason}"));
    let connected = tokio::select! {
        () = shutdown.soft().cancelled() => return Ok(()),
        connected = RedisBus::connect_when_there(&settings.redis, limits, waits) => connected,
    };
    let config = WorkerConfig {
        caller_kept: settings.caller_kept,
        health: health.clone(),
        ..settings.worker.config()
    };
    let bus = exit_if_unusable(connected)?;
    serve(handler, bus, config, shutdown).await;
    Ok(())
}
