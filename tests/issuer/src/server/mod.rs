//! The issuer's routes and its accept loop.

pub(crate) mod admin;
pub(crate) mod fault;
pub(crate) mod overheard;
pub(crate) mod tls;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Request, State};
use axum::http::HeaderValue;
use axum::http::header::{ACCESS_CONTROL_ALLOW_ORIGIN, ORIGIN};
use axum::middleware::{Next, from_fn, from_fn_with_state};
use axum::response::Response;
use axum::routing::{MethodRouter, get, post};
use axum::{Extension, Router};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use admin::Peer;
use fault::Endpoint;

use crate::authority::Authority;
use crate::endpoints::{authorize, discovery, downstream, exchange, managed_identity};

/// Connections at a time; more wait in the system's queue.
const MOST_CONNECTIONS: usize = 1_000;

/// Pause after accepting failed.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

pub(crate) fn routes(authority: Arc<Authority>) -> Router {
    let watched = |endpoint: Endpoint, route: MethodRouter<Arc<Authority>>| {
        route.layer(from_fn_with_state((authority.clone(), endpoint), watch))
    };
    let published =
        |endpoint, route: MethodRouter<_>| watched(endpoint, route.layer(from_fn(across_origins)));
    let metadata = |route| published(Endpoint::Metadata, route);
    let keys = |route| published(Endpoint::Keys, route);
    let token = post(exchange::token)
        .layer(from_fn(across_origins))
        .layer(from_fn_with_state(
            authority.secrets.clone(),
            overheard::given,
        ));
    Router::new()
        .route(
            "/{tenant}/v2.0/.well-known/openid-configuration",
            metadata(get(discovery::v2)),
        )
        .route(
            "/{tenant}/.well-known/openid-configuration",
            metadata(get(discovery::v1)),
        )
        .route(
            "/{tenant}/discovery/v2.0/keys",
            keys(get(discovery::v2_keys)),
        )
        .route("/{tenant}/discovery/keys", keys(get(discovery::v1_keys)))
        .route(
            "/.well-known/oauth-authorization-server/{tenant}/v2.0",
            metadata(get(discovery::rfc_8414)),
        )
        .route(
            "/{tenant}/oauth2/v2.0/authorize",
            watched(
                Endpoint::Authorize,
                get(authorize::ask).post(authorize::decide),
            ),
        )
        .route(
            "/{tenant}/oauth2/v2.0/token",
            watched(Endpoint::Token, token).layer(from_fn_with_state(
                authority.secrets.clone(),
                overheard::shown,
            )),
        )
        .route(
            managed_identity::PATH,
            watched(Endpoint::ManagedIdentity, get(managed_identity::token)),
        )
        .route(
            "/foreign/keys",
            watched(Endpoint::ForeignKeys, get(discovery::foreign_keys)),
        )
        .route(
            downstream::PATH,
            watched(Endpoint::Downstream, get(downstream::records)),
        )
        .merge(admin::routes())
        .with_state(authority)
}

/// Counts and breaks the requests to an endpoint.
async fn watch(
    State((authority, endpoint)): State<(Arc<Authority>, Endpoint)>,
    request: Request,
    next: Next,
) -> Response {
    match authority.watch.meet(endpoint) {
        Some(fault) => fault.answer(request, next).await,
        None => next.run(request).await,
    }
}

/// Lets web pages of other origins read the answer, as Entra does; whether they get a token is another question.
async fn across_origins(request: Request, next: Next) -> Response {
    let is_asked = request.headers().contains_key(ORIGIN);
    let mut response = next.run(request).await;
    if is_asked {
        let headers = response.headers_mut();
        headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, HeaderValue::from_static("*"));
    }
    response
}

/// Serves until it is dropped, and every connection with it.
pub(crate) async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, routes: Router) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept(), if connections.len() < MOST_CONNECTIONS => {
                let Ok((stream, peer)) = accepted else {
                    // Want of file descriptors, as a rule.
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                };
                let routes = routes.clone().layer(Extension(Peer(peer)));
                let tls = tls.clone();
                connections.spawn(async move {
                    match tls {
                        None => converse(stream, routes).await,
                        Some(tls) => {
                            // A client that does not trust the certificate goes away here.
                            if let Ok(stream) = tls.accept(stream).await {
                                converse(stream, routes).await;
                            }
                        }
                    }
                });
            }
            Some(_) = connections.join_next() => {}
        }
    }
}

async fn converse(stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static, routes: Router) {
    // A client that goes away is no failure of the server.
    let _ = Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), TowerToHyperService::new(routes))
        .await;
}
