//! Tokens for a service that acts by itself (RFC 6749, section 4.4; the extension `oauth-client-credentials` of MCP,
//! SEP-1046). The issuer knows it: the façade passes on what it shows, and asks for the scope that the issuer wants.

use axum::http::HeaderMap;
use serde_json::Value;

use crate::parameters::Parameters;
use crate::refusal::Refusal;
use crate::state::Facade;
use crate::tokens::{answer, shown};
use crate::upstream::Denied;

/// Tokens for whoever shows its own secret.
pub(super) async fn tokens(
    facade: &Facade,
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Value, Refusal> {
    let (id, secret) = shown(headers, parameters)?;
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
