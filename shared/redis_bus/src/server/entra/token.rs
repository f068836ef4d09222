//! A token, and when it ends.

use std::fmt;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prynai_process::clock::unix_millis;
use prynai_process::secret::Secret;
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};
use tokio::time::Instant;

/// How long before its end a token is replaced: Azure asks for three minutes at least
/// (learn.microsoft.com/azure/redis/entra-for-authentication).
const BEFORE_ITS_END: Duration = Duration::from_secs(4 * 60);

/// What is taken for the life of a token that does not say it.
const LEAST_LIFE: Duration = Duration::from_secs(5 * 60);

/// However short a token lives, no more is asked for than one a second.
const LEAST_PAUSE: Duration = Duration::from_secs(1);

/// A token of Entra ID for Redis.
#[derive(Clone)]
pub(crate) struct Token {
    /// The object id of the identity, which is its user at Redis.
    pub(crate) user: String,
    pub(crate) secret: Secret,
    ends: Instant,
}

/// What both ways to a token answer; a managed identity writes numbers as text.
#[derive(Deserialize)]
pub(super) struct Answer {
    access_token: String,
    /// Unix seconds.
    #[serde(default, deserialize_with = "number")]
    expires_on: Option<u64>,
    /// Seconds.
    #[serde(default, deserialize_with = "number")]
    expires_in: Option<u64>,
}

#[derive(Deserialize)]
struct Claims {
    oid: String,
}

impl Token {
    /// Reads an answer.
    pub(super) fn read(answer: &[u8]) -> Result<Self, String> {
        // Not its text: that is the token.
        let answer: Answer = serde_json::from_slice(answer)
            .map_err(|_| "it is no JSON with an access_token".to_owned())?;
        let life = match (answer.expires_on, answer.expires_in) {
            (Some(on), _) => {
                Duration::from_secs(on).saturating_sub(Duration::from_millis(unix_millis()))
            }
            (None, Some(seconds)) => Duration::from_secs(seconds),
            (None, None) => LEAST_LIFE,
        };
        let user = user(&answer.access_token).ok_or("its token names no object id (oid)")?;
        let now = Instant::now();
        Ok(Self {
            user,
            secret: answer.access_token.into(),
            ends: now.checked_add(life).unwrap_or(now + LEAST_LIFE),
        })
    }

    pub(super) fn has_ended(&self) -> bool {
        self.ends <= Instant::now()
    }

    /// How long until the next one is asked for.
    pub(super) fn until_replaced(&self) -> Duration {
        let left = self.ends.saturating_duration_since(Instant::now());
        // So that a fleet does not ask all at once.
        let sooner = BEFORE_ITS_END.mul_f64(rand::random_range(1.0..1.25));
        let pause = match left.checked_sub(sooner) {
            Some(pause) if pause >= left / 2 => pause,
            _ => left / 2,
        };
        pause.max(LEAST_PAUSE)
    }

    /// How long to wait after an attempt that brought no newer one.
    pub(super) fn until_tried_again(&self) -> Duration {
        let left = self.ends.saturating_duration_since(Instant::now());
        (left / 8).clamp(LEAST_PAUSE, Duration::from_secs(15))
    }

    pub(super) fn is_newer_than(&self, other: &Self) -> bool {
        self.secret != other.secret
    }
}

/// Without the secret.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Token").field("user", &self.user).finish()
    }
}

/// Whom a token is about. It is our own, so nothing of it is checked: Redis does that.
fn user(token: &str) -> Option<String> {
    let claims = token.split('.').nth(1)?;
    let claims = URL_SAFE_NO_PAD.decode(claims).ok()?;
    let claims: Claims = serde_json::from_slice(&claims).ok()?;
    Some(claims.oid)
}

fn number<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<u64>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Written {
        Number(u64),
        Text(String),
        Otherwise(IgnoredAny),
    }
    Ok(match Option::<Written>::deserialize(deserializer)? {
        Some(Written::Number(number)) => Some(number),
        Some(Written::Text(text)) => text.parse().ok(),
        Some(Written::Otherwise(_)) | None => None,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn signed(claims: &serde_json::Value) -> String {
        let claims = URL_SAFE_NO_PAD.encode(claims.to_string());
        format!("e30.{claims}.signature")
    }

    #[tokio::test(start_paused = true)]
    async fn a_token_is_replaced_well_before_its_end() {
        let token = signed(&json!({"oid": "who"}));
        for (seconds, earliest, latest) in [(3600, 3300, 3360), (600, 300, 360), (8, 4, 4)] {
            let answer = json!({"access_token": token, "expires_in": seconds}).to_string();
            let read = Token::read(answer.as_bytes()).expect("reads");
            assert_eq!(read.user, "who");
            let pause = read.until_replaced().as_secs();
            assert!((earliest..=latest).contains(&pause), "{seconds}: {pause}");
            assert!(!read.has_ended());
            tokio::time::advance(Duration::from_secs(seconds)).await;
            assert!(read.has_ended());
            assert_eq!(read.until_tried_again(), Duration::from_secs(1));
        }
    }

    #[test]
    fn numbers_may_be_text_and_what_cannot_be_used_is_not_repeated() {
        let token = signed(&json!({"oid": "who"}));
        let ends = unix_millis() / 1000 + 100;
        let answer = json!({"access_token": token, "expires_on": ends.to_string()});
        let read = Token::read(answer.to_string().as_bytes()).expect("reads");
        assert!((48..=50).contains(&read.until_replaced().as_secs()));
        assert!(!format!("{read:?}").contains(&token));
        for answer in [
            json!({"access_token": "geheim"}),
            json!({"access_token": signed(&json!({"sub": "geheim"}))}),
            json!({"token": "geheim"}),
            json!("geheim"),
        ] {
            let reason = Token::read(answer.to_string().as_bytes()).expect_err("is none");
            assert!(!reason.contains("geheim"), "{reason}");
        }
        for life in [json!(u64::MAX), json!(3599.0), json!(-1), json!("soon")] {
            let odd = json!({"access_token": token, "expires_in": life});
            let read = Token::read(odd.to_string().as_bytes()).expect("reads");
            assert!(!read.has_ended(), "{life}");
        }
    }
}
