//! Connections between two requests: kept for as long as whatever stands in front keeps them, and not for ever.

use std::time::{Duration, Instant};

use prynai_test_harness::client::{modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::raw_tcp::until_closed;
use prynai_test_redis::assert_eventually;
use reqwest::{StatusCode, Version};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::sleep;

/// What a client gets for the head of a request.
const HEAD: Duration = Duration::from_secs(10);

/// How long something may take that the gateway does by itself.
const SOON: Duration = Duration::from_secs(60);

/// A connection that is kept.
struct Kept(TcpStream);

impl Kept {
    async fn open(cluster: &Cluster) -> Self {
        let connected = TcpStream::connect(cluster.address(0)).await;
        Self(connected.expect("connects"))
    }

    /// Sends a request and reads the answer; `false` when the connection was closed instead.
    async fn ask(&mut self) -> bool {
        let request = b"GET /livez HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n";
        self.0.write_all(request).await.is_ok() && self.answered().await
    }

    async fn answered(&mut self) -> bool {
        let mut said = Vec::new();
        while !said.ends_with(b"}") {
            match self.0.read_buf(&mut said).await {
                Ok(0) | Err(_) => return false,
                Ok(_) => {}
            }
        }
        assert!(said.starts_with(b"HTTP/1.1 200 "), "{said:?}");
        true
    }

    async fn closed(&mut self) {
        let ended = until_closed(&mut self.0, SOON).await;
        let rest = ended.expect("the connection is kept");
        assert_eq!(rest, b"", "something was said");
    }

    /// Whether the other side has not closed it.
    fn is_open(&mut self) -> bool {
        let would_block = |error: std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        self.0.try_read(&mut [0]).is_err_and(would_block)
    }
}

#[tokio::test]
async fn a_connection_is_kept_over_a_pause_and_a_head_that_has_begun_is_not() {
    let cluster = Cluster::new().workers(0).start().await;
    let mut kept = Kept::open(&cluster).await;
    let mut begun = Kept::open(&cluster).await;
    let mut silent = Kept::open(&cluster).await;
    assert!(kept.ask().await && begun.ask().await);
    begun.0.write_all(b"GET /livez HT").await.expect("is sent");
    let began = Instant::now();
    begun.closed().await;
    assert!(began.elapsed() >= HEAD, "a head gets its time");
    silent.closed().await;
    // As long as neither a timer nor a clock of another machine can be mistaken.
    sleep(Duration::from_secs(3)).await;
    assert!(kept.ask().await, "the connection was closed in a pause");
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_its_time_and_one_at_work_is_not() {
    let cluster = Cluster::new().gateway_args(&["--connection-idle", "2s"]);
    let cluster = cluster.start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let mut idle = Kept::open(&cluster).await;
    let begun = Instant::now();
    assert!(idle.ask().await);
    let call = tool("long_running", json!({ "steps": 1, "delay_ms": 5000 }));
    let call = modern(1, "tools/call", call);
    let working = client.modern(&url, &call);
    let closed = async {
        idle.closed().await;
        begun.elapsed()
    };
    let (worked, idle_for) = tokio::join!(working, closed);
    assert!(idle_for >= Duration::from_secs(2), "{idle_for:?}");
    assert_eq!(worked.status(), StatusCode::OK);
    assert!(worked.response().await["result"].is_object());
}

#[tokio::test]
async fn http_2_connections_are_kept_and_closed_alike() {
    let cluster = Cluster::new().workers(0);
    let cluster = cluster
        .gateway_args(&["--connection-idle", "12s"])
        .start()
        .await;
    let http2 = reqwest::Client::builder()
        .http2_prior_knowledge()
        .no_proxy();
    let http2 = http2.build().expect("a client");
    let live = format!("{}/livez", cluster.origin(0));
    let ask = async || {
        let reply = http2.get(&live).send().await.expect("is answered");
        assert_eq!(reply.version(), Version::HTTP_2);
        reply.text().await.expect("is read");
    };
    ask().await;
    let mine = async || connections(cluster.address(0).port());
    assert_eq!(mine().await, 1);
    // Longer than a head may take.
    sleep(HEAD + Duration::from_secs(1)).await;
    assert_eq!(mine().await, 1, "the connection was closed in a pause");
    ask().await;
    assert_eq!(mine().await, 1);
    assert_eventually!(mine().await == 0, "an idle connection is kept for ever");
}

/// How many connections this process has to a port.
fn connections(port: u16) -> usize {
    let table = std::fs::read_to_string("/proc/self/net/tcp").expect("is readable");
    let peer = format!("0100007F:{port:04X}");
    let established = |line: &&str| {
        let mut fields = line.split_whitespace().skip(2);
        fields.next() == Some(peer.as_str()) && fields.next() == Some("01")
    };
    table.lines().filter(established).count()
}

#[tokio::test]
async fn when_connections_run_short_the_idlest_makes_room() {
    let cluster = Cluster::new()
        .gateway_args(&["--max-connections", "3"])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let mut open = Vec::new();
    for _ in 0..3 {
        let mut kept = Kept::open(&cluster).await;
        assert!(kept.ask().await);
        open.push(kept);
    }
    // The first one is the idlest no more.
    assert!(open[0].ask().await);
    let mut fourth = Kept::open(&cluster).await;
    assert!(fourth.ask().await, "there was no room");
    open[1].closed().await;
    assert!(open[0].is_open() && open[2].is_open() && fourth.is_open());
    // Those that are at work stay.
    let message = modern(1, "subscriptions/listen", listen.clone());
    let mut listening = client.modern(&url, &message).await.events();
    assert!(listening.frame().await.is_some());
    open[2].closed().await;
    let mut fifth = Kept::open(&cluster).await;
    assert!(fifth.ask().await);
    open[0].closed().await;
    let mut sixth = Kept::open(&cluster).await;
    assert!(sixth.ask().await);
    fourth.closed().await;
    assert!(fifth.is_open() && sixth.is_open());
    let message = modern(2, "subscriptions/listen", listen);
    let second = client.modern(&url, &message).await;
    assert_eq!(second.status(), StatusCode::OK);
    fifth.closed().await;
}
