//! Fetches a document from the public Internet: over https, of a name all of whose addresses are public, and from just
//! those addresses, so that no name can lead elsewhere between the check and the connection. No redirect is followed,
//! and size, time and number have bounds.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio::sync::Semaphore;
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;
use url::Url;

use super::public::is_public;

/// Longest document, in bytes (section 6.6 of the draft asks for 5 KB).
const MAX_BYTES: usize = 8 * 1024;

/// Time for one, from looking up the name to its last byte.
const TIMEOUT: Duration = Duration::from_secs(5);

/// Documents that are fetched at a time.
const AT_ONCE: usize = 8;

/// Addresses of a name that are tried.
const MOST_TRIED: usize = 2;

/// Where documents are.
const PORT: u16 = 443;

/// The addresses of a name.
type Addresses = Pin<Box<dyn Future<Output = io::Result<Vec<SocketAddr>>> + Send>>;

/// Fetches documents.
pub(crate) struct Fetcher {
    tls: TlsConnector,
    look_up: fn(String, u16) -> Addresses,
    may_ask: fn(IpAddr) -> bool,
    port: u16,
    turns: Semaphore,
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
            turns: Semaphore::new(AT_ONCE),
        }
    }

    /// The document at `url`.
    ///
    /// # Errors
    ///
    /// Why there is none.
    pub(crate) async fn fetch(&self, url: &Url) -> Result<Bytes, String> {
        // Whoever would have to wait is told at once: a queue of strangers' wishes helps nobody.
        let _turn = self
            .turns
            .try_acquire()
            .map_err(|_| "too many documents are fetched now".to_owned())?;
        let fetched = tokio::time::timeout(TIMEOUT, self.ask(url)).await;
        fetched.unwrap_or_else(|_| Err("it did not come in time".to_owned()))
    }

    async fn ask(&self, url: &Url) -> Result<Bytes, String> {
        let name = url.domain().ok_or("its URL has no name")?;
        let server = ServerName::try_from(name.to_owned()).map_err(|error| error.to_string())?;
        let stream = self.connect(name).await?;
        let stream = self.tls.connect(server, stream).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| error.to_string())?;
        let _driving = AbortOnDropHandle::new(tokio::spawn(connection));
        let request = Request::get(url.path())
            .header(HOST, name)
            .header(ACCEPT, "application/json")
            .header(
                USER_AGENT,
                concat!("prynai-mcp/", env!("CARGO_PKG_VERSION")),
            )
            .body(Empty::<Bytes>::new())
            .map_err(|error| error.to_string())?;
        let response = sender.send_request(request).await;
        let response = response.map_err(|error| error.to_string())?;
        if response.status() != StatusCode::OK {
            let status = response.status();
            return Err(format!(
                "its server answered {status}; redirects are not followed"
            ));
        }
        let kind = response.headers().get(CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let kind = kind.split(';').next().unwrap_or_default().trim();
        if kind != "application/json"
            && !(kind.starts_with("application/") && kind.ends_with("+json"))
        {
            return Err("its server does not call it JSON".to_owned());
        }
        let body = Limited::new(response.into_body(), MAX_BYTES)
            .collect()
            .await;
        Ok(body.map_err(|error| error.to_string())?.to_bytes())
    }

    /// A connection to an address that the name has, if it has none that must not be asked.
    async fn connect(&self, name: &str) -> Result<TcpStream, String> {
        let found = (self.look_up)(name.to_owned(), self.port).await;
        let found = found.map_err(|error| error.to_string())?;
        if found.is_empty() || !found.iter().all(|address| (self.may_ask)(address.ip())) {
            return Err("its server is not on the public Internet".to_owned());
        }
        let mut reason = String::new();
        for address in found.iter().take(MOST_TRIED) {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok(stream),
                Err(error) => reason = error.to_string(),
            }
        }
        Err(reason)
    }
}

fn look_up(name: String, port: u16) -> Addresses {
    Box::pin(async move { Ok(tokio::net::lookup_host((name, port)).await?.collect()) })
}

#[cfg(test)]
pub(crate) mod host;

#[cfg(test)]
mod tests;
