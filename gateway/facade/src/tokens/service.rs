//! Tokens for a service that acts by itself (RFC 6749, section 4.4; the extension `oauth-client-credentials` of MCP,
//! SEP-1046). The issuer knows it: the façade passes on what it shows, and asks for the scope that the issuer wants.

use axum::http::{HeaderMap, header};
use serde_json::Value;

use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::state::Facade;
use crate::tokens::{answer, basic};
use crate::upstream::Denied;

/// Longest id and secret, in bytes.
const MOST_BYTES: usize = 1024;

/// Tokens for whoever shows its own secret.
pub(super) async fn tokens(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let (id, secret) = shown(headers, parameters)?;
    if id.is_empty() || secret.is_empty() || id.len().max(secret.len()) > MOST_BYTES {
        return Err(unknown());
    }
    let asked = facade.scopes.asked(parameters.get("scope"))?;
    let scope = facade.scopes.of_service(&asked);
    let fields = [
        ("grant_type", "client_credentials"),
        ("scope", scope.as_str()),
    ];
    let tokens = facade.upstream.tokens_of(&id, &secret, &fields).await;
    let tokens = tokens.map_err(|denied| match denied {
        Denied::Refused(error, said) => match error.as_str() {
            "invalid_client" | "unauthorized_client" => Refusal::client(said),
            "invalid_scope" => Refusal::new("invalid_scope", said),
            _ => Refusal::new("invalid_request", said),
        },
        Denied::Away => Refusal::passing("the issuer cannot be asked now; try again"),
    })?;
    // What it may do are roles, which have no scopes.
    Ok(answer(&tokens.access_token, tokens.lifetime_s(), "", None))
}

/// Id and secret, shown in one way only (RFC 6749, section 2.3.1).
fn shown(headers: &HeaderMap, parameters: &Parameters) -> Result<(String, String), Refusal> {
    let (id, secret) = (parameters.get("client_id"), parameters.get("client_secret"));
    match headers.get(header::AUTHORIZATION) {
        None => match (id, secret) {
            (Some(id), Some(secret)) => Ok((id.to_owned(), secret.to_owned())),
            _ => Err(unknown()),
        },
        Some(_) if secret.is_some() => Err(Refusal::invalid("show the secret once")),
        Some(value) => {
            let (own, secret) = basic(value.as_bytes()).ok_or_else(unknown)?;
            match id.is_none_or(|id| id == own) {
                true => Ok((own, secret)),
                false => Err(unknown()),
            }
        }
    }
}

fn unknown() -> Refusal {
    Refusal::client("a service shows its id and its secret")
}
