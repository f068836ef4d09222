//! The endpoint where a program on Azure gets the tokens of its managed identity.
//!
//! Entra ID has no such endpoint: the platform puts one beside the program and tells it where, and a secret to prove
//! that it is that program, by `IDENTITY_ENDPOINT` and `IDENTITY_HEADER`. Here it stands beside the others.
//!
//! Source: learn.microsoft.com/azure/container-apps/managed-identity, "REST endpoint reference". The page does not say
//! how a wrong request is refused.

use std::sync::{Arc, LazyLock};

use axum::Json;
use axum::extract::{Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::{Api, Client, EXCHANGE_AUDIENCE, Version};
use crate::tokens::claims::{Grant, Proof};
use crate::tokens::twist::Twist;

/// Where it is.
pub(crate) const PATH: &str = "/msi/token";

/// The only version of the endpoint that Container Apps document.
const API_VERSION: &str = "2019-08-01";

/// The application behind [`EXCHANGE_AUDIENCE`], the same in all tenants: the audience of tokens that are for it.
pub(crate) const EXCHANGE_APP: &str = "fb60f99c-7a34-4190-8149-302f77469936";

static EXCHANGE: LazyLock<Api> = LazyLock::new(|| Api {
    client_id: EXCHANGE_APP.to_owned(),
    identifier_uris: vec![EXCHANGE_AUDIENCE.to_owned()],
    requested_access_token_version: Version::V2,
    scopes: Vec::new(),
    app_roles: Vec::new(),
    idtyp: true,
    conditional_access: false,
});

/// A question.
#[derive(Deserialize)]
pub(crate) struct Asked {
    #[serde(rename = "api-version")]
    api_version: String,
    resource: String,
    client_id: Option<String>,
}

/// `GET /msi/token`.
pub(crate) async fn token(
    State(authority): State<Arc<Authority>>,
    headers: HeaderMap,
    Query(asked): Query<Asked>,
) -> Response {
    let shown = headers.get("x-identity-header");
    if shown.is_none_or(|shown| shown != authority.identity_header.as_str()) {
        return StatusCode::UNAUTHORIZED.into_response();
    }
    match answer(&authority, &asked) {
        Ok(token) => Json(token).into_response(),
        Err(reason) => {
            let body = json!({ "error": "invalid_request", "error_description": reason });
            (StatusCode::BAD_REQUEST, Json(body)).into_response()
        }
    }
}

fn answer(authority: &Authority, asked: &Asked) -> Result<Value, String> {
    if asked.api_version != API_VERSION {
        return Err(format!("the api-version is {API_VERSION}"));
    }
    let directory = authority.directory();
    let tenant = &directory.tenants[0];
    let identity = directory
        .managed_identity(asked.client_id.as_deref())
        .ok_or("Identity not found")?;
    let api = match asked.resource.as_str() {
        EXCHANGE_AUDIENCE | EXCHANGE_APP => &EXCHANGE,
        other => directory.api(other).ok_or_else(|| {
            format!(
                "AADSTS500011: The resource principal named {other} was not found in the tenant."
            )
        })?,
    };
    let version = api.requested_access_token_version;
    let client = Client {
        client_id: identity.client_id.clone(),
        ..Client::default()
    };
    let grant = Grant {
        issuer: authority.issuer(tenant, version),
        tenant,
        version,
        api,
        uri: &asked.resource,
        client: &client,
        proof: Proof::Assertion,
        identity: Some(identity),
        user: None,
        scopes: Vec::new(),
        roles: api.own(&identity.app_roles).map(str::to_owned).collect(),
    };
    let (now_s, lifetime_s) = (now_s(), authority.lifetime_s());
    let claims = grant.claims(now_s, lifetime_s);
    let token = Twist::default().sign(authority, claims, version, now_s)?;
    Ok(json!({
        "access_token": token,
        "client_id": identity.client_id,
        // Numbers are text here.
        "expires_on": (now_s + lifetime_s).to_string(),
        "not_before": now_s.to_string(),
        "resource": asked.resource,
        "token_type": "Bearer",
    }))
}
