//! Settings that say who may call, and whose word counts for it.

use std::net::SocketAddr;

use clap::{Args, ValueEnum};
use prynai_oauth_facade::Place;

use crate::auth::trust::{self, IssuerUrl, Roots, TenantId};

const ENTRA: &str = "https://login.microsoftonline.com";
const ENTRA_V1: &str = "https://sts.windows.net";

/// Whom a token is for that a federated credential of Entra ID takes; sovereign clouds too, unless set otherwise there.
const ENTRA_EXCHANGE: &str = "api://AzureADTokenExchange";

/// Who may call, and whose word counts for it.
#[derive(Debug, Clone, Default, Args)]
pub struct AuthSettings {
    /// What callers prove who they are with: nothing (none), an access token of Microsoft Entra ID
    /// (entra), or one of another OpenID Connect issuer (oidc).
    #[arg(
        long,
        env = "PRYNAI_AUTH",
        value_enum,
        default_value = "none",
        value_name = "KIND"
    )]
    pub auth: AuthKind,

    /// With --auth none: serve on an address that other machines reach, and let everybody in who
    /// does. For a server behind something that checks callers itself.
    #[arg(long, env = "PRYNAI_INSECURE_NO_AUTH")]
    pub insecure_no_auth: bool,

    /// URL of the MCP endpoint as clients write it, such as https://mcp.example.com/mcp: clients are
    /// told by it where to get a token [default: the scheme and Host of each request].
    #[arg(long, env = "PRYNAI_PUBLIC_URL", value_name = "URL", value_parser = trust::public_url)]
    pub public_url: Option<String>,

    /// Directory (tenant) id whose users and applications may call; for entra. Repeat it or separate
    /// by commas.
    #[arg(
        long,
        env = "PRYNAI_AUTH_TENANT",
        value_delimiter = ',',
        value_name = "GUID"
    )]
    pub auth_tenant: Vec<TenantId>,

    /// URL of the issuer as its tokens write it (iss), such as https://id.example.com/realms/staff;
    /// for oidc. Where its keys are is read from its metadata.
    #[arg(long, env = "PRYNAI_AUTH_ISSUER", value_name = "URL")]
    pub auth_issuer: Option<IssuerUrl>,

    /// Whom tokens must be meant for (aud): at Entra ID the client id of your API's registration for
    /// v2 tokens, its App ID URI for v1 tokens. Repeat it or separate by commas.
    #[arg(long, env = "PRYNAI_AUTH_AUDIENCE", value_delimiter = ',', value_name = "TEXT", value_parser = trust::visible)]
    pub auth_audience: Vec<String>,

    /// Scope of which a token must have one, by its short name, such as mcp.call. Repeat it or
    /// separate by commas.
    #[arg(long, env = "PRYNAI_AUTH_SCOPE", value_delimiter = ',', value_name = "NAME", value_parser = trust::visible)]
    pub auth_scope: Vec<String>,

    /// App role of which a token must have one, unless one of the scopes lets it in: applications by
    /// themselves have roles, not scopes. Repeat it or separate by commas.
    #[arg(long, env = "PRYNAI_AUTH_ROLE", value_delimiter = ',', value_name = "NAME", value_parser = trust::visible)]
    pub auth_role: Vec<String>,

    /// Whether people, applications by themselves, or both may call. With oidc an application by itself
    /// is one whose token has idtyp app, or its own client id as the subject; many issuers write
    /// neither, and theirs count as people [default: any].
    #[arg(long, env = "PRYNAI_AUTH_CALLERS", value_enum, value_name = "KIND")]
    pub auth_callers: Option<CallersAllowed>,

    /// Client id of an application that may call, for people or by itself (azp, appid or client_id).
    /// Repeat it or separate by commas [default: every application that gets a token].
    #[arg(long, env = "PRYNAI_AUTH_CLIENT", value_delimiter = ',', value_name = "ID", value_parser = trust::visible)]
    pub auth_client: Vec<String>,

    /// Version of tokens to accept, v1 or v2; for entra. The manifest of your API's registration
    /// says which ones it gets (api.requestedAccessTokenVersion; null means v1). Repeat it or separate
    /// by commas [default: v2].
    #[arg(
        long,
        env = "PRYNAI_AUTH_TOKEN_VERSION",
        value_enum,
        value_delimiter = ',',
        value_name = "VERSION"
    )]
    pub auth_token_version: Vec<TokenVersion>,

    /// What stands before a scope's short name when clients ask for it; --auth-scope-prefix "" for nothing (an empty
    /// variable counts as none) [default: for entra the first audience that is a URI, else api:// and the first
    /// audience; for oidc nothing].
    #[arg(long, env = "PRYNAI_AUTH_SCOPE_PREFIX", value_name = "TEXT")]
    pub auth_scope_prefix: Option<String>,

    /// Where Entra ID is; for entra. Sovereign clouds have addresses of their own
    /// [default: https://login.microsoftonline.com].
    #[arg(long, env = "PRYNAI_AUTH_AUTHORITY", value_name = "URL")]
    pub auth_authority: Option<IssuerUrl>,

    /// What the issuer of v1 tokens begins with; for entra [default: https://sts.windows.net].
    #[arg(long, env = "PRYNAI_AUTH_AUTHORITY_V1", value_name = "URL")]
    pub auth_authority_v1: Option<IssuerUrl>,

    /// File of the certificate authorities, in PEM, that the issuer's own certificate is checked with
    /// [default: the public ones].
    #[arg(long, env = "PRYNAI_AUTH_CA", value_name = "FILE")]
    pub auth_ca: Option<Roots>,
}

/// What callers prove who they are with.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum AuthKind {
    /// Nothing.
    #[default]
    None,
    /// Tokens of Microsoft Entra ID.
    Entra,
    /// Tokens of one OpenID Connect issuer.
    Oidc,
}

/// Which kinds of callers may call.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum CallersAllowed {
    /// Both.
    #[default]
    Any,
    /// People, through an application.
    Users,
    /// Applications by themselves.
    Apps,
}

/// Which form of Entra ID's access tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, ValueEnum)]
pub enum TokenVersion {
    /// `ver` is `1.0`.
    V1,
    /// `ver` is `2.0`.
    V2,
}

impl AuthSettings {
    /// Checks what one setting alone does not show, for a gateway that will listen on `listen`.
    ///
    /// # Errors
    ///
    /// What cannot work, in words.
    pub fn check(&self, listen: SocketAddr) -> Result<(), String> {
        self.refuse_strays()?;
        match self.auth {
            AuthKind::None => self.check_open(listen),
            AuthKind::Entra => self.check_entra(),
            AuthKind::Oidc => self.check_oidc(),
        }
    }

    /// Settings that change nothing under the chosen kind are a misunderstanding, and one of those that
    /// leave a door open.
    fn refuse_strays(&self) -> Result<(), String> {
        use AuthKind::{Entra, None, Oidc};
        let strays: [(&str, bool, &[AuthKind]); 14] = [
            ("--insecure-no-auth", self.insecure_no_auth, &[None]),
            ("--public-url", self.public_url.is_some(), &[Entra, Oidc]),
            ("--auth-tenant", !self.auth_tenant.is_empty(), &[Entra]),
            ("--auth-issuer", self.auth_issuer.is_some(), &[Oidc]),
            (
                "--auth-audience",
                !self.auth_audience.is_empty(),
                &[Entra, Oidc],
            ),
            ("--auth-scope", !self.auth_scope.is_empty(), &[Entra, Oidc]),
            ("--auth-role", !self.auth_role.is_empty(), &[Entra, Oidc]),
            (
                "--auth-callers",
                self.auth_callers.is_some(),
                &[Entra, Oidc],
            ),
            (
                "--auth-client",
                !self.auth_client.is_empty(),
                &[Entra, Oidc],
            ),
            (
                "--auth-token-version",
                !self.auth_token_version.is_empty(),
                &[Entra],
            ),
            (
                "--auth-scope-prefix",
                self.auth_scope_prefix.is_some(),
                &[Entra, Oidc],
            ),
            ("--auth-authority", self.auth_authority.is_some(), &[Entra]),
            (
                "--auth-authority-v1",
                self.auth_authority_v1.is_some(),
                &[Entra],
            ),
            ("--auth-ca", self.auth_ca.is_some(), &[Entra, Oidc]),
        ];
        for (flag, set, kinds) in strays {
            if set && !kinds.contains(&self.auth) {
                let kinds: Vec<String> = kinds.iter().map(AuthKind::flag).collect();
                let (kinds, chosen) = (kinds.join(" or "), self.auth.flag());
                return Err(format!("{flag} goes with {kinds}, not with {chosen}"));
            }
        }
        Ok(())
    }

    fn check_open(&self, listen: SocketAddr) -> Result<(), String> {
        if listen.ip().to_canonical().is_loopback() || self.insecure_no_auth {
            return Ok(());
        }
        Err(format!(
            "other machines can reach {listen}, and --auth none lets everybody in who does: choose \
             --auth entra or --auth oidc, listen on 127.0.0.1, or say with --insecure-no-auth that you \
             mean it"
        ))
    }

    fn check_entra(&self) -> Result<(), String> {
        if self.auth_tenant.is_empty() {
            return Err("--auth entra needs --auth-tenant, the id of your directory".to_owned());
        }
        // Entra ID gives every application of the tenant a token for every API that does not ask for an
        // assignment; such a token has no scope and no role.
        if self.auth_scope.is_empty() && self.auth_role.is_empty() {
            return Err(
                "--auth entra needs --auth-scope or --auth-role: a token for your API alone proves no \
                 permission"
                    .to_owned(),
            );
        }
        self.check_common()
    }

    fn check_oidc(&self) -> Result<(), String> {
        if self.auth_issuer.is_none() {
            return Err("--auth oidc needs --auth-issuer, the URL of the issuer".to_owned());
        }
        self.check_common()
    }

    fn check_common(&self) -> Result<(), String> {
        if self.auth_audience.is_empty() {
            return Err(format!(
                "{} needs --auth-audience: without it tokens for any other server would be accepted",
                self.auth.flag()
            ));
        }
        let needs = |what: &str, other: &str| {
            Err(format!(
                "--auth-callers {what} lets nobody in with --auth-{other} alone"
            ))
        };
        let (scopes, roles) = (!self.auth_scope.is_empty(), !self.auth_role.is_empty());
        match (self.auth_callers, self.auth) {
            (Some(CallersAllowed::Users), _) if roles && !scopes => needs("users", "role"),
            (Some(CallersAllowed::Apps), AuthKind::Entra) if !roles => needs("apps", "scope"),
            _ => Ok(()),
        }
    }

    /// Where Entra ID is, without a slash at the end.
    pub(crate) fn authority(&self) -> &str {
        let given = self.auth_authority.as_ref();
        given.map_or(ENTRA, IssuerUrl::without_slash)
    }

    /// What the issuer of v1 tokens begins with, without a slash at the end.
    pub(crate) fn authority_v1(&self) -> &str {
        let given = self.auth_authority_v1.as_ref();
        given.map_or(ENTRA_V1, IssuerUrl::without_slash)
    }

    /// Whether Entra ID's tokens of this version are accepted.
    pub(crate) fn accepts(&self, version: TokenVersion) -> bool {
        match self.auth_token_version.as_slice() {
            [] => version == TokenVersion::V2,
            versions => versions.contains(&version),
        }
    }

    /// Where a façade stands in front of the issuer.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub(crate) fn facade_place(&self) -> Result<Place, String> {
        let upstream = match (self.auth, self.auth_tenant.as_slice(), &self.auth_issuer) {
            (AuthKind::Entra, [tenant], _) => {
                format!("{}/{}/v2.0", self.authority(), tenant.as_str())
            }
            (AuthKind::Oidc, _, Some(issuer)) => issuer.as_str().to_owned(),
            (AuthKind::Entra, ..) => {
                return Err("--oauth-facade signs people in at one --auth-tenant".to_owned());
            }
            _ => return Err("--oauth-facade goes with --auth entra or --auth oidc".to_owned()),
        };
        let public_url = self.public_url.clone().ok_or(
            "--oauth-facade needs --public-url: people come back from the issuer to that server",
        )?;
        trust::secured(&public_url).map_err(|why| format!("--public-url: {why}"))?;
        // An issuer whose tokens are for the URL of this server knows it as a resource.
        let knows_url = self.auth == AuthKind::Oidc && self.auth_audience.contains(&public_url);
        Ok(Place {
            upstream_resource: knows_url.then(|| public_url.clone()),
            is_strict: self.auth == AuthKind::Oidc,
            public_url,
            roots: self.auth_ca.as_ref().map(|Roots(roots)| roots.clone()),
            scope_prefix: self.scope_prefix(),
            exchange_audience: match self.auth {
                AuthKind::Entra => ENTRA_EXCHANGE.to_owned(),
                _ => upstream.clone(),
            },
            upstream,
            scopes: self.scopes_to_ask_for(),
        })
    }

    /// Whom tokens for other APIs are asked of.
    ///
    /// # Errors
    ///
    /// Why nobody can be.
    pub(crate) fn on_behalf_issuer(&self) -> Result<String, String> {
        match (self.auth, self.auth_tenant.as_slice()) {
            (AuthKind::Entra, [tenant]) => {
                Ok(format!("{}/{}/v2.0", self.authority(), tenant.as_str()))
            }
            _ => Err(
                "--downstream-client-id goes with --auth entra and one --auth-tenant".to_owned(),
            ),
        }
    }

    /// The short names of the scopes that clients ask for.
    pub(crate) fn scopes_to_ask_for(&self) -> Vec<String> {
        match (self.auth_scope.as_slice(), self.auth) {
            // Without a scope Entra ID does not know for which API a token shall be.
            ([], AuthKind::Entra) => vec![".default".to_owned()],
            (scopes, _) => scopes.to_vec(),
        }
    }

    /// What stands before a scope when clients ask for it.
    pub(crate) fn scope_prefix(&self) -> String {
        if let Some(prefix) = &self.auth_scope_prefix {
            return prefix.clone();
        }
        let audiences = &self.auth_audience;
        let uri = audiences.iter().find(|audience| audience.contains("://"));
        match (self.auth, uri, audiences.first()) {
            (AuthKind::Entra, Some(uri), _) => format!("{}/", uri.trim_end_matches('/')),
            (AuthKind::Entra, None, Some(id)) => format!("api://{id}/"),
            _ => String::new(),
        }
    }
}

impl AuthKind {
    fn flag(&self) -> String {
        let name = match self {
            Self::None => "none",
            Self::Entra => "entra",
            Self::Oidc => "oidc",
        };
        format!("--auth {name}")
    }
}

#[cfg(test)]
mod tests;
