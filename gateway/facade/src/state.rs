//! What every handler may use.

use std::ops::Deref;
use std::sync::Arc;

use prynai_bus::{OnceStore, RateLimiter};
use prynai_identity::Asker;
use rustls::RootCertStore;

use crate::clients::directory::Clients;
use crate::clients::service::ServiceKeys;
use crate::enterprise::Assertions;
use crate::enterprise::client::EnterpriseClient;
use crate::rates::Rates;
use crate::scopes::Scopes;
use crate::sealed::Sealer;
use crate::settings::FacadeSettings;
use crate::sign_in::cookies::Cookies;
use crate::signing::{PublicKey, SigningKey};
use crate::upstream::Upstream;
use crate::upstream::credential::Credential;
use crate::upstream::http::Http;

/// Where the façade's endpoints are, below the origin and what a proxy puts before the endpoint of MCP.
pub(crate) const PREFIX: &str = "/oauth";

/// The server that the façade belongs to.
#[derive(Debug, Clone)]
pub struct Place {
    /// URL of the MCP endpoint as clients write it; no slash at the end.
    pub public_url: String,

    /// The issuer behind the façade, as its tokens write it.
    pub upstream: String,

    /// The authorities of the issuer's certificate; else the public ones.
    pub roots: Option<Arc<RootCertStore>>,

    /// What stands before the short name of a scope at the issuer.
    pub scope_prefix: String,

    /// What the issuer is asked for tokens for (RFC 8707); Entra ID wants to hear nothing of it.
    pub upstream_resource: Option<String>,

    /// Whether the issuer keeps to the standards where Entra ID is lenient: it gives refresh tokens only if it is told
    /// to ask the person (OpenID Connect Core 1.0, section 11), and takes no scope at a refresh that it has not given
    /// (RFC 6749, section 6).
    pub is_strict: bool,

    /// Whom an assertion is for by which the issuer takes another's word for a client (`aud`).
    pub exchange_audience: String,

    /// The short names of the scopes that clients ask for.
    pub scopes: Vec<String>,
}

/// The authorization server that clients see. Cheap to clone.
#[derive(Clone)]
pub struct Facade(Arc<Inner>);

/// What all clones share.
pub struct Inner {
    /// The issuer that clients see.
    pub(crate) issuer: String,
    /// What tokens are for.
    pub(crate) resource: String,
    pub(crate) sealer: Sealer,
    pub(crate) scopes: Scopes,
    pub(crate) clients: Clients,
    pub(crate) upstream: Upstream,
    /// As [`Place::is_strict`].
    pub(crate) is_strict: bool,
    pub(crate) rates: Rates,
    pub(crate) once: Arc<dyn OnceStore>,
    pub(crate) cookies: Cookies,
    /// Who reads assertions; `None` where none are taken.
    pub(crate) assertions: Option<Arc<dyn Assertions>>,
    pub(crate) enterprise_clients: Vec<EnterpriseClient>,
    pub(crate) services: Vec<ServiceKeys>,
    /// For whom the issuer takes the façade's word for them.
    pub(crate) exchange_audience: String,
    /// The first one signs.
    pub(crate) signing_keys: Vec<SigningKey>,
}

impl Deref for Facade {
    type Target = Inner;

    fn deref(&self) -> &Inner {
        &self.0
    }
}

impl Facade {
    /// The façade of a server. Whoever reads assertions is there if the settings name issuers of them.
    ///
    /// # Errors
    ///
    /// What the settings lack.
    pub fn new(
        settings: &FacadeSettings,
        place: Place,
        once: Arc<dyn OnceStore>,
        limiter: Arc<dyn RateLimiter>,
        assertions: Option<Arc<dyn Assertions>>,
    ) -> Result<Self, String> {
        settings.check()?;
        let issuer = issuer_of(&place.public_url);
        let lacking = || "the façade is not set up".to_owned();
        let client_id = settings.facade_client_id.clone().ok_or_else(lacking)?;
        let credential = match (&settings.facade_client_secret, &settings.facade_certificate) {
            (Some(secret), _) => Credential::Secret(secret.clone()),
            (None, Some(certificate)) => Credential::Certificate(certificate.clone()),
            (None, None) => Credential::Identity(Box::new(Asker::new(settings.identity()?))),
        };
        let http = Http::new(place.roots);
        Ok(Self(Arc::new(Inner {
            sealer: Sealer::new(&settings.facade_key, &issuer).ok_or_else(lacking)?,
            scopes: Scopes::new(place.scope_prefix, place.scopes),
            clients: Clients::new(&settings.facade_client, &settings.facade_redirect),
            upstream: Upstream::new(
                place.upstream,
                client_id,
                place.upstream_resource,
                credential,
                http,
            ),
            is_strict: place.is_strict,
            rates: Rates::new(limiter),
            cookies: Cookies::new(issuer.starts_with("https:")),
            once,
            assertions,
            enterprise_clients: settings.enterprise_clients()?,
            services: settings.facade_service.clone(),
            exchange_audience: place.exchange_audience,
            signing_keys: settings.facade_signing_key.clone(),
            resource: place.public_url,
            issuer,
        })))
    }

    /// The same, fetching documents of clients in another way.
    #[cfg(test)]
    pub(crate) fn fetching_with(
        mut self,
        fetcher: crate::clients::document::fetch::Fetcher,
    ) -> Self {
        let inner = Arc::get_mut(&mut self.0).expect("is not shared yet");
        inner.clients.fetch_with(fetcher);
        self
    }

    /// The issuer that clients see.
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// What its own access tokens are for (`aud`).
    pub fn resource(&self) -> &str {
        &self.resource
    }

    /// What its own access tokens are checked with.
    pub fn public_keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.signing_keys.iter().map(SigningKey::public)
    }

    /// Where people come back from the issuer; what is registered there.
    pub(crate) fn callback(&self) -> String {
        format!("{}/callback", self.issuer)
    }

    /// Scheme and authority of the server.
    pub(crate) fn origin(&self) -> &str {
        split(&self.issuer).0
    }

    /// The path of the issuer, as clients write it.
    pub(crate) fn path(&self) -> &str {
        split(&self.issuer).1
    }
}

/// The issuer that clients of the MCP endpoint at `public_url` see: beside the endpoint, so that what a proxy puts
/// before the one is before the other as well.
pub fn issuer_of(public_url: &str) -> String {
    let (origin, path) = split(public_url);
    let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
    format!("{origin}{folder}{PREFIX}")
}

/// Scheme and authority, and the path.
fn split(url: &str) -> (&str, &str) {
    let authority = url.find("://").map_or(0, |scheme| scheme + 3);
    let slash = url[authority..].find('/');
    url.split_at(slash.map_or(url.len(), |slash| authority + slash))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_issuer_is_beside_the_endpoint() {
        for (url, issuer) in [
            ("https://a.example/mcp", "https://a.example/oauth"),
            ("https://a.example/team/mcp", "https://a.example/team/oauth"),
            ("http://127.0.0.1:8000/mcp", "http://127.0.0.1:8000/oauth"),
            ("https://a.example", "https://a.example/oauth"),
        ] {
            assert_eq!(issuer_of(url), issuer);
        }
    }
}
