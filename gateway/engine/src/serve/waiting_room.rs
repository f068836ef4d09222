//! What a gateway says before it has a bus: that it lives, and that nobody is served yet.

use std::time::Duration;

use axum::Router;
use axum::routing::get;
use prynai_process::lifecycle::Shutdown;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use super::health;
use crate::listen::accept::accept;
use crate::listen::connection::Connections;
use crate::listen::tls::{CertificateError, Tls};
use crate::refusal::RequestError;
use crate::settings::GatewaySettings;

/// Time for answers that are being given when the bus has come.
const LAST_ANSWERS: Duration = Duration::from_secs(1);

/// Answers on `listener` until `bus` is there, and gives it. `reason`: what is waited for and why, as
/// `/readyz` says it.
///
/// # Errors
///
/// When the certificate cannot be used.
pub async fn wait_for_bus<B>(
    bus: impl Future<Output = B>,
    listener: &TcpListener,
    settings: &GatewaySettings,
    reason: watch::Receiver<String>,
) -> Result<B, CertificateError> {
    let tls = Tls::start(&settings.tls)?.map(|(tls, _)| tls);
    let closing = Shutdown::new();
    let tasks = TaskTracker::new();
    let answering = accept(
        listener,
        Connections::new(
            router(reason),
            tls,
            settings.limits.connection_idle,
            closing.soft().clone(),
        ),
        settings.limits.max_connections,
        &closing,
        &tasks,
    );
    let arriving = async {
        let bus = bus.await;
        closing.begin();
        bus
    };
    let last_answers = async {
        closing.soft().cancelled().await;
        tokio::time::sleep(LAST_ANSWERS).await;
        closing.abort();
    };
    let answered = async {
        tokio::select! {
            () = answering => {}
            () = last_answers => {}
        }
    };
    Ok(tokio::join!(arriving, answered).0)
}

fn router(reason: watch::Receiver<String>) -> Router {
    let unready = move || async move {
        let reason = reason.borrow().clone();
        health::unready(&reason)
    };
    Router::new()
        .route("/livez", get(health::live))
        .route("/healthz", get(unready.clone()))
        .route("/readyz", get(unready))
        .fallback(|| async { RequestError::Starting })
}
