//! The way back from the issuer.

use axum::extract::{RawQuery, State};
use axum::http::HeaderMap;
use axum::response::Response;

use crate::parameters::Parameters;
use crate::rates::Peer;
use crate::refusal::Refusal;
use crate::sealed::now_s;
use crate::sign_in::browser::Browser;
use crate::sign_in::grant::Grant;
use crate::sign_in::request::Ask;
use crate::sign_in::upstream::Pending;
use crate::sign_in::{consent, page, upstream};
use crate::state::Facade;
use crate::upstream::Denied;
use crate::upstream::answer::{Account, Tokens};

/// What the issuer may say that clients understand (RFC 6749, section 4.1.2.1; OpenID Connect Core 1.0, section
/// 3.1.2.6). All else is its own affair.
const KNOWN: [&str; 7] = [
    "access_denied",
    "invalid_scope",
    "temporarily_unavailable",
    "login_required",
    "consent_required",
    "interaction_required",
    "account_selection_required",
];

/// `GET /oauth/callback`.
pub(crate) async fn come_back(
    State(facade): State<Facade>,
    peer: Peer,
    headers: HeaderMap,
    RawQuery(query): RawQuery,
) -> Response {
    let query = query.unwrap_or_default();
    match take_in(&facade, peer, &headers, &query).await {
        Ok(response) => response,
        Err(refusal) => page::refused(&refusal),
    }
}

async fn take_in(
    facade: &Facade,
    peer: Peer,
    headers: &HeaderMap,
    query: &str,
) -> Result<Response, Refusal> {
    facade.rates.take("callback", peer).await?;
    let parameters = Parameters::read(query.as_bytes())?;
    let state = parameters.need("state")?;
    let pending = upstream::pending(facade, headers, state).ok_or_else(|| {
        Refusal::invalid(
            "this sign-in was begun in another browser, or too long ago; begin again in your app",
        )
    })?;
    // RFC 9207, section 2.4: an answer of another issuer is none.
    if parameters
        .get("iss")
        .is_some_and(|iss| iss != facade.upstream.issuer)
    {
        return Err(Refusal::invalid("the answer is of another issuer"));
    }
    let mut response = match signed_in(facade, &parameters, &pending).await {
        Ok((tokens, account)) => finish(facade, headers, &pending, tokens, account).await,
        Err(refusal) => pending.ask.send_refusal(facade, &refusal),
    };
    upstream::forget(facade, &mut response, state);
    Ok(response)
}

/// Who signed in, and the issuer's tokens.
async fn signed_in(
    facade: &Facade,
    parameters: &Parameters,
    pending: &Pending,
) -> Result<(Tokens, Account), Refusal> {
    if let Some(error) = parameters.get("error") {
        let description = parameters.get("error_description").unwrap_or(error);
        return Err(said(error, description));
    }
    let callback = facade.callback();
    let fields = [
        ("grant_type", "authorization_code"),
        ("code", parameters.need("code")?),
        ("redirect_uri", &callback),
        ("code_verifier", &pending.verifier),
    ];
    let tokens = match facade.upstream.tokens(&fields).await {
        Ok(tokens) => tokens,
        Err(Denied::Refused(error, description)) => return Err(said(&error, &description)),
        Err(Denied::Away) => {
            return Err(Refusal::passing(
                "the issuer cannot be asked now; try again",
            ));
        }
    };
    let (issuer, client) = (&facade.upstream.issuer, &facade.upstream.client_id);
    match tokens.account(issuer, client, &pending.nonce) {
        Ok(account) => Ok((tokens, account)),
        Err(reason) => {
            tracing::warn!(reason, "the issuer's answer to a sign-in is not accepted");
            Err(Refusal::new("server_error", reason))
        }
    }
}

/// What the issuer says, as far as clients understand it.
fn said(error: &str, description: &str) -> Refusal {
    let known = KNOWN.iter().find(|known| **known == error);
    Refusal::new(known.unwrap_or(&"server_error"), description)
}

/// Gives the client its code, if the person agreed as the account that signed in.
async fn finish(
    facade: &Facade,
    headers: &HeaderMap,
    pending: &Pending,
    tokens: Tokens,
    account: Account,
) -> Response {
    let ask = &pending.ask;
    let mut browser = Browser::of(facade, headers);
    browser.signed_in(&account);
    let named = pending.account.as_ref().map(|(key, _)| key);
    let is_another = named.is_some_and(|named| *named != account.key);
    let mut response = if is_another {
        // The person was told that they sign in as somebody else. The tokens are forgotten.
        consent::ask(facade, headers, ask, Some(&account))
    } else {
        browser.agreed(ask);
        match grant(ask, tokens).give(facade).await {
            Ok(code) => {
                tracing::info!(client = %ask.name, "somebody signed in");
                ask.send_back(facade, &[("code", &code)])
            }
            Err(refusal) => ask.send_refusal(facade, &refusal),
        }
    };
    browser.keep(facade, &mut response);
    response
}

fn grant(ask: &Ask, tokens: Tokens) -> Grant {
    Grant {
        client: ask.client.clone(),
        redirect: ask.redirect.as_str().to_owned(),
        challenge: ask.challenge.clone(),
        scopes: ask.scopes.clone(),
        ends_s: tokens.lifetime_s().map(|life| now_s().saturating_add(life)),
        access_token: tokens.access_token,
        refresh_token: tokens.refresh_token.filter(|_| ask.offline),
        granted: tokens.scope,
    }
}
