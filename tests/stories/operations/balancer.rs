//! What the balancer of `compose.yaml` does with gateways that go, come, stop, or are far away.

use std::collections::HashSet;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use futures::future::join_all;
use prynai_test_harness::balancer::Balancer;
use prynai_test_harness::client::{RawClient, legacy, long_running, modern, tool};
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server;
use prynai_test_redis::switch::Switch;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HOST, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

use super::fleet::{FIRST, Fleet, SECOND, SOON, client, free_port};

/// Addresses of further containers.
const THIRD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const DEAF: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

#[tokio::test]
async fn calls_with_pauses_between_them_pass_the_balancer() {
    let port = free_port().await;
    let fleet = Fleet::start(port, &[FIRST, SECOND]).await;
    let (_first, _second) = (fleet.gateway(FIRST).await, fleet.gateway(SECOND).await);
    // Around the ten seconds after which gateways once closed their connections.
    let client = client();
    let thinking = (0..200).map(async |number| {
        for round in 0..3 {
            if round > 0 {
                tokio::time::sleep(Duration::from_millis(9_900 + number)).await;
            }
            fleet.calls_succeed(&client, 1).await;
        }
    });
    join_all(thinking).await;
}

#[tokio::test]
async fn a_gateway_that_comes_back_elsewhere_is_found_and_a_dead_one_is_passed_over() {
    let port = free_port().await;
    let fleet = Fleet::start(port, &[FIRST, SECOND]).await;
    let (mut first, mut second) = (fleet.gateway(FIRST).await, fleet.gateway(SECOND).await);
    let client = client();
    fleet.is_used(FIRST).await;
    fleet.is_used(SECOND).await;
    fleet.calls_succeed(&client, 20).await;
    second.kill().await;
    // Nobody has told the DNS yet.
    fleet.calls_succeed(&client, 20).await;
    let _third = fleet.gateway(THIRD).await;
    fleet.balancer.gateways_are_at(&[FIRST, THIRD]);
    fleet.is_used(THIRD).await;
    fleet.calls_succeed(&client, 20).await;
    // Until it is gone: a call that it took and did not answer is not tried again.
    first.kill().await;
    fleet.calls_succeed(&client, 20).await;
    // One that answers no attempt to connect, as a machine that is gone: its queue is full.
    let deaf = TcpSocket::new_v4().expect("a socket");
    deaf.bind(SocketAddr::from((DEAF, port))).expect("is bound");
    let deaf = deaf.listen(1).expect("listens");
    let address = deaf.local_addr().expect("is bound");
    let mut filling = Vec::new();
    while let Ok(connected) = timeout(Duration::from_millis(500), TcpStream::connect(address)).await
    {
        filling.push(connected.expect("connects"));
    }
    fleet.balancer.gateways_are_at(&[FIRST, DEAF, THIRD]);
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        fleet.calls_succeed(&client, 1).await;
    }
}

#[tokio::test]
async fn a_post_that_was_sent_is_not_sent_again() {
    let port = free_port().await;
    // Two gateways that take a request and die.
    let taken = Arc::new(AtomicUsize::default());
    let probed = Arc::new(Mutex::new(HashSet::new()));
    for address in [FIRST, SECOND] {
        let gateway = TcpListener::bind((address, port)).await.expect("is bound");
        let (taken, probed) = (Arc::clone(&taken), Arc::clone(&probed));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = gateway.accept().await {
                let mut head = [0; 1024];
                let read = connection.read(&mut head).await.expect("is read");
                if head[..read].starts_with(b"GET /readyz") {
                    probed.lock().expect("is never poisoned").insert(address);
                    let ready = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
                    connection.write_all(ready).await.expect("is told");
                    continue;
                }
                assert!(read > 0, "no request");
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let balancer = Balancer::start(&[FIRST, SECOND], port).await;
    assert_eventually!(probed.lock().expect("is never poisoned").len() == 2);
    let url = format!("http://{}/mcp", balancer.address());
    let reply = client().post(url).body("{}").send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(taken.load(Ordering::Relaxed), 1);
}

#[tokio::test]
async fn a_gateway_whose_redis_is_away_gets_no_request_while_another_is_ready() {
    let port = free_port().await;
    let fleet = Fleet::start(port, &[FIRST, SECOND]).await;
    let mut first = fleet.gateway(FIRST).await;
    let way = Switch::start(fleet.redis.address()).await;
    let way_of_second = format!("redis://{}", way.address());
    let _second = fleet.gateway_with(SECOND, &way_of_second, &[]).await;
    let client = client();
    fleet.calls_succeed(&client, 20).await;
    way.turn_to(nowhere());
    assert_eventually!(fleet.probe(SECOND).await.is_none(), "it is still ready");
    fleet.calls_succeed_again(&client).await;
    // For as long as it takes.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(5) {
        fleet.calls_succeed(&client, 1).await;
    }
    // It is found when it is ready again.
    way.turn_to(fleet.redis.address());
    fleet.is_used(SECOND).await;
    first.kill().await;
    fleet.calls_succeed(&client, 20).await;
}

#[tokio::test]
async fn a_gateway_that_stops_gets_no_new_request_and_its_streams_go_on() {
    let port = free_port().await;
    let fleet = Fleet::start(port, &[FIRST, SECOND]).await;
    let _first = fleet.gateway(FIRST).await;
    // So long that it serves until the end of the test whatever it is sent.
    let slowly = ["--stop-delay", "5m", "--drain-timeout", "6m"];
    let redis = fleet.redis.url();
    let second = fleet.gateway_with(SECOND, &redis, &slowly).await;
    let mut streams = fleet.is_used(SECOND).await;
    second.signal("-TERM");
    assert_eventually!(fleet.probe(SECOND).await.is_none(), "it is still ready");
    // Of the two gateways only the first one tells what it holds: of four new calls, all four.
    assert_eventually!(
        {
            let before = fleet.probe(FIRST).await.expect("is ready");
            streams.extend(join_all([(); 4].map(|()| fleet.long_call())).await);
            fleet.probe(FIRST).await.expect("is ready") == before + 4
        },
        "the second gateway gets new requests"
    );
    for stream in &mut streams {
        stream.expect("notifications/progress").await;
    }
}

#[tokio::test]
async fn while_no_gateway_is_ready_clients_are_refused_at_once_in_a_form_that_hurts_none() {
    let port = free_port().await;
    let mut fleet = Fleet::start(port, &[FIRST, SECOND]).await;
    let (mut first, mut second) = (fleet.gateway(FIRST).await, fleet.gateway(SECOND).await);
    let raw = RawClient::new();
    let url = fleet.url();
    let session = raw.open_session(&url).await;
    fleet.redis.stop();
    for gateway in [FIRST, SECOND] {
        assert_eventually!(fleet.probe(gateway).await.is_none(), "it is still ready");
    }
    let call = || tool("echo", json!({ "text": "x" }));
    let refused = async || {
        let begun = Instant::now();
        let reply = raw.modern(&url, &modern(1, "tools/call", call())).await;
        assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(reply.headers()[RETRY_AFTER], "1");
        let error = reply.json().await["error"].clone();
        assert_eq!(error["data"]["reason"], "unavailable");
        assert!(begun.elapsed() < SOON, "{:?}", begun.elapsed());
        error["message"].as_str().expect("is a string").to_owned()
    };
    // Before the balancer has noticed, and after.
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_secs(4) {
        refused().await;
        // 503 would end more than this call (docs/decisions/0011).
        let in_session = legacy(2, "tools/call", call());
        let reply = raw.legacy(&url, &session, &in_session).await;
        assert_eq!(reply.status(), StatusCode::OK);
        let error = &reply.json().await["error"];
        assert_eq!(error["data"]["reason"], "unavailable");
    }
    first.kill().await;
    second.kill().await;
    let message = refused().await;
    assert!(
        message.starts_with("no gateway can be reached"),
        "{message}"
    );
}

#[tokio::test]
async fn a_client_that_goes_away_takes_its_call_along() {
    let port = free_port().await;
    let fleet = Fleet::start(port, &[FIRST]).await;
    let _first = fleet.gateway(FIRST).await;
    let streaming = fleet.long_call().await;
    // One that hears nothing before the end.
    let call = modern(1, "tools/call", long_running(60, 1_000));
    let client = RawClient::new();
    let json_alone = HeaderValue::from_static("application/json");
    let silent = client
        .modern_request(&fleet.url(), &call)
        .headers(HeaderMap::from_iter([(ACCEPT, json_alone)]));
    let silent = tokio::spawn(silent.send());
    assert_eventually!(
        fleet.probe(FIRST).await == Some(2),
        "the calls do not begin"
    );
    drop(streaming);
    silent.abort();
    let begun = Instant::now();
    assert_eventually!(fleet.probe(FIRST).await == Some(0), "the calls do not end");
    // Before the gateway's next comment, at which it would notice by itself.
    assert!(begun.elapsed() < Duration::from_secs(10), "late");
}

#[tokio::test]
async fn what_a_gateway_refuses_it_refuses_itself() {
    let port = free_port().await;
    let fleet = Fleet::start(port, &[FIRST]).await;
    let _first = fleet.gateway(FIRST).await;
    let client = RawClient::new();
    let url = fleet.url();
    let call = |text: &str| modern(1, "tools/call", tool("echo", json!({ "text": text })));
    let large = call(&"x".repeat(7 << 20));
    let reply = client.modern(&url, &large).await;
    assert_eq!(reply.status(), StatusCode::PAYLOAD_TOO_LARGE);
    let error = &reply.json().await["error"];
    assert_eq!(error["data"]["reason"], "body_too_large");
    let request = || client.modern_request(&url, &call("x"));
    let long = request().header("X-Long", "x".repeat(70 << 10));
    let reply = client.send(long).await;
    assert_eq!(reply.status(), StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
    let long = request().header("X-Long", "x".repeat(60 << 10));
    assert_eq!(client.send(long).await.status(), StatusCode::OK);
    for (name, foreign) in [(HOST, "evil.example"), (ORIGIN, "http://evil.example")] {
        let reply = client.send(request().header(name, foreign)).await;
        assert_eq!(reply.status(), StatusCode::FORBIDDEN);
        assert!(reply.text().await.contains("evil.example"));
    }
}

/// An address where nobody listens.
fn nowhere() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], server::free_port()))
}
