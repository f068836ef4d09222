//! The claims of an access token, as Entra writes them.
//!
//! Source: learn.microsoft.com/entra/identity-platform/access-token-claims-reference.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::directory::{Api, Client, ManagedIdentity, User, Version, object_id};

/// How far back `iat` and `nbf` lie, in seconds: Entra allows for clocks that are slow.
const HEAD_START_S: i64 = 5 * 60;

/// What the name of a managed identity begins with; its own name follows.
const MANAGED: &str = "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/development/providers/\
                       Microsoft.ManagedIdentity/userAssignedIdentities/";

/// How a client has shown who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Proof {
    /// It has not.
    None,
    Secret,
    /// By a token that it signed itself, or that somebody whom it trusts signed.
    Assertion,
}

/// What an access token says.
pub(crate) struct Grant<'a> {
    pub(crate) issuer: String,
    pub(crate) tenant: &'a str,
    pub(crate) version: Version,
    pub(crate) api: &'a Api,
    /// What a v1 token is for: the App ID URI that it was asked by.
    pub(crate) uri: &'a str,
    pub(crate) client: &'a Client,
    pub(crate) proof: Proof,
    /// What the client is, if it is that.
    pub(crate) identity: Option<&'a ManagedIdentity>,
    /// `None`: the client itself.
    pub(crate) user: Option<&'a User>,
    /// Short names; nothing but a user's token has them.
    pub(crate) scopes: Vec<String>,
    /// Short names.
    pub(crate) roles: Vec<String>,
}

impl Grant<'_> {
    pub(crate) fn claims(&self, now_s: i64, lifetime_s: i64) -> Map<String, Value> {
        let mut claims = object(json!({
            "iss": self.issuer,
            "iat": now_s - HEAD_START_S,
            "nbf": now_s - HEAD_START_S,
            "exp": now_s + lifetime_s,
            "aio": opaque(48),
            "oid": self.oid(),
            "rh": format!("1.{}.", opaque(36)),
            "sub": self.sub(),
            "tid": self.tenant,
            "uti": opaque(16),
        }));
        claims.extend(self.audience_and_client());
        claims.extend(self.rights());
        if let Some(identity) = self.identity {
            let name = format!("{MANAGED}{}", identity.client_id);
            claims.insert("xms_mirid".to_owned(), name.into());
        }
        if let Some(user) = self.user {
            claims.extend(self.names(user));
        }
        claims
    }

    fn audience_and_client(&self) -> Map<String, Value> {
        let shown = match self.proof {
            Proof::None => "0",
            Proof::Secret => "1",
            Proof::Assertion => "2",
        };
        object(match self.version {
            Version::V1 => json!({
                "aud": self.uri,
                "appid": self.client.client_id,
                "appidacr": shown,
                "ver": "1.0",
            }),
            Version::V2 => json!({
                "aud": self.api.client_id,
                "azp": self.client.client_id,
                "azpacr": shown,
                "ver": "2.0",
            }),
        })
    }

    /// A client without a user has no `scp`; whoever has no role has no `roles`.
    fn rights(&self) -> Map<String, Value> {
        let mut rights = Map::new();
        if self.user.is_some() {
            rights.insert("scp".to_owned(), self.scopes.join(" ").into());
        } else if self.api.idtyp {
            rights.insert("idtyp".to_owned(), "app".into());
        }
        if !self.roles.is_empty() {
            rights.insert("roles".to_owned(), json!(self.roles));
        }
        rights
    }

    fn names(&self, user: &User) -> Map<String, Value> {
        let full = user.principal_name();
        object(match self.version {
            Version::V1 => json!({
                "acr": "1",
                "amr": ["pwd"],
                "given_name": user.name,
                "ipaddr": "127.0.0.1",
                "name": user.name,
                "unique_name": full,
                "upn": full,
            }),
            Version::V2 => json!({ "name": user.name, "preferred_username": full }),
        })
    }

    fn oid(&self) -> String {
        if let Some(identity) = self.identity {
            return identity.principal_id.clone();
        }
        let name = self.user.map_or(&self.client.client_id, |user| &user.name);
        object_id(self.tenant, name)
    }

    /// Pairwise: another one for each API. A client's own is its object id.
    fn sub(&self) -> String {
        if self.user.is_none() {
            return self.oid();
        }
        pairwise(&self.oid(), &self.api.client_id)
    }
}

/// What an ID token says.
pub(crate) struct IdToken<'a> {
    pub(crate) issuer: String,
    pub(crate) tenant: &'a str,
    pub(crate) client: &'a Client,
    pub(crate) user: &'a User,
    pub(crate) nonce: Option<&'a str>,
}

impl IdToken<'_> {
    pub(crate) fn claims(&self, now_s: i64, lifetime_s: i64) -> Map<String, Value> {
        let oid = object_id(self.tenant, &self.user.name);
        let mut claims = object(json!({
            "aud": self.client.client_id,
            "iss": self.issuer,
            "iat": now_s - HEAD_START_S,
            "nbf": now_s - HEAD_START_S,
            "exp": now_s + lifetime_s,
            "name": self.user.name,
            "oid": oid,
            "preferred_username": self.user.principal_name(),
            "sub": pairwise(&oid, &self.client.client_id),
            "tid": self.tenant,
            "uti": opaque(16),
            "ver": "2.0",
        }));
        if let Some(nonce) = self.nonce {
            claims.insert("nonce".to_owned(), nonce.into());
        }
        claims
    }
}

/// The `typ` of an identity assertion.
pub(crate) const ID_JAG_TYPE: &str = "oauth-id-jag+jwt";

/// What an identity assertion says: that somebody here is allowed to be there.
pub(crate) struct IdJag<'a> {
    pub(crate) issuer: String,
    /// The authorization server that may take it.
    pub(crate) audience: &'a str,
    /// The client's name at that server.
    pub(crate) client: &'a str,
    pub(crate) subject: &'a str,
    pub(crate) user: &'a User,
    pub(crate) resource: Option<&'a str>,
    pub(crate) scope: &'a str,
}

impl IdJag<'_> {
    pub(crate) fn claims(&self, id: &str, now_s: i64, lifetime_s: i64) -> Map<String, Value> {
        let mut claims = object(json!({
            "jti": id,
            "iss": self.issuer,
            "sub": self.subject,
            "aud": self.audience,
            "client_id": self.client,
            "iat": now_s,
            "exp": now_s + lifetime_s,
            "email": self.user.principal_name(),
        }));
        if let Some(resource) = self.resource {
            claims.insert("resource".to_owned(), resource.into());
        }
        if !self.scope.is_empty() {
            claims.insert("scope".to_owned(), self.scope.into());
        }
        claims
    }
}

/// A user's `sub` at one application.
fn pairwise(oid: &str, client_id: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(format!("{oid} {client_id}")))
}

/// Something in Base64url that means nothing to an API.
pub(crate) fn opaque(bytes: usize) -> String {
    let random: Vec<u8> = std::iter::repeat_with(|| *Uuid::new_v4().as_bytes())
        .flatten()
        .take(bytes)
        .collect();
    URL_SAFE_NO_PAD.encode(random)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}
