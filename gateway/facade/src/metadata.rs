//! What clients read first: the metadata of the authorization server (RFC 8414; OpenID Connect Discovery 1.0).

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::clients::service::ALGORITHMS;
use crate::enterprise;
use crate::rates::Peer;
use crate::refusal::Refusal;
use crate::state::{Facade, PREFIX};

/// Before the path of the issuer (RFC 8414, section 3).
pub(crate) const OAUTH: &str = "/.well-known/oauth-authorization-server";

/// The same, and behind it (OpenID Connect Discovery 1.0, section 4.1).
pub(crate) const OPENID: &str = "/.well-known/openid-configuration";

/// Serves the metadata: before the path of the issuer, as far as a proxy has not taken the beginning off, or without
/// it, where clients of 2025-03-26 look.
pub(crate) async fn get(
    State(facade): State<Facade>,
    peer: Peer,
    uri: Uri,
) -> Result<Response, Refusal> {
    facade.rates.take("metadata", peer).await?;
    let path = uri.path();
    let tail = [OAUTH, OPENID]
        .iter()
        .find_map(|begin| path.strip_prefix(begin));
    let tail = tail.unwrap_or_default().trim_end_matches('/');
    let is_whole = tail.is_empty() || tail == PREFIX || facade.path() == tail;
    if !is_whole {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    let mut document = document(&facade);
    if path.contains(OPENID) {
        if facade.signing_keys.is_empty() {
            // No token is signed here.
            let upstream = facade.upstream.metadata().await?;
            document["jwks_uri"] = json!(upstream.jwks_uri);
        }
        document["subject_types_supported"] = json!(["pairwise"]);
        document["id_token_signing_alg_values_supported"] = json!(["RS256"]);
    }
    Ok(Json(document).into_response())
}

fn document(facade: &Facade) -> Value {
    let issuer = &facade.issuer;
    let mut grants = vec!["authorization_code", "refresh_token", "client_credentials"];
    if facade.assertions.is_some() {
        grants.push(enterprise::GRANT);
    }
    let mut document = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "registration_endpoint": format!("{issuer}/register"),
        "revocation_endpoint": format!("{issuer}/revoke"),
        "scopes_supported": facade.scopes.supported(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": grants,
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": ["none", "client_secret_basic", "client_secret_post"],
        "revocation_endpoint_auth_methods_supported": ["none"],
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": true,
    });
    if !facade.services.is_empty() {
        let methods = [
            "none",
            "client_secret_basic",
            "client_secret_post",
            "private_key_jwt",
        ];
        document["token_endpoint_auth_methods_supported"] = json!(methods);
        document["token_endpoint_auth_signing_alg_values_supported"] = json!(ALGORITHMS);
    }
    if !facade.signing_keys.is_empty() {
        document["jwks_uri"] = json!(format!("{issuer}/jwks"));
    }
    if facade.assertions.is_some() {
        document["authorization_grant_profiles_supported"] = json!([enterprise::PROFILE]);
    }
    document
}
