//! Requests to the issuer, over connections that nobody can change on the way.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::{Request, StatusCode};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use rustls::{ClientConfig, RootCertStore};
use url::{Host, Url};

/// Longest answer, in bytes; tokens of Entra ID with many groups have some ten KB.
const MAX_BYTES: usize = 256 * 1024;

/// Time for one answer, from connecting to its last byte.
const TIMEOUT: Duration = Duration::from_secs(10);

/// Asks the issuer. Redirects are not followed.
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

impl Http {
    /// Trusts `roots`, or else the public authorities.
    pub(crate) fn new(roots: Option<Arc<RootCertStore>>) -> Self {
        // An error means that the process has a default already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let builder = HttpsConnectorBuilder::new();
        let builder = match roots {
            None => builder.with_webpki_roots(),
            Some(roots) => builder.with_tls_config(
                ClientConfig::builder()
                    .with_root_certificates(roots)
                    .with_no_client_auth(),
            ),
        };
        // Which http is meant, the settings have decided.
        let connector = builder.https_or_http().enable_http1().build();
        Self(Client::builder(TokioExecutor::new()).build(connector))
    }

    pub(crate) async fn get(&self, url: &str) -> Result<(StatusCode, Bytes), String> {
        let request = Request::get(url).header(ACCEPT, "application/json");
        let request = request.body(Full::default());
        self.ask(url, request).await
    }

    pub(crate) async fn post(
        &self,
        url: &str,
        form: String,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = Request::post(url)
            .header(ACCEPT, "application/json")
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::from(form));
        self.ask(url, request).await
    }

    async fn ask(
        &self,
        url: &str,
        request: Result<Request<Full<Bytes>>, hyper::http::Error>,
    ) -> Result<(StatusCode, Bytes), String> {
        let request = request.map_err(|error| format!("{url}: {error}"))?;
        let answer = async {
            let response = self.0.request(request).await;
            let response = response.map_err(|error| with_causes(&error))?;
            let status = response.status();
            let body = Limited::new(response.into_body(), MAX_BYTES).collect();
            let body = body.await.map_err(|error| error.to_string())?;
            Ok::<_, String>((status, body.to_bytes()))
        };
        match tokio::time::timeout(TIMEOUT, answer).await {
            Ok(answer) => answer.map_err(|reason| format!("{url}: {reason}")),
            Err(_) => Err(format!(
                "{url} did not answer within {} s",
                TIMEOUT.as_secs()
            )),
        }
    }
}

/// Whether nobody between can read what is sent there: over https, or on this machine.
pub(crate) fn is_secured(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_near = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || (url.scheme() == "http" && is_near)
}

/// An error's own text says little; what it comes from says more.
fn with_causes(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    let causes: Vec<String> = causes.map(ToString::to_string).collect();
    causes.join(": ")
}
