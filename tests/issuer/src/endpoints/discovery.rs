//! Where everything is, and the keys.
//!
//! Sources: OpenID Connect Discovery 1.0, section 4; RFC 8414; what login.microsoftonline.com serves.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::authority::{ANY_TENANT, Authority};
use crate::directory::Version;
use crate::endpoints::error::Refusal;

/// What stands in for any tenant: the issuer then has this text where the tenant's id belongs.
const PLACE_OF_TENANT: &str = "{tenantid}";

/// `/{tenant}/v2.0/.well-known/openid-configuration`.
pub(crate) async fn v2(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Refusal> {
    metadata(&authority, &tenant, Version::V2)
}

/// `/{tenant}/.well-known/openid-configuration`.
pub(crate) async fn v1(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Refusal> {
    metadata(&authority, &tenant, Version::V1)
}

/// `/{tenant}/discovery/v2.0/keys`.
pub(crate) async fn v2_keys(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Refusal> {
    let tenant = in_issuer(&authority, &tenant)?;
    let issuer = authority.issuer(&tenant, Version::V2);
    Ok(Json(authority.keys().jwks(Some(&issuer))))
}

/// `/{tenant}/discovery/keys`.
pub(crate) async fn v1_keys(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Refusal> {
    in_issuer(&authority, &tenant)?;
    Ok(Json(authority.keys().jwks(None)))
}

/// `/foreign/keys`: what a `jku` header of an attacker names.
pub(crate) async fn foreign_keys(State(authority): State<Arc<Authority>>) -> Json<Value> {
    let foreign = authority.foreign_key();
    // Under the kid of the genuine key, so that whoever looks here finds something.
    let mut jwk = foreign.jwk(None);
    jwk["kid"] = authority.keys().current().kid.into();
    Json(json!({ "keys": [jwk] }))
}

/// `/.well-known/oauth-authorization-server/{tenant}/v2.0`, which Entra does not have (RFC 8414, section 3.1).
pub(crate) async fn rfc_8414(
    State(authority): State<Arc<Authority>>,
    Path(tenant): Path<String>,
) -> Result<Json<Value>, Response> {
    if !authority.advertise_s256 {
        return Err(StatusCode::NOT_FOUND.into_response());
    }
    metadata(&authority, &tenant, Version::V2).map_err(IntoResponse::into_response)
}

fn metadata(authority: &Authority, tenant: &str, version: Version) -> Result<Json<Value>, Refusal> {
    let named = in_issuer(authority, tenant)?;
    let home = format!("{}/{tenant}", authority.base);
    // The old endpoints are not served: what asks for a token is the same for both versions of tokens.
    let keys = match version {
        Version::V1 => format!("{home}/discovery/keys"),
        Version::V2 => format!("{home}/discovery/v2.0/keys"),
    };
    let mut metadata = json!({
        "issuer": authority.issuer(&named, version),
        "authorization_endpoint": format!("{home}/oauth2/v2.0/authorize"),
        "token_endpoint": format!("{home}/oauth2/v2.0/token"),
        "jwks_uri": keys,
        "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt", "client_secret_basic"],
        "response_modes_supported": ["query"],
        "response_types_supported": ["code"],
        "subject_types_supported": ["pairwise"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "scopes_supported": ["openid", "profile", "email", "offline_access"],
        "claims_supported": ["sub", "iss", "aud", "exp", "iat", "nonce", "preferred_username", "name", "tid", "ver"],
        "request_uri_parameter_supported": false,
        "tenant_region_scope": null,
        "cloud_instance_name": "microsoftonline.com",
    });
    if authority.advertise_s256 {
        metadata["code_challenge_methods_supported"] = json!(["S256"]);
    }
    if authority.names_itself {
        metadata["authorization_response_iss_parameter_supported"] = json!(true);
    }
    Ok(Json(metadata))
}

/// The tenant as it stands in the issuer.
fn in_issuer(authority: &Authority, tenant: &str) -> Result<String, Refusal> {
    if ANY_TENANT.contains(&tenant) {
        return Ok(PLACE_OF_TENANT.to_owned());
    }
    authority.home(tenant)
}
