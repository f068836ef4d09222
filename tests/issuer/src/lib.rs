//! A local authorization server, shaped like Microsoft Entra ID: for tests, and for development without a tenant.
//!
//! ```no_run
//! # async fn example() {
//! use prynai_dev_issuer::{Endpoint, Issuer, SignWith};
//!
//! let issuer = Issuer::start().await;
//! let good = issuer.token().user("alice").scopes(&["mcp.call"]).jwt();
//! let expired = issuer.token().expires_in(-61).jwt();
//! let forged = issuer.token().sign_with(SignWith::Foreign).jwt();
//! // … give them to a gateway that trusts issuer.issuer_url(), then:
//! assert_eq!(issuer.requests(Endpoint::Keys), 1);
//! # }
//! ```
//!
//! 1. `directory`: tenants, APIs, clients and users; `authority`: who the issuer is, with its directory and its keys
//! 2. `tokens`: what Entra puts into a token; tokens to order, right ones and, by a twist, wrong ones; keys
//! 3. `server`: routes and connections, TLS, endpoints that misbehave, and orders to a running issuer
//! 4. `endpoints`: discovery, the sign-in and its page, the exchange that gives tokens, a managed identity's, refusals
//! 5. `process`: the same for scripts, as the binary `prynai-dev-issuer`
//!
//! It is as strict as Entra unless an option says otherwise. Strictness is no mode of its own, since a test that forgot
//! to ask for it would prove nothing; each leniency is one option, so that a test names the one that it needs. What
//! Entra has not is not there: no registration (RFC 7591), and no metadata under RFC 8414's name without
//! [`Options::advertise_s256`].

mod authority;
mod clock;
mod directory;
mod endpoints;
mod process;
mod server;
mod tokens;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::AbortHandle;
use tokio_rustls::TlsAcceptor;

use authority::Authority;
pub use directory::{
    API, API_SECRET, API_URI, Api, AuthorizationServer, Client, DAEMON, DAEMON_SECRET, DOWNSTREAM,
    DOWNSTREAM_URI, Directory, FederatedCredential, GATEWAY_IDENTITY, INTERACTIVE, ManagedIdentity,
    TENANT, User, VS_CODE, Version,
};
pub use process::{IssuerSettings, run};
pub use server::fault::{Endpoint, Fault};
pub use tokens::certificate::ClientCertificate;
use tokens::keys::SigningKey;
pub use tokens::token::{TokenBuilder, TokenOrder};
pub use tokens::twist::{SignWith, Twist};

/// A running issuer. Its port closes when this is dropped.
pub struct Issuer {
    authority: Arc<Authority>,
    address: SocketAddr,
    ca_pem: Option<String>,
    serving: AbortHandle,
}

/// How an issuer is set up. The default: plain HTTP on a free port of 127.0.0.1, the default [`Directory`], as strict
/// and as silent about S256 as Entra.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where it listens; port 0 takes a free one.
    pub listen: SocketAddr,

    /// The URL that clients reach it by, if that is not the address it listens on; no slash at the end.
    pub base_url: Option<String>,

    /// What stands before `/{tenant}/` in the issuer of v1 tokens, if that is not the URL of the issuer. At Entra it is
    /// `https://sts.windows.net`.
    pub v1_issuer_base: Option<String>,

    /// Whether it speaks HTTPS, and with which certificate.
    pub tls: Tls,

    /// What is registered.
    pub directory: Directory,

    /// Tells clients that S256 is supported, and serves the metadata under RFC 8414's name too. Entra does neither, and
    /// many MCP clients need it.
    pub advertise_s256: bool,

    /// Refuses a `resource` that is not, byte by byte, an App ID URI of the API that the scopes are of (AADSTS9010010).
    pub strict_resource: bool,

    /// Puts into the tokens of a person all that the client has consent for at the API, and not only what was asked
    /// for. Entra does (github.com/AzureAD/microsoft-authentication-library-for-dotnet/issues/1713).
    pub adds_consented_scopes: bool,

    /// Says in its metadata and its answers at the authorization endpoint who it is (RFC 9207). Entra does not.
    pub names_itself: bool,

    /// Signs in whoever `login_hint` names, or else the first user, at once and without a page.
    pub auto_approve: bool,

    /// What a program shows to get the tokens of a managed identity: [`Issuer::identity_environment`].
    pub identity_header: String,

    /// For how long access tokens are good, in whole seconds. Default: 60 to 90 minutes by chance.
    pub token_lifetime: Option<Duration>,
}

/// What the issuer speaks.
#[derive(Debug, Clone, Default)]
pub enum Tls {
    /// HTTP.
    #[default]
    Off,
    /// HTTPS with a certificate for localhost, of an authority made for it: [`Issuer::ca_pem`].
    Made,
    /// HTTPS with a certificate chain and its key from PEM files.
    Files {
        /// The chain, leaf first.
        certificate: std::path::PathBuf,
        /// The private key.
        key: std::path::PathBuf,
    },
}

impl Default for Options {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            base_url: None,
            v1_issuer_base: None,
            tls: Tls::Off,
            directory: Directory::default(),
            advertise_s256: false,
            strict_resource: true,
            adds_consented_scopes: false,
            names_itself: false,
            auto_approve: false,
            identity_header: "identity-header-for-development".to_owned(),
            token_lifetime: None,
        }
    }
}

impl Issuer {
    /// Starts one with the default [`Options`].
    pub async fn start() -> Self {
        Self::start_with(Options::default()).await
    }

    /// Starts one. Panics when it cannot.
    pub async fn start_with(options: Options) -> Self {
        let started = Self::try_start(options).await;
        started.unwrap_or_else(|error| panic!("the issuer does not start: {error:#}"))
    }

    /// Starts one.
    ///
    /// # Errors
    ///
    /// When the address cannot be bound, the certificate cannot be used, or the directory lacks something.
    pub async fn try_start(options: Options) -> anyhow::Result<Self> {
        options.directory.check().map_err(anyhow::Error::msg)?;
        let (tls, ca_pem) = options.tls.acceptor()?;
        let listener = TcpListener::bind(options.listen)
            .await
            .with_context(|| format!("cannot listen on {}", options.listen))?;
        let address = listener.local_addr()?;
        let scheme = if tls.is_some() { "https" } else { "http" };
        let base = options
            .base_url
            .clone()
            .unwrap_or(format!("{scheme}://{address}"));
        let key = tokio::task::spawn_blocking(SigningKey::generate).await?;
        let authority = Arc::new(Authority::new(base, key, options));
        let routes = server::routes(authority.clone());
        let serving = tokio::spawn(server::serve(listener, tls, routes)).abort_handle();
        Ok(Self {
            authority,
            address,
            ca_pem,
            serving,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its URL, without a slash at the end. Stands for `https://login.microsoftonline.com`.
    pub fn base_url(&self) -> &str {
        &self.authority.base
    }

    /// The authority that signed its certificate, in PEM, with [`Tls::Made`].
    pub fn ca_pem(&self) -> Option<&str> {
        self.ca_pem.as_deref()
    }

    /// The id of its first tenant.
    pub fn tenant(&self) -> String {
        self.authority.directory().tenants[0].clone()
    }

    /// The `iss` of v2 tokens of the first tenant: `{base}/{tenant}/v2.0`.
    pub fn issuer_url(&self) -> String {
        self.issuer_of(&self.tenant(), Version::V2)
    }

    /// The `iss` of v1 tokens of the first tenant: `{base}/{tenant}/`.
    pub fn v1_issuer_url(&self) -> String {
        self.issuer_of(&self.tenant(), Version::V1)
    }

    /// The `iss` of a tenant's tokens.
    pub fn issuer_of(&self, tenant: &str, version: Version) -> String {
        self.authority.issuer(tenant, version)
    }

    /// Where the metadata for v2 tokens of the first tenant are.
    pub fn metadata_url(&self) -> String {
        format!("{}/.well-known/openid-configuration", self.issuer_url())
    }

    /// Where the keys of the first tenant are.
    pub fn keys_url(&self) -> String {
        format!("{}/{}/discovery/v2.0/keys", self.base_url(), self.tenant())
    }

    /// Where the API is that others ask on behalf of their callers.
    pub fn records_url(&self) -> String {
        format!("{}{}", self.base_url(), endpoints::downstream::PATH)
    }

    /// What Container Apps tell a program with a managed identity, by environment variables: where it gets its tokens,
    /// and what it shows there.
    pub fn identity_environment(&self) -> [(String, String); 2] {
        let endpoint = format!("{}{}", self.base_url(), endpoints::managed_identity::PATH);
        let header = self.authority.identity_header.clone();
        [
            ("IDENTITY_ENDPOINT".to_owned(), endpoint),
            ("IDENTITY_HEADER".to_owned(), header),
        ]
    }

    /// The attacker's JWK set, for a `jku` header: the foreign key under the current `kid`.
    pub fn foreign_keys_url(&self) -> String {
        format!("{}/foreign/keys", self.base_url())
    }

    /// The attacker's public key, for a `jwk` header.
    pub fn foreign_jwk(&self) -> Value {
        self.authority.foreign_key().jwk(None)
    }

    /// The keys as they are published now.
    pub fn jwks(&self) -> Value {
        let issuer = self.issuer_url();
        self.authority.keys().jwks(Some(&issuer))
    }

    /// The `kid` of the key that signs.
    pub fn current_kid(&self) -> String {
        self.authority.keys().current().kid
    }

    /// Orders a token: alice's, through the interactive client, with all scopes of the first API, as Entra would issue
    /// it now.
    pub fn token(&self) -> TokenBuilder<'_> {
        TokenBuilder::new(&self.authority)
    }

    /// Signs with a new key from now on; the old ones stay published. Gives the new `kid`.
    pub async fn rotate(&self) -> String {
        self.authority.rotate().await
    }

    /// Withdraws all keys but the one that signs.
    pub fn retire(&self) {
        self.authority.keys().retire();
    }

    /// Changes what is registered. Panics when something is missing then, or registered twice.
    pub fn change_directory(&self, change: impl FnOnce(&mut Directory)) {
        self.authority.change_directory(change);
    }

    /// How often an endpoint was asked, over all tenants.
    pub fn requests(&self, endpoint: Endpoint) -> u64 {
        self.authority.watch.asked(endpoint)
    }

    /// What clients have shown at the token endpoint and what they got there, by the names of parameters and fields:
    /// all of it is secret. The latest thousand.
    pub fn secrets(&self) -> Vec<(String, String)> {
        self.authority.secrets.all()
    }

    /// Lets an endpoint misbehave until [`Issuer::behave`].
    pub fn misbehave(&self, endpoint: Endpoint, fault: Fault) {
        self.authority.watch.plan(endpoint, fault, None);
    }

    /// Lets an endpoint misbehave for so many requests.
    pub fn misbehave_times(&self, endpoint: Endpoint, fault: Fault, times: u64) {
        self.authority.watch.plan(endpoint, fault, Some(times));
    }

    /// Issues tokens at the token endpoint that are wrong like this until [`Issuer::behave`].
    pub fn issue_wrong_tokens(&self, twist: Twist) {
        self.authority.set_twist(twist);
    }

    /// Ends all misbehaviour for new requests.
    pub fn behave(&self) {
        self.authority.behave();
    }
}

impl Drop for Issuer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl Tls {
    fn acceptor(&self) -> anyhow::Result<(Option<TlsAcceptor>, Option<String>)> {
        match self {
            Self::Off => Ok((None, None)),
            Self::Made => {
                let (acceptor, ca_pem) = server::tls::made()?;
                Ok((Some(acceptor), Some(ca_pem)))
            }
            Self::Files { certificate, key } => {
                Ok((Some(server::tls::read(certificate, key)?), None))
            }
        }
    }
}
