//! What is registered when no configuration says otherwise.

use super::{
    Api, Client, Directory, FederatedCredential, ManagedIdentity, User, Version, default_tenants,
    exchange_audience,
};

/// The tenant when none is named.
pub const TENANT: &str = "5f1c0a4e-7d0b-4c39-9a57-3b1f6d2e8c01";

/// The client id of the built-in API.
pub const API: &str = "8a2d6f30-41c7-4be1-b0a4-92f5c7e6d002";

/// The App ID URI of the built-in API.
pub const API_URI: &str = "api://prynai-mcp";

/// The secret of the API as a client: [`API`] is the registration of an OAuth façade too, and of the calls that it
/// makes on behalf of its callers. Worth nothing elsewhere.
pub const API_SECRET: &str = "api-secret-for-development";

/// The client id of the built-in API that [`API`] calls on behalf of its callers.
pub const DOWNSTREAM: &str = "d03a7f5c-28be-4916-8c7b-6e1f4a5d9009";

/// The App ID URI of [`DOWNSTREAM`].
pub const DOWNSTREAM_URI: &str = "api://prynai-downstream";

/// The client id of the built-in managed identity, whose token [`API`] may show in place of its secret.
pub const GATEWAY_IDENTITY: &str = "1b6c2e84-93d0-4f7a-8e25-7c0d4a9b6006";

/// The principal id of [`GATEWAY_IDENTITY`].
const GATEWAY_PRINCIPAL: &str = "62f8d1a7-5e3b-4c96-b140-d9e7f2a3c007";

/// The built-in client that people sign in with: public, code and PKCE, any port of the loopback address.
pub const INTERACTIVE: &str = "c3b75f19-6a8e-4d02-8f43-1e9d0b7a5003";

/// The built-in client that runs without a user.
pub const DAEMON: &str = "e47f9b62-0d35-4a9c-a1c8-5d6b3f8e2004";

/// The secret of [`DAEMON`]. Worth nothing elsewhere.
pub const DAEMON_SECRET: &str = "daemon-secret-for-development";

/// The client id of Visual Studio Code, which has one at Entra for every tenant.
pub const VS_CODE: &str = "aebc6443-996d-45c2-90f0-388ff96faa56";

impl Default for Directory {
    /// A development set-up: one tenant, the APIs with v2 tokens and the clients named above, a managed identity, and
    /// the users alice (who is an administrator) and bob.
    fn default() -> Self {
        let all = owned(&["api://prynai-mcp/mcp.read", "api://prynai-mcp/mcp.call"]);
        let public = |client_id: &str, name: &str, redirect_uris: &[&str]| Client {
            client_id: client_id.to_owned(),
            name: name.to_owned(),
            redirect_uris: owned(redirect_uris),
            scopes: all.clone(),
            ..Client::default()
        };
        Self {
            tenants: default_tenants(),
            apis: vec![
                Api {
                    client_id: API.to_owned(),
                    identifier_uris: owned(&[API_URI]),
                    requested_access_token_version: Version::V2,
                    scopes: owned(&["mcp.read", "mcp.call"]),
                    app_roles: owned(&["Mcp.Read", "Mcp.Call", "Mcp.Admin"]),
                    idtyp: true,
                    conditional_access: false,
                },
                Api {
                    client_id: DOWNSTREAM.to_owned(),
                    identifier_uris: owned(&[DOWNSTREAM_URI]),
                    requested_access_token_version: Version::V2,
                    scopes: owned(&["records.read", "records.write"]),
                    app_roles: owned(&["Records.Read"]),
                    idtyp: true,
                    conditional_access: false,
                },
            ],
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
                    app_roles: owned(&["api://prynai-mcp/Mcp.Read", "api://prynai-mcp/Mcp.Call"]),
                    ..Client::default()
                },
                Client {
                    client_id: API.to_owned(),
                    name: "PrynAI MCP".to_owned(),
                    secret: Some(API_SECRET.to_owned()),
                    federated_credentials: vec![FederatedCredential {
                        issuer: None,
                        subject: GATEWAY_PRINCIPAL.to_owned(),
                        audience: exchange_audience(),
                    }],
                    web_redirect_uris: owned(&[
                        "http://127.0.0.1/oauth/callback",
                        "http://localhost/oauth/callback",
                    ]),
                    scopes: [all, owned(&["api://prynai-downstream/records.read"])].concat(),
                    app_roles: owned(&["api://prynai-downstream/Records.Read"]),
                    ..Client::default()
                },
            ],
            users: vec![
                User {
                    app_roles: owned(&["api://prynai-mcp/Mcp.Admin"]),
                    ..User::named("alice")
                },
                User::named("bob"),
            ],
            managed_identities: vec![ManagedIdentity {
                client_id: GATEWAY_IDENTITY.to_owned(),
                principal_id: GATEWAY_PRINCIPAL.to_owned(),
                app_roles: Vec::new(),
            }],
            authorization_servers: Vec::new(),
        }
    }
}

fn owned(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compose_and_the_documentation_name_what_is_registered() {
        let compose = include_str!("../../../../compose/auth.yaml");
        let facade = include_str!("../../../../compose/facade.yaml");
        let security = include_str!("../../../../docs/security.md");
        for (text, names) in [
            (compose, &[TENANT, API][..]),
            (facade, &[API, API_SECRET]),
            (security, &[TENANT, API, DAEMON, DAEMON_SECRET, API_URI]),
        ] {
            for name in names {
                assert!(text.contains(name), "{name}");
            }
        }
    }
}
