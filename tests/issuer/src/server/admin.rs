//! Orders to a running issuer, for scripts: what the methods of [`crate::Issuer`] are for tests in Rust.
//!
//! Only this machine gives them, and no web page does.

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::extract::rejection::JsonRejection;
use axum::extract::{FromRequest, Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::{Next, from_fn};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::directory::Directory;
use crate::server::fault::{Endpoint, Fault};
use crate::tokens::token::TokenOrder;
use crate::tokens::twist::Twist;

/// Who is at the other end of the connection.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) SocketAddr);

/// What is to go wrong.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Misbehaviour {
    /// The endpoint that has the fault.
    endpoint: Option<Endpoint>,
    fault: Option<Fault>,
    /// How many requests meet it; all without it.
    times: Option<u64>,
    /// What is wrong with the tokens of the token endpoint.
    tokens: Option<Twist>,
}

/// A JSON body, or 400 with what is wrong with it.
struct Order<T>(T);

pub(crate) fn routes() -> Router<Arc<Authority>> {
    Router::new()
        .route("/admin/rotate", post(rotate))
        .route("/admin/retire", post(retire))
        .route("/admin/misbehave", post(misbehave))
        .route("/admin/behave", post(behave))
        .route("/admin/token", post(token))
        .route("/admin/requests", get(requests))
        .route("/admin/directory", get(directory).put(change_directory))
        .layer(from_fn(only_from_here))
}

async fn only_from_here(request: Request, next: Next) -> Response {
    let peer = request.extensions().get::<Peer>();
    let is_local = peer.is_some_and(|Peer(address)| address.ip().to_canonical().is_loopback());
    if is_local && !request.headers().contains_key(header::ORIGIN) {
        next.run(request).await
    } else {
        let reason = "admin routes are for this machine only, and for no web page\n";
        (StatusCode::FORBIDDEN, reason).into_response()
    }
}

async fn rotate(State(authority): State<Arc<Authority>>) -> Json<Value> {
    Json(json!({ "kid": authority.rotate().await }))
}

async fn retire(State(authority): State<Arc<Authority>>) -> StatusCode {
    authority.keys().retire();
    StatusCode::NO_CONTENT
}

async fn misbehave(
    State(authority): State<Arc<Authority>>,
    Order(order): Order<Misbehaviour>,
) -> Result<StatusCode, Response> {
    match (order.endpoint, order.fault) {
        (Some(endpoint), Some(fault)) => authority.watch.plan(endpoint, fault, order.times),
        (None, None) if order.tokens.is_some() => {}
        _ => return Err(bad("give endpoint and fault, or tokens")),
    }
    if let Some(twist) = order.tokens {
        authority.set_twist(twist);
    }
    Ok(StatusCode::NO_CONTENT)
}

async fn behave(State(authority): State<Arc<Authority>>) -> StatusCode {
    authority.behave();
    StatusCode::NO_CONTENT
}

async fn token(
    State(authority): State<Arc<Authority>>,
    Order(order): Order<TokenOrder>,
) -> Result<Json<Value>, Response> {
    let token = order.make(&authority).map_err(|reason| bad(&reason))?;
    Ok(Json(json!({ "access_token": token })))
}

async fn requests(State(authority): State<Arc<Authority>>) -> Json<HashMap<Endpoint, u64>> {
    Json(authority.watch.all_asked())
}

async fn directory(State(authority): State<Arc<Authority>>) -> Json<Directory> {
    Json(Directory::clone(&authority.directory()))
}

async fn change_directory(
    State(authority): State<Arc<Authority>>,
    Order(new): Order<Directory>,
) -> Result<StatusCode, Response> {
    new.check().map_err(|reason| bad(&reason))?;
    authority.change_directory(|directory| *directory = new);
    Ok(StatusCode::NO_CONTENT)
}

fn bad(reason: &str) -> Response {
    (StatusCode::BAD_REQUEST, format!("{reason}\n")).into_response()
}

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Order<T> {
    type Rejection = Response;

    async fn from_request(request: Request, state: &S) -> Result<Self, Response> {
        let read = Json::<T>::from_request(request, state).await;
        let Json(order) = read.map_err(|error: JsonRejection| bad(&error.body_text()))?;
        Ok(Self(order))
    }
}
