//! A server on this machine that has a document, for tests: under a name that leads here, or elsewhere, too.

use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

/// Its name.
pub(crate) const NAME: &str = "app.example.com";

/// Where the document is.
pub(crate) const URL: &str = "https://app.example.com/client.json";

/// A running server.
pub(crate) struct Host {
    port: u16,
    roots: RootCertStore,
    connections: Arc<AtomicUsize>,
}

impl Host {
    /// Answers each request with this.
    pub(crate) async fn start(answer: String) -> Self {
        Self::start_with(vec![answer]).await
    }

    /// Answers the first request with the first of these, and so on; the last one counts for all others.
    pub(crate) async fn start_with(answers: Vec<String>) -> Self {
        let key = KeyPair::generate().unwrap();
        let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
        let certificate = certificate.self_signed(&key).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(certificate.der().clone()).unwrap();
        // An error means that the process has a default already.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
        let config = ServerConfig::builder().with_no_client_auth();
        let config = config
            .with_single_cert(vec![certificate.der().clone()], key)
            .unwrap();
        let acceptor = TlsAcceptor::from(Arc::new(config));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = connections.clone();
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                let number = counted.fetch_add(1, Ordering::SeqCst);
                let answer = answers.get(number).or(answers.last()).unwrap();
                let Ok(mut stream) = acceptor.accept(stream).await else {
                    continue;
                };
                let mut request = [0; 1024];
                let _ = stream.read(&mut request).await;
                let _ = stream.write_all(answer.as_bytes()).await;
                let _ = stream.shutdown().await;
            }
        });
        Self {
            port,
            roots,
            connections,
        }
    }

    /// How often somebody connected to it.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// One that finds it, trusts it, and may ask it.
    pub(crate) fn fetcher(&self) -> Fetcher {
        let mut fetcher = Fetcher::new(Some(self.roots.clone()), |address| address.is_loopback());
        fetcher.port = self.port;
        fetcher.look_up = here;
        fetcher
    }

    /// One that finds it beside a public address, and may ask the public Internet.
    pub(crate) fn public_fetcher(&self) -> Fetcher {
        let mut fetcher = self.fetcher();
        fetcher.may_ask = is_public;
        fetcher.look_up = here_and_elsewhere;
        fetcher
    }
}

/// Names lead to this machine.
fn here(_: String, port: u16) -> Addresses {
    Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
}

/// Names lead to this machine, and to a public address.
fn here_and_elsewhere(name: String, port: u16) -> Addresses {
    Box::pin(async move {
        let mut addresses = here(name, port).await?;
        addresses.push(SocketAddr::from(([8, 8, 8, 8], port)));
        Ok(addresses)
    })
}

/// What a server answers.
pub(crate) fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

/// Headers of a document.
pub(crate) const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";
