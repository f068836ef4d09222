//! The gateway: ends client connections and puts their requests on the bus.
//!
//! The path of a request: [`listener`] accepts, [`router`] orders the layers, [`origin`] checks where
//! it comes from, [`streamable_http`] reads it ([`envelope`], [`mirrored`]) and decides the era, [`edge`]
//! answers what needs no worker, everything else is queued while the [`hub`] holds its stream, and
//! [`respond`] turns the events into JSON or [`sse`] frames. Change notifications come from the feed
//! ([`changes`]) through the filter of a listener ([`listening`], [`session_stream`]).
//!
//! It never imports rmcp and knows no tool: it reads the JSON-RPC envelope and passes messages on as
//! they are.

mod catalog;
mod changes;
mod config;
mod edge;
mod envelope;
mod error;
mod health;
mod hub;
mod listener;
mod listening;
mod mirrored;
mod origin;
mod respond;
mod router;
mod run;
mod session_stream;
mod sse;
mod state;
mod streamable_http;
mod versions;

use std::sync::Arc;

use prynai_shared::bus::{Bus, BusError};
use prynai_shared::ids::GatewayId;
use prynai_shared::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio_util::task::AbortOnDropHandle;

pub use config::{GatewaySettings, OriginSettings, ProcessSettings};
pub use run::run;

/// Serves on `listener` until `shutdown`; returns when every connection has ended.
///
/// # Errors
///
/// When the bus cannot be subscribed to at the start.
pub async fn serve(
    listener: TcpListener,
    bus: Arc<dyn Bus>,
    settings: GatewaySettings,
    shutdown: Shutdown,
) -> Result<(), BusError> {
    let gateway = GatewayId::generate();
    let (hub, hub_roles) = hub::Hub::new(
        gateway.clone(),
        bus.clone(),
        bus.event_news(&gateway).await?,
    );
    let (changes, changes_role) = changes::Changes::new(bus.clone(), bus.change_news().await?);
    let (catalog, catalog_role) = catalog::CatalogCache::new(bus.clone(), &changes).await?;
    let _roles = [
        AbortOnDropHandle::new(tokio::spawn(hub_roles)),
        AbortOnDropHandle::new(tokio::spawn(changes_role)),
        AbortOnDropHandle::new(tokio::spawn(catalog_role)),
    ];
    let state = state::AppState {
        bus,
        hub,
        changes,
        catalog,
        settings: Arc::new(settings),
        shutdown: shutdown.clone(),
    };
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, %gateway, "listening");
    }
    listener::accept(listener, router::router(state), &shutdown).await;
    tracing::info!(%gateway, "stopped");
    Ok(())
}
