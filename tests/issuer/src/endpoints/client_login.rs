//! Which client asks, and whether it is that one.
//!
//! Sources: RFC 6749, sections 2.3.1 and 3.2.1.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::directory::{Client, Directory};
use crate::endpoints::error::Refusal;

/// Finds the client of a token request, by `Authorization: Basic` or by what the body says.
///
/// # Errors
///
/// When it is not registered, shows a wrong secret, none, or one although it is public.
pub(crate) fn client<'d>(
    directory: &'d Directory,
    headers: &HeaderMap,
    client_id: Option<&str>,
    client_secret: Option<&str>,
) -> Result<&'d Client, Refusal> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .map(|value| basic(value.as_bytes()).ok_or_else(malformed))
        .transpose()?;
    let (id, secret) = match &basic {
        // One way of authentication in a request.
        Some(_) if client_secret.is_some() => return Err(malformed()),
        Some((id, _)) if client_id.is_some_and(|named| named != id) => return Err(malformed()),
        Some((id, secret)) => (id.as_str(), Some(secret.as_str())),
        None => {
            let id = client_id.ok_or_else(|| Refusal::missing("client_id"))?;
            (id, client_secret)
        }
    };
    let client = directory
        .client(id)
        .ok_or_else(|| Refusal::unknown_client(id))?;
    match (&client.secret, secret) {
        (None, None) => Ok(client),
        (Some(right), Some(shown)) if right == shown => Ok(client),
        (None, Some(_)) => Err(Refusal::client(
            700_025,
            "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
        )),
        (Some(_), None) => Err(no_secret()),
        (Some(_), Some(_)) => Err(Refusal::client(
            7_000_215,
            format!(
                "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, \
                 not the client secret ID, for a secret added to app '{id}'."
            ),
        )),
    }
}

/// Of a client that must show a secret and does not.
pub(crate) fn no_secret() -> Refusal {
    Refusal::client(
        7_000_218,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
    )
}

fn malformed() -> Refusal {
    Refusal::new(
        "invalid_request",
        9_002_313,
        "Invalid request. Request is malformed or invalid.",
    )
}

/// Both parts are form-urlencoded first.
fn basic(header: &[u8]) -> Option<(String, String)> {
    let (scheme, encoded) = header.split_at_checked(b"Basic ".len())?;
    if !scheme.eq_ignore_ascii_case(b"Basic ") {
        return None;
    }
    let text = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = text.split_once(':')?;
    let pair = format!("{id}={secret}");
    let (id, secret) = form_urlencoded::parse(pair.as_bytes()).next()?;
    Some((id.into_owned(), secret.into_owned()))
}
