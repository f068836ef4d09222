use std::sync::atomic::{AtomicUsize, Ordering};

use rcgen::{CertificateParams, KeyPair};
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::*;

const NAME: &str = "localhost";

/// A server on this machine that answers each request with this; counts connections.
async fn serve(answer: String) -> (Fetcher, Url, Arc<AtomicUsize>) {
    let key = KeyPair::generate().unwrap();
    let certificate = CertificateParams::new(vec![NAME.to_owned()]).unwrap();
    let certificate = certificate.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate.der().clone()).unwrap();
    let mut fetcher = Fetcher::new(Some(roots), |address| address.is_loopback());
    let key = PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = ServerConfig::builder().with_no_client_auth();
    let config = config
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    fetcher.port = listener.local_addr().unwrap().port();
    let connections = Arc::new(AtomicUsize::new(0));
    let counted = connections.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            counted.fetch_add(1, Ordering::SeqCst);
            let Ok(mut stream) = acceptor.accept(stream).await else {
                continue;
            };
            let mut request = [0; 1024];
            let _ = stream.read(&mut request).await;
            let _ = stream.write_all(answer.as_bytes()).await;
            let _ = stream.shutdown().await;
        }
    });
    let url = format!("https://{NAME}/client.json").parse().unwrap();
    (fetcher, url, connections)
}

fn answer(status: &str, headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n{headers}\r\n{body}"
    )
}

const JSON: &str = "Content-Type: application/json; charset=utf-8\r\n";

#[tokio::test]
async fn a_document_comes_as_it_is() {
    let (fetcher, url, _) = serve(answer("200 OK", JSON, "{}")).await;
    assert_eq!(fetcher.fetch(&url).await.unwrap(), "{}");
    let most = "x".repeat(MAX_BYTES);
    let (fetcher, url, _) = serve(answer("200 OK", JSON, &most)).await;
    assert_eq!(fetcher.fetch(&url).await.unwrap().len(), MAX_BYTES);
}

#[tokio::test]
async fn nothing_else_counts() {
    let away = "Location: https://169.254.169.254/\r\n";
    for (given, reason) in [
        (
            answer("302 Found", away, "{}"),
            "redirects are not followed",
        ),
        (answer("404 Not Found", JSON, "{}"), "404"),
        (
            answer("200 OK", "Content-Type: text/html\r\n", "{}"),
            "JSON",
        ),
        (answer("200 OK", "", "{}"), "JSON"),
        (answer("200 OK", JSON, &"x".repeat(MAX_BYTES + 1)), "limit"),
        ("no HTTP at all".to_owned(), ""),
    ] {
        let (fetcher, url, connections) = serve(given.clone()).await;
        let told = fetcher.fetch(&url).await.unwrap_err();
        assert!(told.contains(reason), "{given}: {told}");
        assert_eq!(connections.load(Ordering::SeqCst), 1, "{given}");
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_even_connected_to() {
    let (mut fetcher, url, connections) = serve(answer("200 OK", JSON, "{}")).await;
    fetcher.may_ask = is_public;
    let told = fetcher.fetch(&url).await.unwrap_err();
    assert!(told.contains("public Internet"), "{told}");
    assert_eq!(connections.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn only_its_own_server_is_believed() {
    let (fetcher, url, _) = serve(answer("200 OK", JSON, "{}")).await;
    let mut stranger = Fetcher::new(None, |_| true);
    stranger.port = fetcher.port;
    assert!(
        stranger.fetch(&url).await.is_err(),
        "its certificate is nobody's"
    );
}

#[tokio::test]
async fn only_so_many_are_fetched_at_a_time() {
    let (fetcher, url, connections) = serve(answer("200 OK", JSON, "{}")).await;
    let turns = fetcher.turns.try_acquire_many(AT_ONCE as u32).unwrap();
    assert!(fetcher.fetch(&url).await.is_err());
    assert_eq!(connections.load(Ordering::SeqCst), 0);
    drop(turns);
    assert!(fetcher.fetch(&url).await.is_ok());
}
