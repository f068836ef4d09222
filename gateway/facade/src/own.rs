//! Access tokens of the façade itself (RFC 9068), for those whom the issuer behind it does not know. They are good for
//! minutes and cannot be refreshed.

use axum::Json;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::rates::Peer;
use crate::refusal::Refusal;
use crate::sealed::{now_s, unguessable};
use crate::signing::PublicKey;
use crate::state::Facade;

/// For how many seconds an access token is good.
pub(crate) const LIFE_S: u64 = 15 * 60;

/// For how many seconds others may remember the keys. A new one is published for longer than that before it signs.
const KEYS_FRESH_S: u64 = 300;

/// Whom an access token is for.
pub(crate) struct Bearer<'a> {
    /// Who vouches for the person.
    pub(crate) enterprise: &'a str,
    /// The person there.
    pub(crate) subject: &'a str,
    pub(crate) client: &'a str,
    pub(crate) scope: &'a str,
}

/// An access token for `bearer`, and for how many seconds it is good.
pub(crate) fn access_token(facade: &Facade, bearer: &Bearer<'_>) -> Result<(String, u64), Refusal> {
    // Without a key nobody comes here.
    let none = || Refusal::passing("the server has no key to sign tokens with");
    let key = facade.signing_keys.first().ok_or_else(none)?;
    let now = now_s();
    let claims = json!({
        "iss": facade.issuer, "aud": facade.resource, "sub": bearer.subject, "enterprise": bearer.enterprise,
        "client_id": bearer.client, "scope": bearer.scope, "jti": unguessable(),
        "iat": now, "exp": now + LIFE_S,
    });
    Ok((key.sign("at+jwt", &claims)?, LIFE_S))
}

/// `GET /oauth/jwks` (RFC 7517, section 5).
pub(crate) async fn jwks(State(facade): State<Facade>, peer: Peer) -> Result<Response, Refusal> {
    facade.rates.take("metadata", peer).await?;
    if facade.signing_keys.is_empty() {
        return Ok(StatusCode::NOT_FOUND.into_response());
    }
    let keys: Vec<Value> = facade.public_keys().map(PublicKey::jwk).collect();
    let fresh = format!("public, max-age={KEYS_FRESH_S}");
    Ok((
        [(header::CACHE_CONTROL, fresh)],
        Json(json!({ "keys": keys })),
    )
        .into_response())
}
