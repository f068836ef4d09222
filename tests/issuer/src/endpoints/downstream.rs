//! A small API of its own, which takes the tokens that others get on behalf of their callers: it tells the bearer their
//! records.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::DOWNSTREAM;
use crate::tokens::jwt::Jwt;

/// Where it is.
pub(crate) const PATH: &str = "/downstream/records";

/// `GET` with a token for [`DOWNSTREAM`] and its scope `records.read`, or its role `Records.Read`.
pub(crate) async fn records(
    State(authority): State<Arc<Authority>>,
    headers: HeaderMap,
) -> Result<Json<Value>, StatusCode> {
    let token = headers.get(header::AUTHORIZATION);
    let token = token.and_then(|value| value.to_str().ok()?.strip_prefix("Bearer "));
    let jwt = token.and_then(Jwt::read).ok_or(StatusCode::UNAUTHORIZED)?;
    let key = jwt.header("kid").and_then(|kid| authority.keys().find(kid));
    let is_ours = key.is_some_and(|key| jwt.is_signed_with(key.public_key()))
        && jwt.claim("aud") == Some(DOWNSTREAM)
        && jwt.is_current(now_s());
    if !is_ours {
        return Err(StatusCode::UNAUTHORIZED);
    }
    let scopes = jwt.claim("scp").unwrap_or_default();
    if !scopes.split(' ').any(|scope| scope == "records.read") && !jwt.has_role("Records.Read") {
        return Err(StatusCode::FORBIDDEN);
    }
    let name = jwt.claim("preferred_username").unwrap_or("an application");
    Ok(Json(
        json!({ "of": name, "records": [format!("the first record of {name}")] }),
    ))
}
