//! Dynamic client registration (RFC 7591). Nothing is stored: the client id is what the client said, sealed.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use serde::Deserialize;
use serde_json::json;

use crate::clients::client::{MOST_OF_ID, name};
use crate::clients::directory::Record;
use crate::clients::redirects::RedirectUri;
use crate::rates::Peer;
use crate::refusal::{Refusal, UNCACHED};
use crate::sealed::now_s;
use crate::state::Facade;

/// Longest request, in bytes; clients send links to logos and terms as well.
const MOST_BYTES: usize = 16 * 1024;

/// Redirect URIs of one client.
const MOST_URIS: usize = 10;

/// What counts of what a client says (RFC 7591, section 2). All else is ignored, as it asks for nothing.
#[derive(Deserialize)]
struct Asked {
    #[serde(default)]
    redirect_uris: Vec<String>,
    client_name: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
}

/// `POST /oauth/register`.
pub(crate) async fn register(
    State(facade): State<Facade>,
    peer: Peer,
    body: Bytes,
) -> Result<Response, Refusal> {
    facade.rates.take("register", peer).await?;
    let wrong = |what: &str| Refusal::new("invalid_client_metadata", what);
    if body.len() > MOST_BYTES {
        return Err(wrong("the request is too long"));
    }
    let asked: Asked = serde_json::from_slice(&body)
        .map_err(|error| wrong(&format!("the request cannot be read: {error}")))?;
    let grants = asked.grant_types.unwrap_or_default();
    let has_code =
        |given: &[String], code: &str| given.is_empty() || given.iter().any(|g| g == code);
    if !has_code(&grants, "authorization_code")
        || !has_code(&asked.response_types.unwrap_or_default(), "code")
    {
        return Err(wrong(
            "clients get tokens for a code here, or register with the operator",
        ));
    }
    let record = Record {
        name: name(asked.client_name.as_deref()),
        redirect_uris: redirect_uris(&facade, &asked.redirect_uris)?,
        refreshes: grants.iter().any(|grant| grant == "refresh_token"),
    };
    let id = record.seal(&facade.sealer);
    if id.len() > MOST_OF_ID {
        return Err(wrong("the redirect URIs are too long together"));
    }
    let granted: &[&str] = match record.refreshes {
        true => &["authorization_code", "refresh_token"],
        false => &["authorization_code"],
    };
    let said = json!({
        "client_id": id,
        "client_id_issued_at": now_s(),
        "client_name": record.name,
        "redirect_uris": record.redirect_uris,
        "grant_types": granted,
        "response_types": ["code"],
        // Whatever was asked for: PKCE is what proves who fetches the tokens.
        "token_endpoint_auth_method": "none",
    });
    Ok((StatusCode::CREATED, UNCACHED, Json(said)).into_response())
}

fn redirect_uris(facade: &Facade, asked: &[String]) -> Result<Vec<RedirectUri>, Refusal> {
    let wrong = |what: &str| Refusal::new("invalid_redirect_uri", what);
    if asked.is_empty() {
        return Err(wrong("a client needs a redirect URI"));
    }
    if asked.len() > MOST_URIS {
        return Err(wrong("there are too many redirect URIs"));
    }
    let mut uris = Vec::with_capacity(asked.len());
    for text in asked {
        let uri: RedirectUri = text.parse().map_err(wrong)?;
        if !facade.clients.allows(&uri) {
            return Err(wrong(
                "the operator of this server does not allow this redirect URI (--facade-redirect)",
            ));
        }
        uris.push(uri);
    }
    Ok(uris)
}
