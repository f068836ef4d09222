//! What the issuer answers.

use serde::Deserialize;
use serde_json::Value;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

use crate::sealed::{digest, now_s};

/// How far our clock and the issuer's may be apart, in seconds.
const SKEW_S: u64 = 60;

/// Longest name of an account that is shown and remembered, in characters.
const MOST_OF_NAME: usize = 80;

/// Tokens (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(crate) struct Tokens {
    pub(crate) access_token: String,
    /// Some write it as text.
    expires_in: Option<Value>,
    pub(crate) refresh_token: Option<String>,
    pub(crate) id_token: Option<String>,
    pub(crate) scope: Option<String>,
}

/// A refusal (RFC 6749, section 5.2).
#[derive(Deserialize)]
pub(crate) struct Failure {
    pub(crate) error: String,
    #[serde(default)]
    pub(crate) error_description: String,
}

/// Who signed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Account {
    /// Stands for issuer and subject.
    pub(crate) key: String,
    /// As people know it.
    pub(crate) name: String,
}

/// What is needed of an id token (OpenID Connect Core 1.0, section 2).
#[derive(Deserialize)]
struct IdToken {
    iss: String,
    sub: String,
    aud: Audience,
    exp: u64,
    nonce: Option<String>,
    preferred_username: Option<String>,
    email: Option<String>,
    name: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Audience {
    One(String),
    Several(Vec<String>),
}

impl Tokens {
    /// For how many seconds the access token is good, as far as the issuer says.
    pub(crate) fn lifetime_s(&self) -> Option<u64> {
        match self.expires_in.as_ref()? {
            Value::Number(number) => number.as_u64(),
            Value::String(text) => text.parse().ok(),
            _ => None,
        }
    }

    /// Who signed in. The token comes from the issuer itself over a connection that nobody can change, so its signature
    /// is not needed (OpenID Connect Core 1.0, section 3.1.3.7); all else is checked.
    ///
    /// # Errors
    ///
    /// What is wrong with the id token.
    pub(crate) fn account(
        &self,
        issuer: &str,
        client_id: &str,
        nonce: &str,
    ) -> Result<Account, &'static str> {
        let token = self.id_token.as_deref().ok_or("there is no id token")?;
        let claims = token.split('.').nth(1).ok_or("the id token is malformed")?;
        let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).ok();
        let claims: Option<IdToken> = claims.and_then(|json| serde_json::from_slice(&json).ok());
        let claims = claims.ok_or("the id token cannot be read")?;
        let is_ours = match &claims.aud {
            Audience::One(aud) => aud == client_id,
            Audience::Several(all) => matches!(all.as_slice(), [aud] if aud == client_id),
        };
        if claims.iss != issuer {
            return Err("the id token is of another issuer");
        }
        if !is_ours {
            return Err("the id token is for another client");
        }
        if claims.nonce.as_deref() != Some(nonce) {
            return Err("the id token is of another sign-in");
        }
        if claims.exp.saturating_add(SKEW_S) <= now_s() {
            return Err("the id token has expired");
        }
        let names = [claims.preferred_username, claims.email, claims.name];
        let name = names.into_iter().flatten().find(|name| !name.is_empty());
        let name = name.unwrap_or_else(|| claims.sub.clone());
        Ok(Account {
            key: digest(&format!("{issuer}\n{}", claims.sub))[..16].to_owned(),
            name: name.chars().take(MOST_OF_NAME).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn tokens(claims: &Value) -> Tokens {
        let claims = BASE64_URL_SAFE_NO_PAD.encode(claims.to_string());
        serde_json::from_value(json!({
            "access_token": "a", "expires_in": "3599", "id_token": format!("e30.{claims}.x"),
        }))
        .expect("is good")
    }

    #[test]
    fn an_id_token_is_of_this_sign_in() {
        let good = json!({
            "iss": "https://id.example", "sub": "s", "aud": "us", "exp": now_s() + 60, "nonce": "n",
            "preferred_username": "alice@contoso.example",
        });
        let account = |claims: &Value| tokens(claims).account("https://id.example", "us", "n");
        let alice = account(&good).expect("is good");
        assert_eq!(alice.name, "alice@contoso.example");
        for (name, value) in [
            ("iss", json!("https://evil.example")),
            ("aud", json!("another")),
            ("aud", json!(["us", "another"])),
            ("nonce", json!("m")),
            ("nonce", json!(null)),
            ("exp", json!(now_s() - SKEW_S)),
            ("sub", json!(null)),
        ] {
            let mut claims = good.clone();
            claims[name] = value;
            assert!(account(&claims).is_err(), "{claims}");
        }
        let mut other = good.clone();
        other["sub"] = json!("t");
        assert_ne!(account(&other).expect("is good").key, alice.key);
        assert_eq!(tokens(&good).lifetime_s(), Some(3599));
    }
}
