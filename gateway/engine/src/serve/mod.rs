//! Serving: from a bus, settings and a port to the last connection.
//!
//! The [`router`] has the routes and the order of the checks, [`health`] the probes, [`front_page`] what browsers see.
//! The [`heartbeat`] tells the workers that somebody waits for the answers. Until the process has its bus, the
//! [`waiting_room`] answers.

mod front_page;
mod health;
mod heartbeat;
mod router;
mod waiting_room;

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::GatewayId;
use prynai_bus::{Bus, BusError};
use prynai_process::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use self::router::Routes;
use crate::listen::accept::accept;
use crate::listen::connection::Connections;
use crate::listen::tls::{CertificateError, Tls};
use crate::metrics;
use crate::policy::Policy;
use crate::settings::GatewaySettings;
use crate::state::AppState;

pub use waiting_room::wait_for_bus;

/// How long cancels and records may take after the last connection.
const LAST_TASKS: Duration = Duration::from_secs(2);

/// How long the last records of the audit may take, and the last word to the workers.
const LAST_RECORDS: Duration = Duration::from_millis(500);

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
    metrics::register();
    let tls = Tls::start(&settings.tls)?;
    let gateway = GatewayId::generate();
    let mut background = JoinSet::new();
    let beating = background.spawn(heartbeat::run(bus.clone(), gateway.clone()));
    let tls = tls.map(|(tls, renewal)| {
        background.spawn(renewal);
        tls
    });
    let (policy, policy_task) = Policy::new(settings.policy.clone());
    if let Some(task) = policy_task {
        background.spawn(task);
    }
    let max_connections = settings.limits.max_connections;
    let connection_idle = settings.limits.connection_idle;
    let name = gateway.clone();
    let stopping = shutdown.clone();
    let liveness = bus.clone();
    let state = AppState::start(name, bus, settings, policy, stopping, &mut background).await?;
    let tasks = state.canceller.tasks().clone();
    let audit = state.audit.clone();
    if let Ok(address) = listener.local_addr() {
        tracing::info!(%address, %gateway, tls = tls.is_some(), "listening");
    }
    let accepting = accept(
        listener,
        Connections::new(
            Routes::new(state),
            tls,
            connection_idle,
            shutdown.soft().clone(),
        ),
        max_connections,
        &shutdown,
        &tasks,
    );
    let served = tokio::select! {
        () = accepting => Ok(()),
        _ = background.join_next() => {
            shutdown.abort();
            Err(BusError::Unexpected("a background task of the gateway ended".to_owned()).into())
        }
    };
    // What was begun for clients that are gone; bounded, since the bus may be away.
    tasks.close();
    if tokio::time::timeout(LAST_TASKS, tasks.wait())
        .await
        .is_err()
    {
        tracing::warn!(
            left = tasks.len(),
            "stopped before all calls of disconnected clients were cancelled; those left run to their end"
        );
    }
    let _ = tokio::time::timeout(LAST_RECORDS, audit.flush()).await;
    // While it still hears: one that says that it lives and hears nothing is taken for deaf.
    let signed_off = async {
        beating.abort();
        heartbeat::end(liveness.as_ref(), &gateway).await;
        background.shutdown().await;
    };
    let _ = tokio::time::timeout(LAST_RECORDS, signed_off).await;
    if served.is_ok() {
        tracing::info!(%gateway, "stopped");
    }
    served
}
