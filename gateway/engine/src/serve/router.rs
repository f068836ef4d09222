//! Routes in one list, and what every request passes on its way, in one order.

use axum::Router;
use axum::body::Body;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::Response;
use axum::routing::{any, get};
use futures::future::BoxFuture;
use hyper::body::Incoming;
use prynai_oauth_facade::{Facade, Peer};

use super::{front_page, health};
use crate::listen::connection::Respond;
use crate::message::request_head::ClientAddress;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::{auth, origin, streamable_http};

/// Where MCP is served, also as people write it who copy a URL from a directory.
const ENDPOINT: [&str; 2] = ["/mcp", "/mcp/"];

/// Every route of the gateway.
///
/// The endpoint is not one of the router's, whose layers and routes are boxed and cloned for each request.
#[derive(Clone)]
pub(crate) struct Routes {
    state: AppState,
    others: Router,
}

impl Routes {
    /// The routes of a gateway in this state.
    pub(crate) fn new(state: AppState) -> Self {
        let facade = state.facade.clone().map(Facade::router);
        let checked = Router::new()
            .merge(facade.unwrap_or_default())
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
            .route("/", any(front_page::get))
            .fallback(|| async { RequestError::NoSuchPath })
            .layer(middleware::from_fn_with_state(state.clone(), check_origin));
        let others = Router::new()
            .merge(checked)
            // Probes come from the orchestrator under any name, so that is not checked.
            .route("/livez", get(health::live))
            .route("/healthz", get(health::ready))
            .route("/readyz", get(health::ready))
            .with_state(state.clone());
        Self { state, others }
    }
}

impl Respond for Routes {
    fn respond(
        &self,
        mut request: Request<Incoming>,
        client: ClientAddress,
    ) -> BoxFuture<'static, Response> {
        if !ENDPOINT.contains(&request.uri().path()) {
            if self.state.facade.is_some() {
                request.extensions_mut().insert(Peer(client.0));
            }
            return self.others.respond(request, client);
        }
        let request = request.map(Body::new);
        Box::pin(endpoint(self.state.clone(), client, request))
    }
}

/// The endpoint. The origin is checked outside of all else, so that a web page can read every refusal.
async fn endpoint(state: AppState, client: ClientAddress, request: Request) -> Response {
    let state = &state;
    origin::check(&state.origins, request, |request| {
        let serve = |request, caller| streamable_http::endpoint(state, caller, request);
        auth::require(&state.authenticator, &state.audit, client, request, serve)
    })
    .await
}

async fn check_origin(State(state): State<AppState>, request: Request, next: Next) -> Response {
    origin::check(&state.origins, request, |request| next.run(request)).await
}
