use std::sync::atomic::{AtomicUsize, Ordering};

use super::host::{Host, JSON, NAME, URL, answer};
use super::*;

/// A server that answers each request with this, and one who may ask it.
async fn serve(answer: String) -> (Fetcher, Url, Host) {
    let host = Host::start(answer).await;
    (host.fetcher(), URL.parse().unwrap(), host)
}

#[tokio::test]
async fn a_document_comes_as_it_is() {
    let (fetcher, url, _host) = serve(answer("200 OK", JSON, "{}")).await;
    assert_eq!(fetcher.fetch(&url).await.unwrap(), "{}");
    let most = "x".repeat(MAX_BYTES);
    let (fetcher, url, _host) = serve(answer("200 OK", JSON, &most)).await;
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
        let (fetcher, url, host) = serve(given.clone()).await;
        let told = format!("{:?}", fetcher.fetch(&url).await.unwrap_err());
        assert!(told.contains(reason), "{given}: {told}");
        assert_eq!(host.connections(), 1, "{given}");
    }
}

#[tokio::test]
async fn what_is_not_public_is_not_even_connected_to() {
    let (mut fetcher, url, host) = serve(answer("200 OK", JSON, "{}")).await;
    fetcher.may_ask = is_public;
    let told = format!("{:?}", fetcher.fetch(&url).await.unwrap_err());
    assert!(told.contains("public Internet"), "{told}");
    assert_eq!(host.connections(), 0);
}

/// Whoever has the name decides where it leads: one of its addresses that must not be asked spoils all.
#[tokio::test]
async fn a_name_with_a_private_address_beside_a_public_one_is_not_connected_to() {
    let host = Host::start(answer("200 OK", JSON, "{}")).await;
    let told = host.public_fetcher().fetch(&URL.parse().unwrap()).await;
    let told = format!("{:?}", told.unwrap_err());
    assert!(told.contains("public Internet"), "{told}");
    assert_eq!(host.connections(), 0);
}

/// Between the check and the connection a name could lead elsewhere.
#[tokio::test]
async fn a_name_is_looked_up_once_for_each_document() {
    static LOOKED_UP: AtomicUsize = AtomicUsize::new(0);
    let (mut fetcher, url, host) = serve(answer("200 OK", JSON, "{}")).await;
    fetcher.look_up = |_, port| {
        LOOKED_UP.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { Ok(vec![SocketAddr::from(([127, 0, 0, 1], port))]) })
    };
    for n in 1..=2 {
        fetcher.fetch(&url).await.unwrap();
        assert_eq!(LOOKED_UP.load(Ordering::SeqCst), n);
        assert_eq!(host.connections(), n);
    }
}

#[tokio::test]
async fn names_of_this_machine_lead_to_it() {
    let found = look_up("localhost".to_owned(), 7).await.unwrap();
    assert!(
        found
            .iter()
            .all(|address| address.ip().is_loopback() && address.port() == 7)
    );
    assert!(!found.is_empty() && !found.iter().any(|address| is_public(address.ip())));
}

#[tokio::test]
async fn only_its_own_server_is_believed() {
    let (fetcher, url, _host) = serve(answer("200 OK", JSON, "{}")).await;
    let mut stranger = Fetcher::new(None, |_| true);
    (stranger.port, stranger.look_up) = (fetcher.port, fetcher.look_up);
    assert!(
        stranger.fetch(&url).await.is_err(),
        "its certificate is nobody's"
    );
}

#[tokio::test]
async fn only_so_many_are_fetched_at_a_time() {
    let (fetcher, url, host) = serve(answer("200 OK", JSON, "{}")).await;
    let turns: Vec<_> = std::iter::from_fn(|| fetcher.turn(NAME)).collect();
    let told = fetcher.fetch(&url).await.unwrap_err();
    assert!(matches!(told, Missing::Busy), "{told:?}");
    assert_eq!(host.connections(), 0);
    drop(turns);
    assert!(fetcher.fetch(&url).await.is_ok());
}
