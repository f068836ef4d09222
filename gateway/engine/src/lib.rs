//! The gateway: ends client connections and puts their requests on the bus.
//!
//! The path of a request: [`listener`] accepts, [`router`] orders the layers, [`origin`] checks where
//! it comes from and lets web pages in ([`cors`]), [`auth`] who sent it ([`head`]), [`streamable_http`]
//! reads it ([`envelope`], [`mirrored`]) and decides the era, [`policy`] whether its sender may send it,
//! [`edge`] answers what needs no worker, everything else is queued, as far as there is room
//! ([`admission`]), while the [`hub`] holds its stream, and [`respond`] turns the events into JSON or
//! [`sse`] frames, whose [`event_id`] a client resumes from. Change notifications come from the feed
//! ([`changes`]) through the filter of a listener ([`listening`], [`session_stream`]). The [`heartbeat`]
//! tells the workers that somebody waits for the answers.
//!
//! On a port with [`tls`], a handshake comes before all that. Until the process has its bus, the [`waiting_room`] answers.
//!
//! What a client may take is bounded by [`limits`], what it may hold up by [`connection`], [`idle`],
//! [`stall`] and [`lifetime`]. A crowd waits for its [`turns`] at the bus.
//!
//! It never imports rmcp and knows no tool: it reads the JSON-RPC envelope and passes messages on as
//! they are.

mod admission;
mod auth;
mod canceller;
mod catalog;
mod changes;
mod config;
mod connection;
mod cors;
mod edge;
mod envelope;
mod error;
mod event_id;
mod field_bounds;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod head;
mod health;
mod heartbeat;
mod hub;
mod idle;
mod lifetime;
mod limits;
mod listener;
mod listening;
mod mirrored;
mod origin;
mod policy;
mod respond;
mod router;
mod session_stream;
mod sse;
mod stall;
mod state;
mod streamable_http;
mod tls;
mod turns;
mod versions;
mod waiting_room;

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::bus::{Bus, BusError};
use prynai_shared::ids::GatewayId;
use prynai_shared::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

pub use auth::{AuthKind, AuthSettings, CallersAllowed, IssuerUrl, Roots, TenantId, TokenVersion};
pub use config::{GatewaySettings, OriginSettings, TlsSettings};
pub use limits::LimitSettings;
pub use listener::listen;
pub use origin::{HostPattern, OriginPattern};
pub use policy::PolicyFile;
pub use tls::CertificateError;
pub use waiting_room::wait_for_bus;

/// How long cancels and records may take after the last connection.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// Why a gateway does not serve, or not any more.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The bus.
    #[error(transparent)]
    Bus(#[from] BusError),
    /// Certificate and key, if it has any.
    #[error(transparent)]
    Certificate(#[from] CertificateError),
}

/// Serves on `listener` until `shutdown`; returns when every connection has ended.
///
/// # Errors
///
/// When the bus cannot be subscribed to, or the certificate cannot be used, at the start.
pub async fn serve(
    listener: TcpListener,
    bus: Arc<dyn Bus>,
    settings: GatewaySettings,
    shutdown: Shutdown,
) -> Result<(), ServeError> {
    let tls = tls::Tls::start(&settings.tls)?;
    let gateway = GatewayId::generate();
    let (hub, hub_roles) = hub::Hub::new(
        gateway.clone(),
        bus.clone(),
        bus.event_news(&gateway).await?,
    );
    let (changes, changes_role) =
        changes::Changes::new(bus.clone(), bus.change_news().await?).await?;
    let (catalog, catalog_role) = catalog::CatalogCache::new(bus.clone(), &changes).await?;
    let mut roles = JoinSet::new();
    roles.spawn(heartbeat::run(bus.clone(), gateway.clone()));
    roles.spawn(hub_roles);
    roles.spawn(changes_role);
    roles.spawn(catalog_role);
    let scheme = if tls.is_some() { "https" } else { "http" };
    let (callers, callers_roles) = auth::Callers::new(&settings.auth, scheme);
    for role in callers_roles {
        roles.spawn(role);
    }
    let tls = tls.map(|(tls, renewal)| {
        roles.spawn(renewal);
        tls
    });
    let (policy, policy_role) = policy::Policy::new(settings.policy.clone());
    if let Some(role) = policy_role {
        roles.spawn(role);
    }
    let canceller = canceller::Canceller::new(bus.clone());
    let tasks = canceller.tasks().clone();
    let max_connections = settings.limits.max_connections;
    let connection_idle = settings.limits.connection_idle;
    let state = state::AppState {
        admission: admission::Admission::new(bus.clone(), &settings.limits),
        bus,
        callers,
        hub,
        changes,
        catalog,
        canceller,
        policy,
        settings: Arc::new(settings),
        shutdown: shutdown.clone(),
        turns: turns::Turns::new(),
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, %gateway, tls = tls.is_some(), "listening");
    }
    let accepting = listener::accept(
        listener,
        connection::Connections::new(
            router::router(state),
            tls,
            connection_idle,
            shutdown.soft().clone(),
        ),
        max_connections,
        &shutdown,
        &tasks,
    );
    tokio::select! {
        () = accepting => {}
        _ = roles.join_next() => {
            shutdown.abort();
            return Err(BusError::Unexpected("a role of the gateway ended".to_owned()).into());
        }
    }
    // What was begun for clients that are gone; bounded, since the bus may be away.
    tasks.close();
    if tokio::time::timeout(LAST_TASKS, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            left = tasks.len(),
            "stopped before every call of a lost client was cancelled"
        );
    }
    tracing::info!(%gateway, "stopped");
    Ok(())
}
