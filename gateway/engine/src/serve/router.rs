//! Routes in one list, middleware in one ordered list.

use axum::Router;
use axum::middleware;
use axum::routing::{any, get};
use tower_http::catch_panic::CatchPanicLayer;

use super::health;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::{auth, origin, streamable_http};

/// Every route of the gateway.
pub(crate) fn router(state: AppState) -> Router {
    let endpoint = Router::new()
        .route("/mcp", any(streamable_http::endpoint))
        // As people write it who copy a URL from a directory.
        .route("/mcp/", any(streamable_http::endpoint))
        .layer(middleware::from_fn_with_state(state.clone(), auth::require))
        // Whoever has no token yet reads here where to get one.
        .route(
            auth::resource_metadata::WELL_KNOWN,
            any(auth::resource_metadata::get),
        )
        .route(
            &format!("{}/", auth::resource_metadata::WELL_KNOWN),
            any(auth::resource_metadata::get),
        )
        .route(
            &format!("{}/{{*path}}", auth::resource_metadata::WELL_KNOWN),
            any(auth::resource_metadata::get),
        )
        .fallback(|| async { RequestError::NoSuchPath })
        // Outside of all that, so that a web page can read every refusal. Probes come from the orchestrator
        // under any name, so they are not checked.
        .layer(middleware::from_fn_with_state(state.clone(), origin::check));
    Router::new()
        .merge(endpoint)
        .route("/livez", get(health::live))
        .route("/healthz", get(health::ready))
        .route("/readyz", get(health::ready))
        // A bug in the answer to one request ends that request only.
        .layer(CatchPanicLayer::new())
        .with_state(state)
}
