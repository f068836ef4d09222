//! The way to the issuer, and what the browser keeps until it comes back.

use std::time::Duration;

use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

use crate::refusal::Refusal;
use crate::sealed::{Kind, digest, unguessable};
use crate::sign_in::cookies::MOST_BYTES;
use crate::sign_in::request::{Ask, redirect};
use crate::state::Facade;
use crate::upstream::answer::Account;

/// How long the person may take at the issuer.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Sign-ins that may be under way in one browser; a further one may take the place of an older one.
const SLOTS: &str = "0123456789abcdef";

/// A sign-in that is under way.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Pending {
    pub(crate) ask: Ask,
    /// Of our own PKCE.
    pub(crate) verifier: String,
    pub(crate) nonce: String,
    /// Whom the person was told that they sign in as: nobody else counts.
    pub(crate) account: Option<(String, String)>,
}

/// Sends the browser to the issuer. `another`: the person wants to choose the account.
pub(crate) async fn go(
    facade: &Facade,
    status: StatusCode,
    ask: Ask,
    account: Option<Account>,
    another: bool,
) -> Response {
    let metadata = match facade.upstream.metadata().await {
        Ok(metadata) => metadata,
        Err(refusal) => return ask.send_refusal(facade, &refusal),
    };
    let (state, verifier, nonce) = (unguessable(), unguessable(), unguessable());
    let scope = facade.scopes.upstream(&ask.scopes, ask.offline);
    let (challenge, callback) = (digest(&verifier), facade.callback());
    let mut asked = vec![
        ("client_id", facade.upstream.client_id.as_str()),
        ("response_type", "code"),
        ("response_mode", "query"),
        ("redirect_uri", &callback),
        ("scope", &scope),
        ("state", &state),
        ("nonce", &nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if let Some(resource) = &facade.upstream.resource {
        asked.push(("resource", resource));
    }
    if let Some(account) = &account {
        asked.push(("login_hint", &account.name));
    }
    match (another, ask.offline && facade.is_strict) {
        (false, false) => {}
        (true, false) => asked.push(("prompt", "select_account")),
        (false, true) => asked.push(("prompt", "consent")),
        (true, true) => asked.push(("prompt", "select_account consent")),
    }
    let mut query = form_urlencoded::Serializer::new(String::new());
    let endpoint = metadata.authorization_endpoint.as_str();
    let query = query.extend_pairs(&asked).finish();
    let begin = if endpoint.contains('?') { '&' } else { '?' };
    let mut response = redirect(status, &format!("{endpoint}{begin}{query}"));
    let pending = Pending {
        ask,
        verifier,
        nonce,
        account: account.map(|account| (account.key, account.name)),
    };
    let sealed = facade.sealer.seal(Kind::SignIn, &state, &pending, PATIENCE);
    if sealed.len() > MOST_BYTES {
        let refusal = Refusal::invalid("state, scope and redirect URI are too long together");
        return pending.ask.send_refusal(facade, &refusal);
    }
    facade
        .cookies
        .put(&mut response, &slot(&state), &sealed, PATIENCE);
    response.into_response()
}

/// The sign-in that this browser began with `state`.
pub(crate) fn pending(facade: &Facade, headers: &HeaderMap, state: &str) -> Option<Pending> {
    let cookie = facade.cookies.get(headers, &slot(state))?;
    facade.sealer.open(Kind::SignIn, state, cookie)
}

/// The browser forgets it.
pub(crate) fn forget(facade: &Facade, response: &mut Response, state: &str) {
    facade.cookies.remove(response, &slot(state));
}

/// The cookie for a sign-in.
fn slot(state: &str) -> String {
    let byte = digest(state).bytes().next().unwrap_or_default();
    let slot = SLOTS.as_bytes()[usize::from(byte) % SLOTS.len()];
    format!("sign-in-{}", char::from(slot))
}
