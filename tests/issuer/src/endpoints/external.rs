//! The keys of another issuer, which a federated credential names. Over plain HTTP only: the issuers of tests are on
//! this machine.

use std::time::Duration;

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_util::client::legacy::Client;
use hyper_util::rt::TokioExecutor;
use rsa::pkcs1::EncodeRsaPublicKey;
use rsa::{BigUint, RsaPublicKey};
use serde_json::Value;

/// Longest answer, in bytes.
const MOST_BYTES: usize = 64 * 1024;

/// Time for one answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// The key of this name, an `RSAPublicKey`, if the issuer has it; `None` when the issuer cannot be asked.
pub(crate) async fn key(issuer: &str, kid: &str) -> Option<Option<Vec<u8>>> {
    let metadata = read(&format!("{issuer}/.well-known/openid-configuration")).await?;
    if metadata["issuer"] != issuer {
        return None;
    }
    let keys = read(metadata["jwks_uri"].as_str()?).await?;
    let named = keys["keys"]
        .as_array()?
        .iter()
        .find(|key| key["kid"] == kid);
    Some(named.and_then(rsa_key))
}

fn rsa_key(jwk: &Value) -> Option<Vec<u8>> {
    let number = |name: &str| {
        let bytes = URL_SAFE_NO_PAD.decode(jwk[name].as_str()?).ok()?;
        Some(BigUint::from_bytes_be(&bytes))
    };
    let key = RsaPublicKey::new(number("n")?, number("e")?).ok()?;
    Some(key.to_pkcs1_der().ok()?.into_vec())
}

async fn read(url: &str) -> Option<Value> {
    let client: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    let answer = async {
        let response = client.get(url.parse().ok()?).await.ok()?;
        let body = Limited::new(response.into_body(), MOST_BYTES).collect();
        serde_json::from_slice(&body.await.ok()?.to_bytes()).ok()
    };
    tokio::time::timeout(PATIENCE, answer).await.ok()?
}
