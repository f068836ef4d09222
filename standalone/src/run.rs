//! The process.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use prynai_admin::Connect;
use prynai_bus::operations::Repairs;
use prynai_bus::wire::change::Change;
use prynai_bus::{Bus, BusError, BusLimits, News};
use prynai_memory_bus::MemoryBus;
use prynai_probe::Command;
use prynai_process::lifecycle::Shutdown;
use prynai_process::settings::parse_or_exit;
use prynai_redis_bus::settings::exit_if_unusable;
use prynai_redis_bus::{RedisBus, RedisOperations};
use rmcp::ServerHandler;

use crate::hint;
use crate::settings::StandaloneSettings;

/// The name under which its metrics know it.
const PROGRAM: &str = "prynai-mcp";

/// Runs `handler` behind a gateway in this process until it is told to stop. The process ends five seconds after this
/// returns at the latest, also when a handler still blocks a thread.
///
/// # Errors
///
/// When the handler declares tasks of its own, an address cannot be bound, or Redis or the certificate cannot be used
/// as they are set up. A Redis that is away is waited for.
pub async fn run<H: ServerHandler>(handler: H) -> anyhow::Result<()> {
    let (settings, (probe, _traces_and_log)) =
        parse_or_exit(std::env::args_os(), |settings: &StandaloneSettings| {
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
    prynai_worker::refuse_own_tasks(&handler).map_err(anyhow::Error::msg)?;
    prynai_worker::hush_handler_panics();
    let shutdown = Shutdown::new();
    // Nothing stands in front that would have to be told.
    let delay = Duration::ZERO;
    let _unended = shutdown.on_signals(delay, settings.gateway.drain_timeout)?;
    let listener = prynai_gateway_engine::listen(settings.gateway.listen)?;
    let admin = settings.admin.start_by_default(
        PROGRAM,
        env!("CARGO_PKG_VERSION"),
        settings.is_for_this_machine(),
    )?;
    let memory = MemoryBus::new(limits(&settings));
    if let Some(admin) = &admin {
        admin.show_console(match settings.redis() {
            Some(redis) => RedisOperations::connecting(redis),
            None => of_memory(Arc::clone(&memory)),
        });
    }
    let bus = tokio::select! {
        () = shutdown.soft().cancelled() => return Ok(()),
        bus = bus(&settings, memory) => bus.context("cannot use Redis")?,
    };
    if let Some(admin) = &admin {
        admin.look_before_reading(prynai_gateway_engine::look_at_queue(bus.clone()));
    }
    let console = admin.as_ref().map(|admin| admin.console_url());
    let url = hint::url(listener.local_addr()?, settings.gateway.tls.is_on());
    let ready = announced(bus.clone()).await?;
    let config = settings.worker_config();
    // The worker stops after the gateway: what waits for an answer is still to be run.
    let worker_shutdown = Shutdown::new();
    let worker = async {
        prynai_worker::serve(handler, bus.clone(), config, worker_shutdown.clone()).await;
        shutdown.begin();
    };
    let gateway = async {
        let served = tokio::select! {
            () = shutdown.soft().cancelled() => Ok(()),
            () = ready => {
                hint::say_how_to_try(&url, settings.gateway.auth.auth, console.as_deref());
                prynai_gateway_engine::serve(listener, bus.clone(), settings.gateway, shutdown.clone()).await
            }
        };
        worker_shutdown.begin();
        served
    };
    let aborted = async {
        shutdown.hard().cancelled().await;
        worker_shutdown.abort();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        (served, ()) = async { tokio::join!(gateway, worker) } => Ok(served?),
        () = aborted => Ok(()),
    }
}

/// What operators see of a process without Redis.
fn of_memory(bus: Arc<MemoryBus>) -> Connect {
    Box::new(move || {
        let bus: Arc<dyn Repairs> = bus.clone();
        Box::pin(async move { Ok(bus) })
    })
}

fn limits(settings: &StandaloneSettings) -> BusLimits {
    BusLimits {
        audit: settings.telemetry.audit.audit_records,
        ..settings.gateway.limits.bus()
    }
}

async fn bus(
    settings: &StandaloneSettings,
    memory: Arc<MemoryBus>,
) -> Result<Arc<dyn Bus>, BusError> {
    Ok(match settings.redis() {
        Some(redis) => {
            exit_if_unusable(RedisBus::connect_when_there(&redis, limits(settings), |_| {}).await)?
        }
        None => memory,
    })
}

/// Completes once a worker has announced what it serves, so that the first client finds it.
async fn announced(bus: Arc<dyn Bus>) -> Result<impl Future<Output = ()>, BusError> {
    let mut changes = bus.change_news().await?;
    Ok(async move {
        while !matches!(bus.read_catalog().await, Ok(Some(_))) {
            match changes.recv().await {
                Some(News::Gap) => {}
                Some(News::Item(item)) if item.change != Change::CatalogChanged => {}
                Some(News::Item(_)) | None => break,
            }
        }
    })
}
