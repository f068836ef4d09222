//! Gateway, worker and bus in one process: for a laptop, and for trying a handler.

use std::io::Write;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use prynai_bus::wire::change::Change;
use prynai_bus::{Bus, BusError, News};
use prynai_gateway_engine::{AuthKind, GatewaySettings};
use prynai_memory_bus::MemoryBus;
use prynai_process::lifecycle::Shutdown;
use prynai_process::settings::parse_or_exit;
use prynai_process::telemetry::TelemetrySettings;
use prynai_redis_bus::RedisBus;
use prynai_redis_bus::settings::{
    EnvelopeSettings, KeySettings, RedisSettings, RedisTlsSettings, check_tls, exit_if_unusable,
    redis_url,
};
use prynai_worker::{RequestStateKeys, WorkerSettings};
use rmcp::ServerHandler;

/// Everything the process can be told.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "prynai-mcp",
    version,
    about = "Serves MCP over Streamable HTTP from one process: gateway, worker and an in-memory bus"
)]
pub struct StandaloneSettings {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub gateway: GatewaySettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub work: WorkerSettings,

    /// Redis to use in place of the in-memory bus, so that sessions and state survive a restart and
    /// several processes work together: `redis://[user:password@]host:port`, `rediss://` for TLS, or
    /// `redis+sentinel://[user:password@]host:port,host:port/master` [default: none].
    #[arg(
        long,
        env = "PRYNAI_REDIS_URL",
        value_name = "URL",
        hide_env_values = true,
        value_parser = redis_url
    )]
    pub redis_url: Option<String>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub redis_tls: RedisTlsSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub keys: KeySettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub envelope: EnvelopeSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub telemetry: TelemetrySettings,
}

/// Runs `handler` behind a gateway in this process until it is told to stop. The process ends five seconds after this
/// returns at the latest, also when a handler still blocks a thread.
///
/// # Errors
///
/// When the address cannot be bound, or Redis or the certificate cannot be used as they are set up. A
/// Redis that is away is waited for.
pub async fn run<H: ServerHandler>(handler: H) -> anyhow::Result<()> {
    let (settings, _log) = parse_or_exit(std::env::args_os(), |settings: &StandaloneSettings| {
        settings.gateway.check()?;
        settings.work.check()?;
        settings.envelope.check()?;
        check_tls(
            settings.redis_url.as_deref().unwrap_or_default(),
            &settings.redis_tls,
        )?;
        settings.telemetry.start()
    });
    prynai_worker::hush_handler_panics();
    let shutdown = Shutdown::new();
    // Nothing stands in front that would have to be told.
    let delay = Duration::ZERO;
    let _unended = shutdown.on_signals(delay, settings.gateway.drain_timeout)?;
    let listener = prynai_gateway_engine::listen(settings.gateway.listen)
        .with_context(|| format!("cannot listen on {}", settings.gateway.listen))?;
    let bus = tokio::select! {
        () = shutdown.soft().cancelled() => return Ok(()),
        bus = bus(&settings) => bus.context("cannot use Redis")?,
    };
    let scheme = if settings.gateway.tls.is_on() {
        "https"
    } else {
        "http"
    };
    let url = format!("{scheme}://{}/mcp", from_here(listener.local_addr()?));
    let ready = announced(bus.clone()).await?;
    let mut work = settings.work.config();
    work.caller_kept = settings.gateway.limits.caller_kept;
    if work.state_keys.is_empty() {
        work.state_keys = RequestStateKeys::random();
    }
    // The worker stops after the gateway: what waits for an answer is still to be run.
    let worker_shutdown = Shutdown::new();
    let worker = async {
        prynai_worker::serve(handler, bus.clone(), work, worker_shutdown.clone()).await;
        shutdown.begin();
    };
    let gateway = async {
        let served = tokio::select! {
            () = shutdown.soft().cancelled() => Ok(()),
            () = ready => {
                say_how_to_try(&url, settings.gateway.auth.auth);
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

async fn bus(settings: &StandaloneSettings) -> Result<Arc<dyn Bus>, BusError> {
    let limits = settings.gateway.limits.bus();
    Ok(match &settings.redis_url {
        Some(url) => {
            let redis = RedisSettings {
                redis_url: url.clone(),
                tls: settings.redis_tls.clone(),
                keys: settings.keys.clone(),
                envelope: settings.envelope.clone(),
            };
            exit_if_unusable(RedisBus::connect_when_there(&redis, limits, |_| {}).await)?
        }
        None => MemoryBus::new(limits),
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

/// Where this machine reaches an address that is listened on.
fn from_here(mut address: SocketAddr) -> SocketAddr {
    match address.ip() {
        IpAddr::V4(ip) if ip.is_unspecified() => address.set_ip(Ipv4Addr::LOCALHOST.into()),
        IpAddr::V6(ip) if ip.is_unspecified() => address.set_ip(Ipv6Addr::LOCALHOST.into()),
        _ => {}
    }
    address
}

/// For a person who has just typed `cargo run`; on standard error, apart from the log. Nobody need read it.
fn say_how_to_try(url: &str, auth: AuthKind) {
    let token = match auth {
        AuthKind::None => "",
        AuthKind::Entra | AuthKind::Oidc => " -H \"Authorization: Bearer $TOKEN\"",
    };
    // The certificate may be of a name that leads elsewhere from here.
    let unchecked = if url.starts_with("https:") { "k" } else { "" };
    let text = format!(
        "MCP server on {url}\n\
         Try: curl -s{unchecked} {url}{token} -H 'Content-Type: application/json' -H 'MCP-Protocol-Version: 2026-07-28' \
         -H 'Mcp-Method: tools/call' -H 'Mcp-Name: echo' -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\
         \"params\":{{\"name\":\"echo\",\"arguments\":{{\"text\":\"hello\"}},\"_meta\":{{\
         \"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
         \"io.modelcontextprotocol/clientCapabilities\":{{}}}}}}}}'\n"
    );
    // A thread of its own, which is not waited for: standard error may be a pipe that nobody reads, or closed.
    std::thread::spawn(move || std::io::stderr().write_all(text.as_bytes()));
}
