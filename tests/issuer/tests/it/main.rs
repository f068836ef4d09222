//! The issuer of the tests, from outside: what it must be for tests of the gateway to mean something.

mod application;
mod assertions;
mod daemon;
mod discovery;
mod id_jag;
mod managed_identity;
mod on_behalf_of;
mod platforms;
mod process;
mod redeem;
mod sign_in;
mod tokens;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::JwkSet;
use jsonwebtoken::{Algorithm, DecodingKey, TokenData, Validation, decode, decode_header};
use prynai_dev_issuer::{API, Issuer, TENANT};
use reqwest::{Client, ClientBuilder, Response, StatusCode};
use serde_json::Value;

/// A client of the issuer, to be completed.
fn http() -> ClientBuilder {
    // Clients ask for it even when they speak plain HTTP; another test may have been faster.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy()
}

fn client() -> Client {
    http().build().expect("a client")
}

/// Fetches anything.
async fn fetch(url: &str) -> Response {
    client().get(url).send().await.expect("an answer")
}

/// Fetches JSON.
async fn get(url: &str) -> Value {
    let response = fetch(url).await;
    assert!(response.status().is_success(), "{url}: {response:?}");
    let text = response.text().await.expect("a body");
    serde_json::from_str(&text).expect("is JSON")
}

/// Asks the token endpoint.
async fn exchange(issuer: &Issuer, fields: &[(&str, &str)]) -> (StatusCode, Value) {
    let response = exchange_from(issuer, None, fields).await;
    let status = response.status();
    let text = response.text().await.expect("a body");
    (status, serde_json::from_str(&text).expect("is JSON"))
}

/// Asks the token endpoint as a web page does, or without one.
async fn exchange_from(issuer: &Issuer, origin: Option<&str>, fields: &[(&str, &str)]) -> Response {
    let url = format!("{}/{TENANT}/oauth2/v2.0/token", issuer.base_url());
    let mut request = client().post(url).form(fields);
    if let Some(origin) = origin {
        request = request.header("origin", origin);
    }
    request.send().await.expect("an answer")
}

/// What is refused: the status, the error and the number.
fn refusal(status: StatusCode, body: &Value) -> (u16, String, u64) {
    let error = body["error"].as_str().expect("an error").to_owned();
    let number = body["error_codes"][0].as_u64().expect("a number");
    (status.as_u16(), error, number)
}

/// The key set that the issuer serves.
async fn served_keys(issuer: &Issuer) -> JwkSet {
    serde_json::from_value(get(&issuer.keys_url()).await).expect("is a JWK set")
}

/// Verifies a token as a resource server would: RS256 by the key that it names, exact issuer and audience, lifetime.
fn verify(
    token: &str,
    keys: &JwkSet,
    issuer: &str,
    audience: &str,
) -> Result<TokenData<Value>, String> {
    let mut expected = Validation::new(Algorithm::RS256);
    expected.set_issuer(&[issuer]);
    expected.set_audience(&[audience]);
    expected.set_required_spec_claims(&["exp", "iss", "aud"]);
    expected.validate_nbf = true;
    expected.leeway = 0;
    let header = decode_header(token).map_err(|error| error.to_string())?;
    let kid = header.kid.ok_or("no kid")?;
    let jwk = keys.find(&kid).ok_or("unknown kid")?;
    let key = DecodingKey::from_jwk(jwk).expect("a served key can be used");
    decode(token, &key, &expected).map_err(|error| error.to_string())
}

/// Verifies a v2 token of the first tenant for the default API.
async fn verify_v2(issuer: &Issuer, token: &str) -> Result<Value, String> {
    let keys = served_keys(issuer).await;
    verify(token, &keys, &issuer.issuer_url(), API).map(|token| token.claims)
}

fn header(token: &str) -> Value {
    part(token, 0)
}

/// What a token says, whoever signed it.
fn insecure_claims(token: &str) -> Value {
    part(token, 1)
}

fn part(token: &str, number: usize) -> Value {
    let part = token.split('.').nth(number).expect("has parts");
    let json = URL_SAFE_NO_PAD.decode(part).expect("is Base64url");
    serde_json::from_slice(&json).expect("is JSON")
}

fn now_s() -> i64 {
    i64::try_from(prynai_process::clock::unix_millis() / 1000).expect("fits")
}
