//! The part of a client: asks for codes, redeems and refreshes.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prynai_dev_issuer::{INTERACTIVE, Issuer, Options, TENANT};
use reqwest::{Response, StatusCode, Url};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::{exchange, http};

pub(super) const VERIFIER: &str = "a-verifier-that-is-long-enough-for-rfc-7636-section-4.1";
pub(super) const REDIRECT: &str = "http://127.0.0.1:49152/callback";
pub(super) const SCOPE: &str = "api://prynai-mcp/mcp.call openid offline_access";

/// An issuer that asks nobody, as strict as Entra otherwise.
pub(super) async fn start() -> Issuer {
    Issuer::start_with(Options {
        auto_approve: true,
        ..Options::default()
    })
    .await
}

/// A good authorization request, with these parameters changed; an empty value leaves one out.
pub(super) async fn authorize(issuer: &Issuer, changes: &[(&str, &str)]) -> Response {
    let challenge = challenge();
    let mut parameters = vec![
        ("client_id", INTERACTIVE),
        ("response_type", "code"),
        ("redirect_uri", REDIRECT),
        ("scope", SCOPE),
        ("state", "a state & more"),
        ("code_challenge", challenge.as_str()),
        ("code_challenge_method", "S256"),
        ("login_hint", "bob"),
    ];
    parameters.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    parameters.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    let url = format!("{}/{TENANT}/oauth2/v2.0/authorize", issuer.base_url());
    let url = Url::parse_with_params(&url, parameters).expect("is a URL");
    browser().get(url).send().await.expect("an answer")
}

/// One that stays where it is sent away from.
pub(super) fn browser() -> reqwest::Client {
    let browser = http().redirect(reqwest::redirect::Policy::none());
    browser.build().expect("a client")
}

/// Where the browser is sent, and one parameter of it.
pub(super) fn sent_with(response: &Response, name: &str) -> (String, String) {
    assert_eq!(response.status(), StatusCode::FOUND, "{response:?}");
    let to = response.headers()["location"].to_str().expect("is text");
    let to = Url::parse(to).expect("is a URL");
    let found = to.query_pairs().find(|(known, _)| known == name);
    let value = found.unwrap_or_else(|| panic!("no {name} in {to}")).1;
    let mut place = to.clone();
    place.set_query(None);
    (place.to_string(), value.into_owned())
}

pub(super) async fn code(issuer: &Issuer, changes: &[(&str, &str)]) -> String {
    sent_with(&authorize(issuer, changes).await, "code").1
}

/// Redeems a code, with these fields changed; an empty value leaves one out.
pub(super) async fn redeem(
    issuer: &Issuer,
    code: &str,
    changes: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", INTERACTIVE),
        ("redirect_uri", REDIRECT),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    fields.extend(changes.iter().filter(|(_, value)| !value.is_empty()));
    exchange(issuer, &fields).await
}

pub(super) async fn refresh(
    issuer: &Issuer,
    token: &Value,
    changes: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("client_id", INTERACTIVE),
        ("refresh_token", token.as_str().expect("a refresh token")),
    ];
    fields.retain(|(name, _)| changes.iter().all(|(changed, _)| changed != name));
    fields.extend(changes);
    exchange(issuer, &fields).await
}

/// The challenge that goes with the verifier.
pub(super) fn challenge() -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(VERIFIER))
}

/// A line of a table, `parameter=value: error number`: the change, and the refusal that it meets.
pub(super) fn row(line: &str) -> ([(&str, &str); 1], &str, u64) {
    let (change, refusal) = line.rsplit_once(": ").expect("has two parts");
    let change = change.split_once('=').expect("is a change");
    let (error, number) = refusal.split_once(' ').expect("is a refusal");
    ([change], error, number.parse().expect("is a number"))
}
