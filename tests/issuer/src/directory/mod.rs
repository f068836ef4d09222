//! What is registered at the issuer: tenants, the APIs that tokens are for, the clients that ask for them, the users
//! who sign in; `builtin` has what is registered without a configuration, `redirect` tells where codes may go.
//!
//! Shaped like Entra's app registrations, with one simplification: APIs, clients and users exist in every tenant, under
//! object ids of their own in each.

mod builtin;
mod redirect;

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

pub use builtin::{
    API, API_SECRET, API_URI, DAEMON, DAEMON_SECRET, DOWNSTREAM, DOWNSTREAM_URI, GATEWAY_IDENTITY,
    INTERACTIVE, TENANT, VS_CODE,
};
pub(crate) use redirect::Platform;

/// Everything that is registered.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Directory {
    /// The tenants' ids (GUIDs). The first is meant where none is named.
    #[serde(default = "default_tenants")]
    pub tenants: Vec<String>,

    /// What tokens can be asked for.
    pub apis: Vec<Api>,

    /// Who may ask.
    pub clients: Vec<Client>,

    /// Who may sign in.
    pub users: Vec<User>,

    /// What runs on Azure and needs no secret: the endpoint `/msi/token` gives their tokens.
    #[serde(default)]
    pub managed_identities: Vec<ManagedIdentity>,

    /// Who takes identity assertions (ID-JAG) of this issuer. Without any the issuer gives none, as Entra does not.
    #[serde(default)]
    pub authorization_servers: Vec<AuthorizationServer>,
}

/// A registered API.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Api {
    /// Its client id: the audience of v2 tokens.
    pub client_id: String,

    /// Its App ID URIs: the audience of v1 tokens, the first part of a scope's full name, and what `resource` must be.
    pub identifier_uris: Vec<String>,

    /// The version of its tokens, whichever endpoint they are asked at. Entra takes null for 1.
    #[serde(default)]
    pub requested_access_token_version: Version,

    /// What a client may do for a user, by short names: `mcp.call`.
    #[serde(default)]
    pub scopes: Vec<String>,

    /// What users and applications may be.
    #[serde(default)]
    pub app_roles: Vec<String>,

    /// Whether tokens of applications carry `idtyp`, an optional claim that an API asks for in its manifest.
    #[serde(default)]
    pub idtyp: bool,

    /// Whether a policy wants to see the person again before another acts on the person's behalf here.
    #[serde(default)]
    pub conditional_access: bool,
}

/// The version of an access token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, Serialize)]
#[serde(try_from = "u8", into = "u8")]
pub enum Version {
    /// `ver` 1.0: issued by `https://sts.windows.net/{tid}/` for an App ID URI.
    #[default]
    V1,
    /// `ver` 2.0: issued by `https://login.microsoftonline.com/{tid}/v2.0` for a client id.
    V2,
}

/// A registered client. Without a secret, a certificate and a federated credential it is public.
///
/// Where codes may be sent is registered for a platform, and that platform decides how the client shows who it is when
/// it redeems one (learn.microsoft.com/entra/identity-platform/reply-url and v2-oauth2-auth-code-flow). An application
/// may have URIs of several platforms.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its client id.
    pub client_id: String,

    /// What people see.
    pub name: String,

    /// Its secret.
    #[serde(default)]
    pub secret: Option<String>,

    /// Its certificates in PEM. It signs its assertions with the key of one of them (`private_key_jwt`).
    #[serde(default)]
    pub certificates: Vec<String>,

    /// Whose tokens it may show in place of a secret.
    #[serde(default)]
    pub federated_credentials: Vec<FederatedCredential>,

    /// Where codes may be sent, of the platform "Mobile and desktop": they are redeemed without a credential. A
    /// loopback URI fits with any port (RFC 8252, section 7.3).
    #[serde(default)]
    pub redirect_uris: Vec<String>,

    /// The same of the platform "Web": they are redeemed with a credential.
    #[serde(default)]
    pub web_redirect_uris: Vec<String>,

    /// The same of the platform "Single-page application": they are redeemed by a browser across origins.
    #[serde(default)]
    pub spa_redirect_uris: Vec<String>,

    /// The scopes that are consented to, by full names: `api://prynai-mcp/mcp.call`.
    #[serde(default)]
    pub scopes: Vec<String>,

    /// The roles it has when it runs without a user, by full names.
    #[serde(default)]
    pub app_roles: Vec<String>,
}

/// Whose tokens a client may show in place of a secret: a federated identity credential.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct FederatedCredential {
    /// The `iss` of the token. Without one: the first tenant of this issuer, which is all that it can check.
    #[serde(default)]
    pub issuer: Option<String>,

    /// The `sub` of the token: of a managed identity its principal id. Compared byte by byte.
    pub subject: String,

    /// What the token is for.
    #[serde(default = "exchange_audience")]
    pub audience: String,
}

/// A user-assigned managed identity.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ManagedIdentity {
    /// Its client id, by which the endpoint is asked for it. The first is meant where none is named.
    pub client_id: String,

    /// Its object id: the `sub` and `oid` of its tokens.
    pub principal_id: String,

    /// The roles it has, by full names.
    #[serde(default)]
    pub app_roles: Vec<String>,
}

/// An authorization server of others that people get into by an identity assertion of this one.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct AuthorizationServer {
    /// Its issuer: the `audience` that is asked for, and the `aud` of the assertion.
    pub issuer: String,

    /// What `resource` may be.
    #[serde(default)]
    pub resources: Vec<String>,

    /// The names that clients have there, by their client ids here. One that is not named has the same.
    #[serde(default)]
    pub clients: BTreeMap<String, String>,
}

/// Somebody who signs in.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// What `login_hint` may say, alone or as the user name's first part.
    pub name: String,

    /// The domain of the user name.
    #[serde(default = "default_domain")]
    pub domain: String,

    /// The roles of the user, by full names.
    #[serde(default)]
    pub app_roles: Vec<String>,
}

fn default_tenants() -> Vec<String> {
    vec![TENANT.to_owned()]
}

/// learn.microsoft.com/entra/workload-id/workload-identity-federation-config-app-trust-managed-identity
pub(crate) const EXCHANGE_AUDIENCE: &str = "api://AzureADTokenExchange";

fn exchange_audience() -> String {
    EXCHANGE_AUDIENCE.to_owned()
}

fn default_domain() -> String {
    "contoso.example".to_owned()
}

impl Directory {
    /// # Errors
    ///
    /// What is missing, or named twice.
    pub(crate) fn check(&self) -> Result<(), String> {
        let tenants = self.tenants.iter().map(String::as_str).collect();
        if self.tenants.is_empty() || self.apis.is_empty() {
            return Err("the configuration needs a tenant and an API".to_owned());
        }
        if let Some(tenant) = self.tenants.iter().find(|tenant| !is_guid(tenant)) {
            return Err(format!("tenant {tenant:?} is no GUID, such as {TENANT}"));
        }
        let apis = self.apis.iter().flat_map(|api| {
            let uris = api.identifier_uris.iter().map(String::as_str);
            uris.chain([api.client_id.as_str()])
        });
        let clients = self.clients.iter().map(|client| client.client_id.as_str());
        let users = self.users.iter().map(|user| user.name.as_str());
        let identities = self.managed_identities.iter();
        let identities = identities.map(|identity| identity.client_id.as_str());
        for names in [
            tenants,
            apis.collect(),
            clients.collect(),
            users.collect(),
            identities.collect(),
        ] {
            if let Some(name) = twice(names) {
                return Err(format!("{name:?} is registered twice"));
            }
        }
        Ok(())
    }

    pub(crate) fn tenant(&self, id: &str) -> Option<&str> {
        let known = self.tenants.iter().find(|tenant| *tenant == id);
        known.map(String::as_str)
    }

    pub(crate) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.client_id == id)
    }

    /// The one of this client id; the first, if none is given.
    pub(crate) fn managed_identity(&self, client_id: Option<&str>) -> Option<&ManagedIdentity> {
        let mut all = self.managed_identities.iter();
        all.find(|identity| client_id.is_none_or(|id| id == identity.client_id))
    }

    /// By name or user principal name.
    pub(crate) fn user(&self, hint: &str) -> Option<&User> {
        self.users.iter().find(|user| user.is_named(hint))
    }

    /// The API that an App ID URI or a client id names.
    pub(crate) fn api(&self, name: &str) -> Option<&Api> {
        self.apis
            .iter()
            .find(|api| api.client_id == name || api.identifier_uris.iter().any(|uri| uri == name))
    }
}

impl Api {
    /// The short names among `full` that are of this API.
    pub(crate) fn own<'a>(&'a self, full: &'a [String]) -> impl Iterator<Item = &'a str> {
        full.iter().filter_map(|name| {
            let (api, short) = name.rsplit_once('/')?;
            let own = self.client_id == api || self.identifier_uris.iter().any(|uri| uri == api);
            own.then_some(short)
        })
    }
}

impl Client {
    /// Whether it has nothing to show who it is.
    pub(crate) fn is_public(&self) -> bool {
        self.secret.is_none()
            && self.certificates.is_empty()
            && self.federated_credentials.is_empty()
    }
}

impl User {
    pub(crate) fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            domain: default_domain(),
            app_roles: Vec::new(),
        }
    }

    /// By name or user principal name.
    pub(crate) fn is_named(&self, hint: &str) -> bool {
        self.name == hint || self.principal_name() == hint
    }

    /// What Entra calls the user principal name.
    pub(crate) fn principal_name(&self) -> String {
        format!("{}@{}", self.name, self.domain)
    }
}

impl TryFrom<u8> for Version {
    type Error = String;

    fn try_from(number: u8) -> Result<Self, String> {
        match number {
            1 => Ok(Self::V1),
            2 => Ok(Self::V2),
            _ => Err(format!("token version {number}: there are 1 and 2")),
        }
    }
}

impl From<Version> for u8 {
    fn from(version: Version) -> Self {
        match version {
            Version::V1 => 1,
            Version::V2 => 2,
        }
    }
}

/// The object id of a user or of a client in a tenant: a GUID, the same in every run.
pub(crate) fn object_id(tenant: &str, name: &str) -> String {
    let digest = Sha256::digest(format!("{tenant} {name}"));
    let mut bytes = [0; 16];
    bytes.copy_from_slice(&digest[..16]);
    uuid::Builder::from_random_bytes(bytes)
        .into_uuid()
        .to_string()
}

/// Whether this is a GUID as Entra writes it.
fn is_guid(text: &str) -> bool {
    text.len() == TENANT.len() && Uuid::try_parse(text).is_ok()
}

fn twice(mut names: Vec<&str>) -> Option<&str> {
    names.sort_unstable();
    let pair = names.windows(2).find(|pair| pair[0] == pair[1])?;
    Some(pair[0])
}
