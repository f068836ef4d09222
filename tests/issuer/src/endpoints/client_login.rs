//! Which client asks, and whether it is that one.
//!
//! Sources: RFC 6749, sections 2.3.1 and 3.2.1; RFC 7521, section 4.2.

use axum::http::{HeaderMap, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;

use crate::authority::Authority;
use crate::directory::{Client, Directory};
use crate::endpoints::assertion;
use crate::endpoints::error::Refusal;
use crate::tokens::claims::Proof;

/// What a token request says of its client.
#[derive(Deserialize)]
pub(crate) struct Shown {
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
}

/// A client, and how it has shown that it is that one.
#[derive(Clone, Copy)]
pub(crate) struct Known<'d> {
    pub(crate) client: &'d Client,
    pub(crate) proof: Proof,
}

/// Finds the client of a token request, by `Authorization: Basic` or by what the body says. Whether it had to show
/// something is for the grant to say.
///
/// # Errors
///
/// When it is not registered, shows something wrong, or shows anything although it is public.
pub(crate) async fn client<'d>(
    authority: &Authority,
    directory: &'d Directory,
    tenant: &str,
    headers: &HeaderMap,
    shown: &Shown,
) -> Result<Known<'d>, Refusal> {
    let basic = headers
        .get(header::AUTHORIZATION)
        .map(|value| basic(value.as_bytes()).ok_or_else(Refusal::malformed))
        .transpose()?;
    let in_body = shown.client_secret.as_deref();
    let (id, secret) = match &basic {
        Some((id, secret)) => (id.as_str(), Some(secret.as_str())),
        None => {
            let id = shown.client_id.as_deref();
            (id.ok_or_else(|| Refusal::missing("client_id"))?, in_body)
        }
    };
    // One client, and one way of authentication, in a request.
    let is_another = shown.client_id.as_deref().is_some_and(|named| named != id);
    let ways = [
        basic.is_some(),
        in_body.is_some(),
        shown.client_assertion.is_some(),
    ];
    if is_another || ways.into_iter().filter(|is_taken| *is_taken).count() > 1 {
        return Err(Refusal::malformed());
    }
    let client = directory
        .client(id)
        .ok_or_else(|| Refusal::unknown_client(id))?;
    let proof = match (secret, &shown.client_assertion) {
        (None, None) => Proof::None,
        _ if client.is_public() => return Err(is_public()),
        (Some(secret), _) if client.secret.as_deref() == Some(secret) => Proof::Secret,
        (Some(_), _) => return Err(wrong_secret(id)),
        (None, Some(assertion)) => {
            let kind = shown.client_assertion_type.as_deref();
            assertion::check(authority, client, tenant, assertion, kind).await?;
            Proof::Assertion
        }
    };
    Ok(Known { client, proof })
}

fn wrong_secret(id: &str) -> Refusal {
    let message = format!(
        "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the \
         client secret ID, for a secret added to app '{id}'."
    );
    Refusal::client(7_000_215, message)
}

/// Of a client that has nothing to show, and shows it.
pub(crate) fn is_public() -> Refusal {
    Refusal::client(
        700_025,
        "Client is public so neither 'client_assertion' nor 'client_secret' should be presented.",
    )
}

/// Of a client that must show a secret and does not.
pub(crate) fn no_secret() -> Refusal {
    Refusal::client(
        7_000_218,
        "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.",
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
