//! The process `prynai-gateway`, from settings to the last connection.

use std::io::Write;
use std::process::ExitCode;

use prynai_bus::{BusError, BusLimits};
use prynai_gateway_engine::{listen, look_at_queue, serve, wait_for_bus};
use prynai_probe::Command;
use prynai_process::lifecycle::Shutdown;
use prynai_process::settings::parse_or_exit;
use prynai_redis_bus::settings::exit_if_unusable;
use prynai_redis_bus::{RedisBus, RedisOperations};
use tokio::sync::watch;

use crate::dry_run;
use crate::settings::ProcessSettings;

/// The name under which its metrics know it.
const PROGRAM: &str = "prynai-gateway";

/// Runs the gateway process.
///
/// # Errors
///
/// When an address cannot be bound, or Redis or the certificate cannot be used as they are set up.
pub(crate) async fn run() -> anyhow::Result<ExitCode> {
    let (settings, (probe, _traces_and_log)) =
        parse_or_exit(std::env::args_os(), |settings: &ProcessSettings| {
            if let Some(Command::Health) = settings.command {
                return Ok((Some(settings.probe()?), None));
            }
            settings.check()?;
            settings.redis.check()?;
            let traces = settings.traces.start(PROGRAM, env!("CARGO_PKG_VERSION"))?;
            let log = settings.telemetry.start_with(traces.layer())?;
            Ok((None, Some((traces, log))))
        });
    if let Some(probe) = probe {
        probe.tell().await?;
        return Ok(ExitCode::SUCCESS);
    }
    if let (true, Some(policy)) = (settings.dry_run, &settings.gateway.policy) {
        return Ok(match dry_run::rehearse(&settings.redis, policy).await {
            Ok(ended) => ExitCode::from(ended.code()),
            Err(error) => {
                // Nothing is left to do when standard error is gone as well.
                let _ = writeln!(std::io::stderr(), "error: {error}");
                ExitCode::from(dry_run::EXIT_AWAY)
            }
        });
    }
    let shutdown = Shutdown::new();
    let (delay, grace) = (settings.stop_delay, settings.gateway.drain_timeout);
    let _unended = shutdown.on_signals(delay, grace)?;
    let listener = listen(settings.gateway.listen)?;
    let admin = settings.admin.start(PROGRAM, env!("CARGO_PKG_VERSION"))?;
    if let Some(admin) = &admin {
        admin.show_console(RedisOperations::connecting(settings.redis.clone()));
    }
    let redis = &settings.redis();
    let limits = BusLimits {
        audit: settings.telemetry.audit.audit_records,
        ..settings.gateway.limits.bus()
    };
    let connecting = async {
        match RedisBus::connect_as_set(redis, limits.clone()).await {
            // Only now: whoever comes while the first attempt lasts had better wait than try again.
            Err(BusError::Unavailable(reason) | BusError::Refused(reason)) => {
                let waiting = |reason: &str| format!("waiting for Redis: {reason}");
                let (reasons, reason) = watch::channel(waiting(&reason));
                let tell = |reason: &str| drop(reasons.send_replace(waiting(reason)));
                let bus = RedisBus::connect_when_there(redis, limits, tell);
                wait_for_bus(bus, &listener, &settings.gateway, reason).await
            }
            decided => Ok(decided),
        }
    };
    let bus = tokio::select! {
        () = shutdown.soft().cancelled() => return Ok(ExitCode::SUCCESS),
        bus = connecting => exit_if_unusable(bus?)?,
    };
    if let Some(admin) = &admin {
        admin.look_before_reading(look_at_queue(bus.clone()));
    }
    serve(listener, bus, settings.gateway, shutdown).await?;
    Ok(ExitCode::SUCCESS)
}
