//! Access tokens made to order: as Entra issues them, or wrong in any way.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::hmac;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::authority::Authority;
use crate::clock::now_s;
use crate::directory::{Api, Client, DAEMON, Directory, INTERACTIVE, User, Version};
use crate::tokens::claims::{Grant, ID_JAG_TYPE, Proof};
use crate::tokens::keys::SigningKey;
use crate::tokens::twist::{SignWith, Twist, merge};

/// An order for a token. Without any field: alice, through the interactive client, with all scopes of the first API.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct TokenOrder {
    /// A tenant of the directory, or any other text.
    pub tenant: Option<String>,
    /// An App ID URI or the client id of a registered API.
    pub api: Option<String>,
    /// The client's id; one that is not registered is taken for a public client.
    pub client: Option<String>,
    /// The user's name; one that is not registered gets an object id all the same.
    pub user: Option<String>,
    /// A token of the client itself, without a user: `roles` and no `scp`.
    pub app_only: bool,
    /// Short names.
    pub scopes: Option<Vec<String>>,
    /// Short names.
    pub roles: Option<Vec<String>>,
    /// Another version than the API has asked for.
    pub version: Option<Version>,
    /// What is wrong with it.
    pub twist: Twist,
}

/// Builds one token; [`TokenBuilder::jwt`] ends it.
#[derive(Clone)]
pub struct TokenBuilder<'a> {
    authority: &'a Authority,
    order: TokenOrder,
}

impl<'a> TokenBuilder<'a> {
    pub(crate) fn new(authority: &'a Authority) -> Self {
        Self {
            authority,
            order: TokenOrder::default(),
        }
    }

    /// From this tenant, a registered one or not. Default: the first of the directory.
    pub fn tenant(mut self, tenant: &str) -> Self {
        self.order.tenant = Some(tenant.to_owned());
        self
    }

    /// For this API, by App ID URI or client id. Default: the first of the directory.
    pub fn api(mut self, name: &str) -> Self {
        self.order.api = Some(name.to_owned());
        self
    }

    /// Asked for by this client. Default: the interactive one, or the daemon for a token without a user.
    pub fn client(mut self, client_id: &str) -> Self {
        self.order.client = Some(client_id.to_owned());
        self
    }

    /// For this user. Default: alice.
    pub fn user(mut self, name: &str) -> Self {
        self.order.user = Some(name.to_owned());
        self
    }

    /// For no user: the client's own token, with its roles.
    pub fn app_only(mut self) -> Self {
        self.order.app_only = true;
        self
    }

    /// With these scopes. Default: all that the API has.
    pub fn scopes(mut self, scopes: &[&str]) -> Self {
        self.order.scopes = Some(owned(scopes));
        self
    }

    /// With these roles. Default: those of the user or of the client.
    pub fn roles(mut self, roles: &[&str]) -> Self {
        self.order.roles = Some(owned(roles));
        self
    }

    /// Of this version. Default: the one that the API has asked for.
    pub fn version(mut self, version: Version) -> Self {
        self.order.version = Some(version);
        self
    }

    /// With this `exp`, in seconds from now; negative: it has expired. Default: 60 to 90 minutes.
    pub fn expires_in(mut self, seconds: i64) -> Self {
        self.order.twist.expires_in = Some(seconds);
        self
    }

    /// With this `nbf`, in seconds from now. Default: five minutes ago.
    pub fn not_before_in(mut self, seconds: i64) -> Self {
        self.order.twist.not_before_in = Some(seconds);
        self
    }

    /// With this claim, whatever else says.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.order
            .twist
            .claims
            .insert(name.to_owned(), value.into());
        self
    }

    /// Without this claim.
    pub fn without(self, name: &str) -> Self {
        self.claim(name, Value::Null)
    }

    /// With this field in its header; null removes one.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.order
            .twist
            .header
            .insert(name.to_owned(), value.into());
        self
    }

    /// As an identity assertion (ID-JAG) for a client of another authorization server, whether the directory has that
    /// server or not: good once, for five minutes. What is set afterwards changes it.
    pub fn id_jag(mut self, audience: &str, client_id: &str) -> Self {
        for other in [
            "aio", "azp", "azpacr", "nbf", "rh", "roles", "scp", "uti", "ver",
        ] {
            self = self.without(other);
        }
        self.header("typ", ID_JAG_TYPE)
            .claim("jti", Uuid::new_v4().to_string())
            .claim("aud", audience)
            .claim("client_id", client_id)
            .expires_in(5 * 60)
    }

    /// Signed like this. Default: with the current key.
    pub fn sign_with(mut self, sign_with: SignWith) -> Self {
        self.order.twist.sign_with = sign_with;
        self
    }

    /// The token. Panics when the order names an API that is not registered.
    pub fn jwt(self) -> String {
        let made = self.order.make(self.authority);
        made.unwrap_or_else(|reason| panic!("no such token: {reason}"))
    }
}

impl TokenOrder {
    /// # Errors
    ///
    /// What the directory lacks.
    pub(crate) fn make(&self, authority: &Authority) -> Result<String, String> {
        let directory = authority.directory();
        let api = self.find_api(&directory)?;
        let client = self.find_client(&directory);
        let user = (!self.app_only).then(|| self.find_user(&directory));
        let tenant = self.tenant.as_deref().unwrap_or(&directory.tenants[0]);
        let version = self.version.unwrap_or(api.requested_access_token_version);
        let assigned = user.as_ref().map_or(&client.app_roles, |u| &u.app_roles);
        let grant = Grant {
            issuer: authority.issuer(tenant, version),
            tenant,
            version,
            api,
            uri: self.uri(api),
            client: &client,
            proof: match client.is_public() {
                true => Proof::None,
                false => Proof::Secret,
            },
            identity: None,
            user: user.as_ref(),
            scopes: self.scopes.clone().unwrap_or_else(|| api.scopes.clone()),
            roles: self
                .roles
                .clone()
                .unwrap_or_else(|| api.own(assigned).map(str::to_owned).collect()),
        };
        let now_s = now_s();
        let claims = grant.claims(now_s, authority.lifetime_s());
        self.twist.sign(authority, claims, version, now_s)
    }

    fn find_api<'d>(&self, directory: &'d Directory) -> Result<&'d Api, String> {
        match &self.api {
            Some(name) => directory.api(name).ok_or(format!("no API {name}")),
            None => directory.apis.first().ok_or("no API at all".to_owned()),
        }
    }

    fn find_client(&self, directory: &Directory) -> Client {
        let default = if self.app_only { DAEMON } else { INTERACTIVE };
        let id = self.client.as_deref().unwrap_or(default);
        directory.client(id).cloned().unwrap_or_else(|| Client {
            client_id: id.to_owned(),
            name: id.to_owned(),
            ..Client::default()
        })
    }

    fn find_user(&self, directory: &Directory) -> User {
        let name = self.user.as_deref().unwrap_or("alice");
        let known = directory.user(name).cloned();
        known.unwrap_or_else(|| User::named(name))
    }

    /// The name that the API was asked by, if it is a URI.
    fn uri<'a>(&'a self, api: &'a Api) -> &'a str {
        let asked = self.api.as_deref().filter(|name| *name != api.client_id);
        asked
            .or(api.identifier_uris.first().map(String::as_str))
            .unwrap_or(&api.client_id)
    }
}

impl Twist {
    /// A JWT in compact form (RFC 7519, RFC 7515) over these claims.
    ///
    /// # Errors
    ///
    /// When it should have the signature of a key that there is not.
    pub(crate) fn sign(
        &self,
        authority: &Authority,
        mut claims: Map<String, Value>,
        version: Version,
        now_s: i64,
    ) -> Result<String, String> {
        if let Some(seconds) = self.expires_in {
            claims.insert("exp".to_owned(), (now_s + seconds).into());
        }
        if let Some(seconds) = self.not_before_in {
            claims.insert("nbf".to_owned(), (now_s + seconds).into());
        }
        merge(&mut claims, &self.claims);
        let (kid, signer) = self.signer(authority)?;
        let mut header = Map::new();
        header.insert("typ".to_owned(), "JWT".into());
        header.insert("alg".to_owned(), signer.algorithm().into());
        header.insert("kid".to_owned(), kid.clone().into());
        if version == Version::V1 {
            header.insert("x5t".to_owned(), kid.into());
        }
        merge(&mut header, &self.header);
        let message = format!("{}.{}", encoded(&header), encoded(&claims));
        let signature = URL_SAFE_NO_PAD.encode(signer.sign(message.as_bytes()));
        Ok(format!("{message}.{signature}"))
    }

    /// The `kid`, and who signs.
    fn signer(&self, authority: &Authority) -> Result<(String, Signer), String> {
        let current = authority.keys().current();
        Ok(match self.sign_with {
            SignWith::Current => (current.kid.clone(), Signer::Key(current)),
            SignWith::Foreign => (current.kid, Signer::Key(authority.foreign_key())),
            SignWith::Retired => {
                let retired = authority.keys().retired();
                let retired = retired.ok_or("no key was retired")?;
                (retired.kid.clone(), Signer::Key(retired))
            }
            SignWith::Nobody => (current.kid, Signer::Nobody),
            SignWith::PublicKeyAsSecret => (current.kid.clone(), Signer::Secret(current)),
        })
    }
}

/// Who signs how.
enum Signer {
    Key(SigningKey),
    /// With the key's public PEM.
    Secret(SigningKey),
    Nobody,
}

impl Signer {
    /// The `alg` of a header (RFC 7518, section 3.1).
    fn algorithm(&self) -> &'static str {
        match self {
            Self::Key(_) => "RS256",
            Self::Secret(_) => "HS256",
            Self::Nobody => "none",
        }
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Key(key) => key.sign(message),
            Self::Secret(key) => {
                let secret = hmac::Key::new(hmac::HMAC_SHA256, key.public_pem().as_bytes());
                hmac::sign(&secret, message).as_ref().to_vec()
            }
            Self::Nobody => Vec::new(),
        }
    }
}

fn encoded(part: &Map<String, Value>) -> String {
    URL_SAFE_NO_PAD.encode(json!(part).to_string())
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
