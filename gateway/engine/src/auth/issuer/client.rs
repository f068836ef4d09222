//! What is read from an issuer, over connections that nobody can change on the way.

use std::time::Duration;

use axum::http::{Request, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::ClientConfig;
use rustls::crypto::ring;
use serde::Deserialize;

use crate::auth::issuer::jwks::{Jwks, KeySet};
use crate::auth::trust::{IssuerUrl, Roots, secured, split};

/// Longest answer, in bytes; Entra ID's keys are about 20 KB.
const MAX_BYTES: usize = 256 * 1024;

/// Time for one answer, from connecting to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Asks issuers. Cheap to clone.
#[derive(Clone)]
pub(crate) struct IssuerClient(Client<HttpsConnector<HttpConnector>, Empty<Bytes>>);

/// Why an issuer did not tell.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AskError {
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    #[error("{0} did not answer in full within {timeout} s", timeout = TIMEOUT.as_secs())]
    Late(String),
    #[error("{0} answered {1}, not 200; redirects are not followed")]
    Status(String, StatusCode),
    #[error("the answer from {0} cannot be used: {1}")]
    Unusable(String, String),
}

/// What is needed of an issuer's metadata (OpenID Connect Discovery 1.0, section 3; RFC 8414, section 2).
#[derive(Deserialize)]
struct IssuerMetadata {
    issuer: String,
    jwks_uri: String,
}

impl IssuerClient {
    /// Trusts `roots`, or else the public authorities.
    pub(crate) fn new(roots: Option<&Roots>) -> Self {
        // An error means that the process has a default already.
        let _ = ring::default_provider().install_default();
        let builder = HttpsConnectorBuilder::new();
        let builder = match roots {
            None => builder.with_webpki_roots(),
            Some(Roots(roots)) => builder.with_tls_config(
                ClientConfig::builder()
                    .with_root_certificates(roots.clone())
                    .with_no_client_auth(),
            ),
        };
        // Which http is meant, the settings have decided.
        let connector = builder.https_or_http().enable_http1().build();
        let client = Client::builder(TokioExecutor::new())
            // Asked once an hour: a connection would be dead by then.
            .pool_max_idle_per_host(0)
            .build(connector);
        Self(client)
    }

    /// The keys at `url`, of those that name an issuer only what `may_sign` lets through.
    pub(crate) async fn keys(
        &self,
        url: &str,
        may_sign: impl Fn(&str) -> bool,
    ) -> Result<KeySet, AskError> {
        let body = self.body(url).await?;
        let unusable = |reason| AskError::Unusable(url.to_owned(), reason);
        let jwks: Jwks<'_> =
            serde_json::from_slice(&body).map_err(|error| unusable(error.to_string()))?;
        jwks.usable(may_sign).map_err(unusable)
    }

    /// The keys of an issuer that says in its metadata where they are.
    pub(crate) async fn discovered_keys(&self, issuer: &IssuerUrl) -> Result<KeySet, AskError> {
        let [oidc, oauth] = metadata_urls(issuer);
        let keys_url = match self.keys_url(&oidc, issuer).await {
            Ok(url) => url,
            // Not every issuer of tokens is one of OpenID Connect; the first failure is the one to tell.
            Err(error) => self.keys_url(&oauth, issuer).await.map_err(|_| error)?,
        };
        self.keys(&keys_url, |_| true).await
    }

    async fn keys_url(&self, url: &str, issuer: &IssuerUrl) -> Result<String, AskError> {
        let body = self.body(url).await?;
        let unusable = |reason| AskError::Unusable(url.to_owned(), reason);
        let metadata: IssuerMetadata =
            serde_json::from_slice(&body).map_err(|error| unusable(error.to_string()))?;
        // Byte for byte: OpenID Connect Discovery 1.0, section 4.3.
        if metadata.issuer != issuer.as_str() {
            let reason = format!("it says that its issuer is {:?}", metadata.issuer);
            return Err(unusable(reason));
        }
        match secured(&metadata.jwks_uri) {
            Ok(_) => Ok(metadata.jwks_uri),
            Err(reason) => Err(unusable(format!("its jwks_uri: {reason}"))),
        }
    }

    async fn body(&self, url: &str) -> Result<Bytes, AskError> {
        let answered = tokio::time::timeout(TIMEOUT, self.answer(url)).await;
        answered.unwrap_or_else(|_| Err(AskError::Late(url.to_owned())))
    }

    async fn answer(&self, url: &str) -> Result<Bytes, AskError> {
        let unreachable = |reason| AskError::Unreachable(url.to_owned(), reason);
        let request = Request::get(url)
            .header(header::ACCEPT, "application/json")
            .body(Empty::new())
            .map_err(|error| unreachable(error.to_string()))?;
        let response = self
            .0
            .request(request)
            .await
            .map_err(|error| unreachable(with_causes(&error)))?;
        if response.status() != StatusCode::OK {
            return Err(AskError::Status(url.to_owned(), response.status()));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        body.map(|body| body.to_bytes())
            .map_err(|error| AskError::Unusable(url.to_owned(), error.to_string()))
    }
}

/// Where the metadata may be: OpenID Connect Discovery 1.0, section 4, and RFC 8414, section 3.1.
fn metadata_urls(issuer: &IssuerUrl) -> [String; 2] {
    let base = issuer.without_slash();
    let (origin, path) = split(base);
    [
        format!("{base}/.well-known/openid-configuration"),
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
    ]
}

/// An error's own text says little; what it comes from, for instance that a certificate is not trusted, more.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn metadata_are_looked_for_where_both_standards_put_them() {
        for (issuer, expected) in [
            (
                "https://id.example.com",
                [
                    "https://id.example.com/.well-known/openid-configuration",
                    "https://id.example.com/.well-known/oauth-authorization-server",
                ],
            ),
            (
                "https://id.example.com/realms/a/",
                [
                    "https://id.example.com/realms/a/.well-known/openid-configuration",
                    "https://id.example.com/.well-known/oauth-authorization-server/realms/a",
                ],
            ),
        ] {
            assert_eq!(metadata_urls(&issuer.parse().unwrap()), expected);
        }
    }
}
