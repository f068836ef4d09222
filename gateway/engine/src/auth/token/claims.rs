//! What an access token says, and which principal that is.

use std::collections::BTreeSet;

use prynai_bus::wire::principal::{CallerKind, Identity, Principal};
use serde::Deserialize;

use crate::auth::settings::TokenVersion;
use crate::auth::trust::as_guid;
use crate::refusal::Flaw;

/// Longest `sub`, in bytes (OpenID Connect Core 1.0, section 2).
const MAX_SUBJECT_BYTES: usize = 255;

/// The claims that count. One that is there twice or has another type makes the token unreadable.
#[derive(Debug, Deserialize)]
pub(crate) struct Claims {
    pub(crate) iss: String,
    pub(crate) aud: Audience,
    /// Seconds since the Unix epoch.
    pub(crate) exp: f64,
    sub: Option<String>,
    tid: Option<String>,
    oid: Option<String>,
    ver: Option<String>,
    idtyp: Option<String>,
    azp: Option<String>,
    appid: Option<String>,
    client_id: Option<String>,
    /// Only our own façade writes it: who vouches for the person.
    enterprise: Option<String>,
    scp: Option<NamesClaim>,
    scope: Option<NamesClaim>,
    roles: Option<NamesClaim>,
}

/// `aud`: RFC 7519, section 4.1.3.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum Audience {
    One(String),
    Many(Vec<String>),
}

/// A claim of names: in a list, or between spaces (RFC 6749, section 3.3).
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum NamesClaim {
    Text(String),
    List(Vec<String>),
}

impl Claims {
    /// The caller according to a token of `tenant` and `version` at Entra ID ([access token claims]).
    ///
    /// # Errors
    ///
    /// Why it is no access token of that tenant and version.
    ///
    /// [access token claims]: https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference
    pub(crate) fn entra(self, tenant: &str, version: TokenVersion) -> Result<Principal, Flaw> {
        let (written, client) = match version {
            TokenVersion::V1 => ("1.0", self.appid),
            TokenVersion::V2 => ("2.0", self.azp),
        };
        if self.ver.as_deref() != Some(written) {
            return Err(Flaw(
                "version",
                "the token's version (ver) is not that of its issuer (iss)",
            ));
        }
        if self.tid.as_deref() != Some(tenant) {
            return Err(Flaw(
                "tenant",
                "the token's tenant (tid) is not that of its issuer (iss)",
            ));
        }
        // An id token has the same audience when the API signs people in as well, but no client.
        let client = client.ok_or(Flaw(
            "no_application",
            "the token names no application (azp or appid), so it is no access token",
        ))?;
        let object_id = self.oid.as_deref().and_then(as_guid);
        let object_id = object_id.ok_or(Flaw("nobody", "the token names nobody (oid)"))?;
        let kind = match self.idtyp.as_deref() {
            Some("app") => CallerKind::App,
            None if self.scp.is_none() => CallerKind::App,
            _ => CallerKind::User,
        };
        // An object id stays the same for every application and version; `sub` does not.
        let subject = format!("entra:{tenant}:{object_id}");
        let identity = Identity {
            issuer: self.iss,
            tenant: Some(tenant.to_owned()),
            object_id,
            client: Some(client),
            kind,
            scopes: names([self.scp]),
            roles: names([self.roles]),
        };
        Ok(named(subject, identity))
    }

    /// The caller according to a token of any other issuer (RFC 9068).
    ///
    /// # Errors
    ///
    /// Why it is no access token.
    pub(crate) fn oidc(self) -> Result<Principal, Flaw> {
        let plain = |sub: &String| {
            (1..=MAX_SUBJECT_BYTES).contains(&sub.len())
                && sub.bytes().all(|b| matches!(b, b' '..=b'~'))
        };
        let sub = self
            .sub
            .filter(plain)
            .ok_or(Flaw("nobody", "the token names nobody (sub)"))?;
        let client = self.client_id.or(self.azp).or(self.appid);
        let kind = match self.idtyp.as_deref() {
            Some("app") => CallerKind::App,
            // RFC 9068, section 2.2: without a person the subject is the application.
            None if client.as_ref() == Some(&sub) => CallerKind::App,
            _ => CallerKind::User,
        };
        let subject = format!("{}#{sub}", self.iss);
        let identity = Identity {
            issuer: self.iss,
            tenant: None,
            object_id: sub,
            client,
            kind,
            scopes: names([self.scope, self.scp]),
            roles: names([self.roles]),
        };
        Ok(named(subject, identity))
    }

    /// The caller according to a token of our own façade, for somebody whom the identity provider of an enterprise
    /// vouches for. Its name begins like no other's.
    ///
    /// # Errors
    ///
    /// Why it is no such token.
    pub(crate) fn facade(self) -> Result<Principal, Flaw> {
        let (Some(issuer), Some(sub), Some(client)) = (self.enterprise, self.sub, self.client_id)
        else {
            return Err(Flaw("nobody", "the token names nobody (enterprise, sub)"));
        };
        let subject = format!("enterprise:{issuer}#{sub}");
        let identity = Identity {
            issuer,
            tenant: None,
            object_id: sub,
            client: Some(client),
            kind: CallerKind::User,
            scopes: names([self.scope]),
            roles: BTreeSet::new(),
        };
        Ok(named(subject, identity))
    }
}

fn named(subject: String, identity: Identity) -> Principal {
    Principal {
        subject,
        identity: Some(identity.into()),
        address: None,
    }
}

fn names<const N: usize>(claims: [Option<NamesClaim>; N]) -> BTreeSet<String> {
    let mut all = BTreeSet::new();
    for claim in claims.into_iter().flatten() {
        match claim {
            // At spaces only (RFC 6749, section 3.3).
            NamesClaim::Text(text) => {
                let names = text.split(' ').filter(|name| !name.is_empty());
                all.extend(names.map(str::to_owned));
            }
            NamesClaim::List(list) => all.extend(list),
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const TENANT: &str = "9b6c1f0e-0c5d-4b0e-8a55-3f6f0c2a7d11";
    const ALICE: &str = "1f5e8a3c-5b7d-4c43-9f5e-2b7d8e9f0a1b";

    #[test]
    fn scopes_are_split_at_spaces_and_nowhere_else() {
        let split = |text: &str| -> Vec<String> {
            names([Some(NamesClaim::Text(text.to_owned()))])
                .into_iter()
                .collect()
        };
        assert_eq!(split(" a  b "), ["a", "b"]);
        for other in ["a,b", "a\tb", "a\nb", "a\u{a0}b", "a\u{2003}b", "a\u{c}b"] {
            assert_eq!(split(other), [other], "{other:?}");
        }
    }

    #[test]
    fn who_comes_through_an_enterprise_is_nobody_else() {
        let base = json!({ "iss": "https://a/oauth", "aud": "https://a/mcp", "exp": 1, "sub": "alice",
            "enterprise": "https://id.example", "client_id": "agent", "scope": "mcp.call" });
        let principal = claims(base.clone(), json!({})).facade().unwrap();
        assert_eq!(principal.subject, "enterprise:https://id.example#alice");
        let identity = principal.identity.clone().unwrap();
        assert_eq!(
            (identity.issuer.as_str(), identity.object_id.as_str()),
            ("https://id.example", "alice")
        );
        let at_issuer = json!({ "iss": "https://id.example" });
        let at_issuer = claims(base.clone(), at_issuer).oidc().unwrap();
        assert!(!principal.is_same_caller(&at_issuer));
        for name in ["enterprise", "sub", "client_id"] {
            assert!(
                claims(base.clone(), json!({ name: null }))
                    .facade()
                    .is_err()
            );
        }
    }

    fn claims(base: Value, changes: Value) -> Claims {
        let mut claims = base;
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        serde_json::from_value(claims).unwrap()
    }

    fn v2(changes: Value) -> Result<Principal, Flaw> {
        let base = json!({
            "iss": "https://login.example/v2.0", "aud": "api", "exp": 1, "tid": TENANT, "oid": ALICE,
            "sub": "pairwise", "ver": "2.0", "azp": "client", "scp": "mcp.call mcp.read", "roles": ["Admin"],
        });
        claims(base, changes).entra(TENANT, TokenVersion::V2)
    }

    #[test]
    fn a_person_is_the_same_through_every_application_and_version() {
        let second = v2(json!({})).unwrap();
        let first = json!({
            "iss": "https://sts.example/", "aud": "api://api", "exp": 1, "tid": TENANT, "oid": ALICE,
            "sub": "another", "ver": "1.0", "appid": "another client", "scp": "mcp.call",
        });
        let first = claims(first, json!({}))
            .entra(TENANT, TokenVersion::V1)
            .unwrap();
        assert!(second.is_same_caller(&first));
        assert_eq!(second.subject, format!("entra:{TENANT}:{ALICE}"));
        let identity = second.identity.unwrap();
        assert_eq!(identity.kind, CallerKind::User);
        assert_eq!(identity.client.as_deref(), Some("client"));
        assert_eq!(
            identity.scopes.iter().collect::<Vec<_>>(),
            ["mcp.call", "mcp.read"]
        );
        assert_eq!(identity.roles.iter().collect::<Vec<_>>(), ["Admin"]);
        assert_eq!(
            first.identity.unwrap().client.as_deref(),
            Some("another client")
        );
    }

    #[test]
    fn without_scopes_an_application_calls_by_itself() {
        let kind = |changes| v2(changes).unwrap().identity.unwrap().kind;
        assert_eq!(kind(json!({ "scp": null })), CallerKind::App);
        assert_eq!(
            kind(json!({ "scp": null, "idtyp": "app" })),
            CallerKind::App
        );
        assert_eq!(
            kind(json!({ "scp": null, "idtyp": "user" })),
            CallerKind::User
        );
        assert_eq!(kind(json!({ "scp": "" })), CallerKind::User);
    }

    #[test]
    fn what_does_not_fit_together_is_no_token() {
        for changes in [
            json!({ "ver": "1.0" }),
            json!({ "ver": null }),
            json!({ "tid": ALICE }),
            json!({ "tid": null }),
            json!({ "oid": null }),
            json!({ "oid": "alice" }),
            json!({ "azp": null }),
            json!({ "azp": null, "appid": "client" }),
        ] {
            assert!(v2(changes.clone()).is_err(), "{changes}");
        }
    }

    #[test]
    fn other_issuers_name_things_otherwise() {
        let base = json!({ "iss": "https://id.example", "aud": ["api", "other"], "exp": 1, "sub": "alice",
            "client_id": "app", "scope": "a b" });
        let oidc = |changes| claims(base.clone(), changes).oidc();
        let principal = oidc(json!({ "scp": ["c"], "roles": "Admin" })).unwrap();
        assert_eq!(principal.subject, "https://id.example#alice");
        let identity = principal.identity.unwrap();
        assert_eq!(identity.scopes.iter().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(identity.roles.iter().collect::<Vec<_>>(), ["Admin"]);
        assert_eq!(identity.kind, CallerKind::User);
        let app = oidc(json!({ "sub": "app" })).unwrap();
        assert_eq!(app.identity.unwrap().kind, CallerKind::App);
        for sub in [
            json!(null),
            json!(""),
            json!("x".repeat(256)),
            json!("a\nb"),
            json!("é"),
        ] {
            assert!(oidc(json!({ "sub": sub })).is_err(), "{sub}");
        }
    }

    #[test]
    fn claims_of_another_type_or_twice_are_not_guessed_at() {
        for text in [
            r#"{"iss":["https://id.example"],"aud":"a","exp":1}"#,
            r#"{"iss":"a","iss":"b","aud":"a","exp":1}"#,
            r#"{"iss":"a","aud":7,"exp":1}"#,
            r#"{"iss":"a","aud":"a"}"#,
            r#"{"iss":"a","aud":"a","exp":"1"}"#,
            r#"{"iss":"a","aud":"a","exp":1,"tid":["a"]}"#,
            r#"{"iss":"a","aud":"a","exp":1,"scp":{}}"#,
            r#"{"aud":"a","exp":1}"#,
        ] {
            assert!(serde_json::from_str::<Claims>(text).is_err(), "{text}");
        }
    }
}
