//! Fetches a document from the public Internet: over https, of a name all of whose addresses are public, and from just
//! those addresses, so that no name can lead elsewhere between the check and the connection. No redirect is followed,
//! and size, time and number have bounds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, LengthLimitError, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::public::is_public;
use super::turns::Turns;

/// Longest document, in bytes (section 6.6 of the draft asks for 5 KB).
const MAX_BYTES: usize = 8 * 1024;

/// Time for one, from looking up the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Addresses of a name that are tried.
const MOST_TRIED: usize = 2;

/// Where documents are.
const PORT: u16 = 443;

/// The addresses of a name.
type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Why there is no document.
#[derive(Debug)]
pub(super) enum Missing {
    /// Nobody was asked, because too many are asked now.
    Busy,
    /// Its server does not answer now; it may do so later.
    Away(String),
    /// There is none that can be used.
    Useless(String),
}

/// Fetches documents.
pub(crate) struct Fetcher {
    tls: TlsConnector,
    look_up: fn(String, u16) -> Addresses,
    may_ask: fn(IpAddr) -> bool,
    port: u16,
    turns: Turns,
}

impl Fetcher {
    /// One that asks the public Internet.
    pub(crate) fn public() -> Self {
        Self::new(None, is_public)
    }

    /// One that asks addresses that `may_ask` lets through, and trusts `roots` or else the public authorities.
    pub(crate) fn new(roots: Option<RootCertStore>, may_ask: fn(IpAddr) -> bool) -> Self {
        // An error means that the process has a default already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let public = || RootCertStore::from_iter(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        let mut config = ClientConfig::builder()
            .with_root_certificates(roots.unwrap_or_else(public))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self {
            tls: TlsConnector::from(Arc::new(config)),
            look_up,
            may_ask,
            port: PORT,
            turns: Turns::default(),
        }
    }

    /// The document at `url`.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(super) async fn fetch(&self, url: &Url) -> Result<Bytes, Missing> {
        let host = url.host_str().unwrap_or_default();
        let _turn = self.turns.take(host).ok_or(Missing::Busy)?;
        let fetched = tokio::time::timeout(TIMEOUT, self.ask(url)).await;
        fetched.unwrap_or_else(|_| Err(Missing::Away("it did not come in time".to_owned())))
    }

    async fn ask(&self, url: &Url) -> Result<Bytes, Missing> {
        let useless = |reason: &str| Missing::Useless(reason.to_owned());
        let name = url.domain().ok_or(useless("its URL has no name"))?;
        let server = ServerName::try_from(name.to_owned());
        let server = server.map_err(|error| Missing::Useless(error.to_string()))?;
        let request = Request::get(url.path())
            .header(HOST, name)
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!("prynai-mcp/", env!("CARGO_PKG_VERSION")),
            )
            .body(Empty::<Bytes>::new())
            .map_err(|error| Missing::Useless(error.to_string()))?;
        let stream = self.connect(name).await?;
        let stream = self.tls.connect(server, stream).await.map_err(away)?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(away)?;
        let _driving = AbortOnDropHandle::new(tokio::spawn(connection));
        let response = sender.send_request(request).await.map_err(away)?;
        let status = response.status();
        if status != StatusCode::OK {
            let said = format!("its server answered {status}; redirects are not followed");
            // These say that there may be one again.
            let is_passing = status.is_server_error()
                || status == StatusCode::TOO_MANY_REQUESTS
                || status == StatusCode::REQUEST_TIMEOUT;
            return Err(match is_passing {
                true => Missing::Away(said),
                false => Missing::Useless(said),
            });
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind != "application/json"
            && !(kind.starts_with("application/") && kind.ends_with("+json"))
        {
            return Err(useless("its server does not call it JSON"));
        }
        let body = Limited::new(response.into_body(), MAX_BYTES).collect();
        let body = body
            .await
            .map_err(|error| match error.is::<LengthLimitError>() {
                true => Missing::Useless(error.to_string()),
                false => away(error),
            })?;
        Ok(body.to_bytes())
    }

    /// A turn, as a fetch takes one.
    #[cfg(test)]
    pub(super) fn turn(&self, host: &str) -> Option<super::turns::Turn<'_>> {
        self.turns.take(host)
    }

    /// A connection to an address that the name has, if it has none that must not be asked.
    async fn connect(&self, name: &str) -> Result<TcpStream, Missing> {
        let found = (self.look_up)(name.to_owned(), self.port).await;
        let found = found.map_err(away)?;
        if found.is_empty() || !found.iter().all(|address| (self.may_ask)(address.ip())) {
            // As if the name led nowhere: nobody outside learns which names our network has.
            return Err(away("its server is not on the public Internet"));
        }
        let mut reason = String::new();
        for address in found.iter().take(MOST_TRIED) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(Missing::Away(reason))
    }
}

fn away(error: impl ToString) -> Missing {
    Missing::Away(error.to_string())
}

fn look_up(name: String, port: u16) -> Addresses {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
}

#[cfg(test)]
pub(crate) mod host;

#[cfg(test)]
mod tests;
