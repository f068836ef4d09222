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

use crate::state::AppState;
use crate::streams::hub::Hub;

/// A bus that takes longer than this to answer counts as away.
const PATIENCE: Duration = Duration::from_secs(1);

/// What decides whether requests would be served.
#[derive(Clone)]
pub(super) struct Readiness {
    shutdown: Shutdown,
    bus: Arc<dyn Bus>,
    hub: Hub,
}

impl FromRef<AppState> for Readiness {
    fn from_ref(state: &AppState) -> Self {
        Self {
            shutdown: state.shutdown.clone(),
            bus: state.bus.clone(),
            hub: state.hub.clone(),
        }
    }
}

/// `/livez`: the process runs. Restarting it would not bring Redis back, so Redis is not asked.
pub(super) async fn live() -> Response {
    Json(json!({ "status": "ok" })).into_response()
}

/// `/readyz` and `/healthz`: requests sent here now would be served.
pub(super) async fn ready(State(state): State<Readiness>) -> Response {
    if state.shutdown.is_leaving() {
        return unready("stopping");
    }
    match tokio::time::timeout(PATIENCE, state.bus.health()).await {
        Ok(Ok(())) => {
            let body = json!({ "status": "ok", "gateway": state.hub.gateway(), "calls": state.hub.held() });
            Json(body).into_response()
        }
        Ok(Err(error)) => unready(&error.to_string()),
        Err(_) => unready("the bus does not answer"),
    }
}

pub(super) fn unready(reason: &str) -> Response {
    let body = json!({ "status": "unready", "reason": reason });
    (StatusCode::SERVICE_UNAVAILABLE, Json(body)).into_response()
}
