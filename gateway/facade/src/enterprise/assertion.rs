//! What an identity assertion (ID-JAG) says, and whether it is meant for us.

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::refusal::Refusal;
use crate::scopes::Scopes;

/// How far the clocks of the issuer and of this server may be apart, in seconds.
const SKEW_S: u64 = 60;

/// How far away the end of an assertion may be, in seconds: until then it is remembered.
const LONGEST_S: u64 = 3600;

/// Longest `jti` and `sub`, in bytes.
const MOST_OF_NAME: usize = 255;

/// Its claims. What is there in another type makes it unreadable.
#[derive(Debug, Deserialize)]
pub(crate) struct Assertion {
    #[serde(rename = "iss")]
    pub(crate) issuer: String,
    #[serde(rename = "sub")]
    pub(crate) subject: String,
    #[serde(rename = "jti")]
    pub(crate) id: String,
    #[serde(rename = "aud")]
    audience: OneOf,
    resource: OneOf,
    client_id: String,
    #[serde(rename = "exp")]
    ends_s: f64,
    #[serde(rename = "iat")]
    issued_s: f64,
    #[serde(default)]
    scope: String,
    /// Whose key the bearer has to prove (RFC 7800): nobody does that here.
    #[serde(rename = "cnf")]
    confirmation: Option<Value>,
}

/// One, written alone or in a list. Several would be good at several places.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum OneOf {
    One(String),
    List([String; 1]),
}

impl OneOf {
    fn text(&self) -> &str {
        match self {
            Self::One(text) | Self::List([text]) => text,
        }
    }
}

impl Assertion {
    /// # Errors
    ///
    /// When a claim is missing or of another type.
    pub(crate) fn read(claims: Map<String, Value>) -> Result<Self, &'static str> {
        serde_json::from_value(Value::Object(claims))
            .map_err(|_| "iss, sub, aud, resource, client_id, jti, exp and iat are needed, each as one text or number")
    }

    /// # Errors
    ///
    /// Why it is not for this client to use here and now.
    pub(crate) fn check(
        &self,
        issuer: &str,
        resource: &str,
        client: &str,
        now_s: u64,
    ) -> Result<(), &'static str> {
        let is_name = |text: &str| {
            (1..=MOST_OF_NAME).contains(&text.len())
                && text.bytes().all(|b| matches!(b, b' '..=b'~'))
        };
        if self.audience.text() != issuer {
            return Err("it is for another authorization server (aud)");
        }
        if self.resource.text().trim_end_matches('/') != resource {
            return Err("it is for another server (resource)");
        }
        if self.client_id != client {
            return Err("it is for another client (client_id)");
        }
        if !is_name(&self.subject) || !is_name(&self.id) {
            return Err("sub and jti have up to 255 ASCII characters");
        }
        if self.confirmation.is_some() {
            return Err("it is bound to a key (cnf), which this server does not check");
        }
        let latest = now_s.saturating_add(SKEW_S) as f64;
        // Not the negation: a number that is none is refused too.
        let is_old_enough = self.issued_s <= latest;
        if !is_old_enough {
            return Err("it is of the future (iat)");
        }
        let ends_soon = self.ends_s <= latest + LONGEST_S as f64;
        if !ends_soon {
            return Err("it is good for more than an hour (exp)");
        }
        Ok(())
    }

    /// For how many seconds it must not be used again. It is good for the skew longer than it says.
    pub(crate) fn life_s(&self, now_s: u64) -> u64 {
        // It was checked: an hour and the skew at most.
        (self.ends_s.max(0.0) as u64).saturating_sub(now_s) + 2 * SKEW_S
    }

    /// The scopes of the token, by their short names: those of the assertion, or what the client wants of them.
    ///
    /// # Errors
    ///
    /// When it wants more, or when nothing is left that a call would be let in with.
    pub(crate) fn granted(&self, scopes: &Scopes, asked: Option<&str>) -> Result<String, Refusal> {
        let wrong = |text: &str| Refusal::new("invalid_scope", text);
        let own = scopes.short(&self.scope)?;
        let granted = match asked {
            None => own,
            Some(asked) => {
                let asked = scopes.short(asked)?;
                if !asked.iter().all(|name| own.contains(name)) {
                    return Err(wrong("the assertion does not allow this scope"));
                }
                asked
            }
        };
        if !scopes.let_in(&granted) {
            return Err(wrong(
                "the assertion allows no scope that this server needs",
            ));
        }
        Ok(granted.join(" "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const ISSUER: &str = "https://mcp.example.com/oauth";
    const RESOURCE: &str = "https://mcp.example.com/mcp";
    const NOW_S: u64 = 1_000_000;

    fn verdict(changes: &Value) -> Result<Assertion, &'static str> {
        let mut claims = json!({
            "iss": "https://idp.example", "sub": "alice", "aud": ISSUER, "resource": RESOURCE,
            "client_id": "agent", "jti": "1", "exp": NOW_S + 300, "iat": NOW_S, "scope": "mcp.call mcp.read",
        });
        for (name, value) in changes.as_object().expect("is an object") {
            match value.is_null() {
                true => claims.as_object_mut().expect("is one").remove(name),
                false => claims
                    .as_object_mut()
                    .expect("is one")
                    .insert(name.clone(), value.clone()),
            };
        }
        let Value::Object(claims) = claims else {
            unreachable!("is an object")
        };
        let assertion = Assertion::read(claims)?;
        assertion.check(ISSUER, RESOURCE, "agent", NOW_S)?;
        Ok(assertion)
    }

    #[test]
    fn an_assertion_is_for_this_server_and_client_and_time() {
        for good in [
            json!({}),
            json!({ "aud": [ISSUER] }),
            json!({ "resource": [RESOURCE] }),
            json!({ "resource": format!("{RESOURCE}/") }),
            json!({ "iat": NOW_S + SKEW_S }),
            json!({ "exp": NOW_S + SKEW_S + LONGEST_S }),
            json!({ "jti": "x".repeat(MOST_OF_NAME) }),
            json!({ "email": "alice@example.com" }),
        ] {
            assert!(verdict(&good).is_ok(), "{good}");
        }
        for bad in [
            json!({ "aud": RESOURCE }),
            json!({ "aud": format!("{ISSUER}/") }),
            json!({ "aud": [ISSUER, "https://other.example"] }),
            json!({ "aud": [] }),
            json!({ "aud": null }),
            json!({ "resource": "https://mcp.example.com" }),
            json!({ "resource": "https://other.example/mcp" }),
            json!({ "resource": [RESOURCE, "https://other.example/mcp"] }),
            json!({ "resource": null }),
            json!({ "client_id": "Agent" }),
            json!({ "client_id": null }),
            json!({ "sub": "" }),
            json!({ "sub": "a\nb" }),
            json!({ "sub": null }),
            json!({ "sub": "x".repeat(MOST_OF_NAME + 1) }),
            json!({ "jti": "" }),
            json!({ "jti": null }),
            json!({ "jti": 7 }),
            json!({ "jti": "x".repeat(MOST_OF_NAME + 1) }),
            json!({ "iat": NOW_S + SKEW_S + 1 }),
            json!({ "iat": null }),
            json!({ "exp": NOW_S + SKEW_S + LONGEST_S + 1 }),
            json!({ "exp": null }),
            json!({ "cnf": { "jkt": "x" } }),
            json!({ "scope": ["mcp.call"] }),
        ] {
            assert!(verdict(&bad).is_err(), "{bad}");
        }
    }

    #[test]
    fn it_is_remembered_for_longer_than_it_is_good() {
        let ends_in = |s| {
            verdict(&json!({ "exp": NOW_S + s }))
                .expect("is good")
                .life_s(NOW_S)
        };
        assert!(ends_in(300) > 300 + SKEW_S);
        assert!(ends_in(0) > SKEW_S);
    }

    #[test]
    fn a_token_allows_no_more_than_its_assertion() {
        let scopes = Scopes::new("api://x/".to_owned(), vec!["mcp.call".to_owned()]);
        let granted = |own: &str, asked| {
            let assertion = verdict(&json!({ "scope": own })).expect("is good");
            assertion.granted(&scopes, asked).ok()
        };
        for (own, asked, all) in [
            ("mcp.call mcp.read", None, Some("mcp.call mcp.read")),
            ("openid api://x/mcp.call", None, Some("mcp.call")),
            (
                "mcp.call mcp.read",
                Some("mcp.call offline_access"),
                Some("mcp.call"),
            ),
            ("mcp.call", Some("mcp.call mcp.admin"), None),
            ("mcp.read", None, None),
            ("mcp.call mcp.read", Some("mcp.read"), None),
            ("", None, None),
            ("mcp.call\"", None, None),
        ] {
            assert_eq!(granted(own, asked).as_deref(), all, "{own} {asked:?}");
        }
        let free = Scopes::new(String::new(), Vec::new());
        let assertion = verdict(&json!({ "scope": "" })).expect("is good");
        assert_eq!(assertion.granted(&free, None).expect("is good"), "");
    }
}
