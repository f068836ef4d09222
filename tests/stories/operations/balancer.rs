//! The fleet of `compose.yaml` behind its own balancer: the real nginx with the real configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use prynai_test_harness::balancer::Balancer;
use prynai_test_harness::client::{modern, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;
use tokio::io::AsyncReadExt;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::time::timeout;

/// Addresses of containers.
const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);
const THIRD: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 4);
const DEAF: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 5);

/// How long a call may take, on a busy machine too, while a gateway is gone. Before, it took a minute.
const SOON: Duration = Duration::from_secs(15);

/// Redis, a worker, and a balancer before gateways of one port, each at an address of its own.
struct Fleet {
    redis: RedisServer,
    _worker: Process,
    port: u16,
    balancer: Balancer,
}

impl Fleet {
    async fn start(port: u16, gateways: &[Ipv4Addr]) -> Self {
        let redis = RedisServer::start().await;
        let mut worker = Process::start("prynai-worker", &["--redis-url", &redis.url()]).await;
        worker.logged("ready").await;
        Self {
            redis,
            _worker: worker,
            port,
            balancer: Balancer::start(gateways, port).await,
        }
    }

    async fn gateway(&self, address: Ipv4Addr) -> Process {
        let listen = SocketAddr::from((address, self.port)).to_string();
        let args = ["--redis-url", &self.redis.url(), "--listen", &listen];
        let mut gateway = Process::start("prynai-gateway", &args).await;
        gateway.address().await;
        gateway
    }

    /// One call of a client that keeps its connections.
    async fn call(&self, client: &reqwest::Client) -> (StatusCode, String) {
        let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
        let request = client
            .post(format!("http://{}/mcp", self.balancer.address()))
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json, text/event-stream")
            .header("MCP-Protocol-Version", "2026-07-28")
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "echo")
            .body(call.to_string());
        let answered = timeout(SOON, async {
            let reply = request.send().await.expect("is answered");
            (reply.status(), reply.text().await.expect("is read"))
        });
        answered.await.expect("a call hangs")
    }

    async fn calls_succeed(&self, client: &reqwest::Client, count: usize) {
        for _ in 0..count {
            let (status, body) = self.call(client).await;
            assert_eq!(status, StatusCode::OK, "{body}");
        }
    }
}

fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client")
}

/// A port that is free at all addresses.
async fn free_port() -> u16 {
    let any = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    any.local_addr().expect("is bound").port()
}

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
    fleet.calls_succeed(&client, 20).await;
    second.kill().await;
    // Nobody has told the DNS yet.
    fleet.calls_succeed(&client, 20).await;
    let _third = fleet.gateway(THIRD).await;
    fleet.balancer.gateways_are_at(&[FIRST, THIRD]);
    let looks = fleet.balancer.looks();
    assert_eventually!({
        fleet.calls_succeed(&client, 1).await;
        fleet.balancer.looks() > looks
    });
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
    fleet.balancer.gateways_are_at(&[DEAF, THIRD]);
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
    for address in [FIRST, SECOND] {
        let gateway = TcpListener::bind((address, port)).await.expect("is bound");
        let taken = Arc::clone(&taken);
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = gateway.accept().await {
                let read = connection.read(&mut [0; 1024]).await;
                assert!(read.is_ok_and(|read| read > 0), "no request");
                taken.fetch_add(1, Ordering::Relaxed);
            }
        });
    }
    let balancer = Balancer::start(&[FIRST, SECOND], port).await;
    let url = format!("http://{}/mcp", balancer.address());
    let reply = client().post(url).body("{}").send().await.expect("a reply");
    assert_eq!(reply.status(), StatusCode::BAD_GATEWAY);
    assert_eq!(taken.load(Ordering::Relaxed), 1);
}
