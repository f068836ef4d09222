//! What is registered at the issuer: tenants, the APIs that tokens are for, the clients that ask for them, the users
//! who sign in.
//!
//! Shaped like Entra's app registrations, with one simplification: APIs, clients and users exist in every tenant, under
//! object ids of their own in each.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use uuid::Uuid;

/// The tenant when none is named.
pub const TENANT: &str = "5f1c0a4e-7d0b-4c39-9a57-3b1f6d2e8c01";

/// The client id of the built-in API.
pub const API: &str = "8a2d6f30-41c7-4be1-b0a4-92f5c7e6d002";

/// The App ID URI of the built-in API.
pub const API_URI: &str = "api://prynai-mcp";

/// The built-in client that people sign in with: public, code and PKCE, any port of the loopback address.
pub const INTERACTIVE: &str = "c3b75f19-6a8e-4d02-8f43-1e9d0b7a5003";

/// The built-in client that runs without a user.
pub const DAEMON: &str = "e47f9b62-0d35-4a9c-a1c8-5d6b3f8e2004";

/// The secret of [`DAEMON`]. Worth nothing elsewhere.
pub const DAEMON_SECRET: &str = "daemon-secret-for-development";

/// The client id of Visual Studio Code, which has one at Entra for every tenant.
pub const VS_CODE: &str = "aebc6443-996d-45c2-90f0-388ff96faa56";

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

/// A registered client.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct Client {
    /// Its client id.
    pub client_id: String,

    /// What people see.
    pub name: String,

    /// Its secret; without one it is public.
    #[serde(default)]
    pub secret: Option<String>,

    /// Where codes may be sent. A loopback URI fits with any port (RFC 8252, section 7.3).
    #[serde(default)]
    pub redirect_uris: Vec<String>,

    /// The scopes that are consented to, by full names: `api://prynai-mcp/mcp.call`.
    #[serde(default)]
    pub scopes: Vec<String>,

    /// The roles it has when it runs without a user, by full names.
    #[serde(default)]
    pub app_roles: Vec<String>,
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

fn default_domain() -> String {
    "contoso.example".to_owned()
}

impl Default for Directory {
    /// A development set-up: one tenant and one API with v2 tokens, the clients named above, and the users alice (who
    /// is an administrator) and bob.
    fn default() -> Self {
        let all = owned(&["api://prynai-mcp/mcp.read", "api://prynai-mcp/mcp.call"]);
        let public = |client_id: &str, name: &str, redirect_uris: &[&str]| Client {
            client_id: client_id.to_owned(),
            name: name.to_owned(),
            secret: None,
            redirect_uris: owned(redirect_uris),
            scopes: all.clone(),
            app_roles: Vec::new(),
        };
        Self {
            tenants: default_tenants(),
            apis: vec![Api {
                client_id: API.to_owned(),
                identifier_uris: owned(&[API_URI]),
                requested_access_token_version: Version::V2,
                scopes: owned(&["mcp.read", "mcp.call"]),
                app_roles: owned(&["Mcp.Read", "Mcp.Call", "Mcp.Admin"]),
                idtyp: true,
            }],
            clients: vec![
                public(
                    INTERACTIVE,
                    "Interactive client",
                    &[
                        "http://localhost",
                        "http://127.0.0.1",
                        "http://localhost/callback",
                        "http://127.0.0.1/callback",
                        "http://localhost/oauth/callback",
                        "http://127.0.0.1/oauth/callback",
                    ],
                ),
                public(
                    VS_CODE,
                    "Visual Studio Code",
                    &["http://127.0.0.1", "https://vscode.dev/redirect"],
                ),
                Client {
                    client_id: DAEMON.to_owned(),
                    name: "Daemon".to_owned(),
                    secret: Some(DAEMON_SECRET.to_owned()),
                    redirect_uris: Vec::new(),
                    scopes: Vec::new(),
                    app_roles: owned(&["api://prynai-mcp/Mcp.Read", "api://prynai-mcp/Mcp.Call"]),
                },
            ],
            users: vec![
                User {
                    app_roles: owned(&["api://prynai-mcp/Mcp.Admin"]),
                    ..User::named("alice")
                },
                User::named("bob"),
            ],
        }
    }
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
        for names in [tenants, apis.collect(), clients.collect(), users.collect()] {
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

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_and_the_documentation_name_what_is_registered() {
        let compose = include_str!("../../../compose/auth.yaml");
        let security = include_str!("../../../docs/security.md");
        for (text, names) in [
            (compose, &[TENANT, API][..]),
            (security, &[TENANT, API, DAEMON, DAEMON_SECRET, API_URI]),
        ] {
            for name in names {
                assert!(text.contains(name), "{name}");
            }
        }
    }
}
