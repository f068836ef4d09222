//! The token endpoint, and how a client gives its tokens back.

mod assertion;
mod attempt;
mod code;
mod refresh;
mod service;

use std::time::Duration;

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};

use crate::clients::client::Client;
use crate::enterprise;
use crate::parameters::Parameters;
use crate::rates::Peer;
use crate::refusal::{Refusal, UNCACHED};
use crate::state::Facade;

/// How long a refresh token is good, if it is not used.
const LIFE: Duration = Duration::from_secs(14 * 24 * 3600);

/// Longest id and secret of a client, in bytes.
const MOST_SHOWN: usize = 1024;

/// `POST /oauth/token`.
pub(crate) async fn token(
    State(facade): State<Facade>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    facade.rates.take("token", peer).await?;
    let parameters = Parameters::read(&body)?;
    parameters.check_resource(&facade.resource)?;
    let answer = match parameters.need("grant_type")? {
        "authorization_code" => {
            let client = client(&facade, &headers, &parameters)?;
            code::redeem(&facade, &client, &parameters).await?
        }
        "refresh_token" => {
            let client = client(&facade, &headers, &parameters)?;
            refresh::redeem(&facade, &client, &parameters).await?
        }
        "client_credentials" => service::tokens(&facade, &headers, &parameters).await?,
        enterprise::GRANT => assertion::redeem(&facade, &headers, &parameters).await?,
        _ => {
            let what = "the metadata of this server name the grants that it accepts";
            return Err(Refusal::new("unsupported_grant_type", what));
        }
    };
    Ok((UNCACHED, Json(answer)).into_response())
}

/// `POST /oauth/revoke` (RFC 7009). Access tokens are the issuer's: they end by themselves.
pub(crate) async fn revoke(
    State(facade): State<Facade>,
    peer: Peer,
    headers: HeaderMap,
    body: Bytes,
) -> Result<Response, Refusal> {
    facade.rates.take("revoke", peer).await?;
    let parameters = Parameters::read(&body)?;
    let client = client(&facade, &headers, &parameters)?;
    refresh::revoke(&facade, &client, parameters.need("token")?).await?;
    Ok((StatusCode::OK, UNCACHED).into_response())
}

/// Who asks. Clients are public: a secret is one that nobody gave them, but an empty one is none.
fn client(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Client, Refusal> {
    let unknown = || Refusal::client("the client is not registered here, or no longer");
    let named = parameters.get("client_id");
    let basic = match headers.get(header::AUTHORIZATION) {
        Some(value) => match basic(value.as_bytes()) {
            Some((id, secret)) if secret.is_empty() => Some(id),
            _ => return Err(unknown()),
        },
        None => None,
    };
    let id = match (&basic, named) {
        (Some(id), Some(named)) if id != named => return Err(unknown()),
        (Some(id), _) => id.as_str(),
        (None, Some(named)) => named,
        (None, None) => return Err(Refusal::invalid("the parameter client_id is missing")),
    };
    if parameters.get("client_secret").is_some() || parameters.get("client_assertion").is_some() {
        return Err(Refusal::client("this client has no secret here"));
    }
    facade
        .clients
        .bearer(&facade.sealer, id)
        .ok_or_else(unknown)
}

/// Id and secret of a client that has one, shown in one way only (RFC 6749, section 2.3.1).
fn shown(headers: &HeaderMap, parameters: &Parameters) -> Result<(String, String), Refusal> {
    let (id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
    let unknown = || Refusal::client("this client shows its id and its secret");
    let (id, secret) = match headers.get(header::AUTHORIZATION) {
        None => match (id, secret) {
            (Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
            _ => return Err(unknown()),
        },
        Some(_) if secret.is_some() => return Err(Refusal::invalid("show the secret once")),
        Some(value) => {
            let (own, secret) = basic(value.as_bytes()).ok_or_else(unknown)?;
            if id.is_some_and(|id| id != own) {
                return Err(unknown());
            }
            (own, secret)
        }
    };
    match id.is_empty() || secret.is_empty() || id.len().max(secret.len()) > MOST_SHOWN {
        true => Err(unknown()),
        false => Ok((id, secret)),
    }
}

/// Id and secret of a client, each form-urlencoded first (RFC 6749, section 2.3.1).
fn basic(header: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let text = String::from_utf8(BASE64_STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let pair = format!("{id}={secret}");
    let (id, secret) = form_urlencoded::parse(pair.as_bytes()).next()?;
    Some((id.into_owned(), secret.into_owned()))
}

/// Tokens as a client gets them (RFC 6749, section 5.1).
fn answer(
    access_token: &str,
    expires_in: Option<u64>,
    scope: &str,
    refresh_token: Option<&str>,
) -> Value {
    let mut answer = json!({ "access_token": access_token, "token_type": "Bearer" });
    if !scope.is_empty() {
        answer["scope"] = json!(scope);
    }
    if let Some(expires_in) = expires_in {
        answer["expires_in"] = json!(expires_in);
    }
    if let Some(refresh_token) = refresh_token {
        answer["refresh_token"] = json!(refresh_token);
    }
    answer
}
