//! Probes for orchestrators.

use std::sync::Arc;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRef, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use prynai_bus::Bus;
use prynai_process::lifecycle::Shutdown;
use serde_json::json;
use tokio::time::timeout;

use crate::auth::Authenticator;
use crate::state::AppState;
use crate::streams::hub::Hub;
use crate::worker_watch::{WorkerWatch, Workers};

/// A bus that takes longer than this to answer counts as away.
const PATIENCE: Duration = Duration::from_secs(1);

/// What decides whether requests would be served.
#[derive(Clone)]
pub(super) struct Readiness {
    shutdown: Shutdown,
    bus: Arc<dyn Bus>,
    hub: Hub,
    authenticator: Authenticator,
    workers: Arc<WorkerWatch>,
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        Self {
            shutdown: state.shutdown.clone(),
            bus: state.bus.clone(),
            hub: state.hub.clone(),
            authenticator: state.authenticator.clone(),
            workers: state.workers.clone(),
        }
    }
}

/// `/livez`: the process runs. Restarting it would not bring Redis back, so Redis is not asked.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `/readyz` and `/healthz`: requests sent here now would be served.
pub(super) async fn ready(State(state): State<Readiness>) -> Response {
    match state.look().await {
        Ok(workers) => {
            let seen = workers.seen.map(|seen| seen.heard.as_secs());
            let (gateway, calls) = (state.hub.gateway(), state.hub.held());
            let body = json!({
                "status": "ok", "gateway": gateway, "calls": calls, "workerSeenSecondsAgo": seen,
            });
            Json(body).into_response()
        }
        Err(reason) => unready(&reason),
    }
}

pub(super) fn unready(reason: &str) -> Response {
    let body = json!({ "status": "unready", "reason": reason });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}

// === impl Readiness ===

impl Readiness {
    /// The reason why requests would not be served.
    async fn look(&self) -> Result<Workers, String> {
        if self.shutdown.is_leaving() {
            return Err("stopping".to_owned());
        }
        let workers = async {
            self.bus.health().await?;
            self.workers.look(self.bus.as_ref()).await
        };
        let workers = match timeout(PATIENCE, workers).await {
            Ok(looked) => looked.map_err(|error| error.to_string())?,
            Err(_) => return Err("the bus does not answer".to_owned()),
        };
        if self.authenticator.lacks_keys() {
            return Err(
                "no issuer has given its keys yet, so no token can be checked; is the issuer reachable?"
                    .to_owned(),
            );
        }
        match self.workers.fault(&workers) {
            Some(reason) => Err(reason),
            None => Ok(workers),
        }
    }
}
