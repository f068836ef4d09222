//! The fleet of `compose.yaml` behind its own balancer: the real HAProxy with the real configuration.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use prynai_test_harness::balancer::Balancer;
use prynai_test_harness::client::{Events, RawClient, long_running, modern, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, CONTENT_TYPE};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

/// Addresses of containers.
pub(super) const FIRST: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
pub(super) const SECOND: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// How long a call may take, on a busy machine too, while a gateway is gone. Before, it took a minute.
pub(super) const SOON: Duration = Duration::from_secs(15);

/// Redis, a worker, and a balancer before gateways of one port, each at an address of its own.
pub(super) struct Fleet {
    pub(super) redis: RedisServer,
    workers: Vec<Process>,
    port: u16,
    pub(super) balancer: Balancer,
}

impl Fleet {
    /// With one worker. The gateways come later, to these addresses.
    pub(super) async fn start(port: u16, gateways: &[Ipv4Addr]) -> Self {
        let mut fleet = Self {
            redis: RedisServer::start().await,
            workers: Vec::new(),
            port,
            balancer: Balancer::start(gateways, port).await,
        };
        fleet.add_worker().await;
        fleet
    }

    pub(super) async fn add_worker(&mut self) {
        let args = ["--redis-url", &self.redis.url()];
        let mut worker = Process::start("prynai-worker", &args).await;
        worker.logged("ready").await;
        self.workers.push(worker);
    }

    /// Stops each worker in its turn, and starts another in its place.
    pub(super) async fn restart_workers(&mut self) {
        for _ in 0..self.workers.len() {
            let mut worker = self.workers.remove(0);
            worker.signal("-TERM");
            assert!(worker.ended().await.success(), "{:?}", worker.log());
            self.add_worker().await;
        }
    }

    /// Stops a gateway, and starts another in its place.
    pub(super) async fn restart(&self, gateway: &mut Process, address: Ipv4Addr) {
        gateway.signal("-TERM");
        assert!(gateway.ended().await.success(), "{:?}", gateway.log());
        *gateway = self.gateway(address).await;
    }

    pub(super) async fn gateway(&self, address: Ipv4Addr) -> Process {
        self.gateway_with(address, &self.redis.url(), &[]).await
    }

    pub(super) async fn gateway_with(
        &self,
        address: Ipv4Addr,
        redis: &str,
        further: &[&str],
    ) -> Process {
        let listen = SocketAddr::from((address, self.port)).to_string();
        let args = [&["--redis-url", redis, "--listen", &listen], further].concat();
        let mut gateway = Process::start("prynai-gateway", &args).await;
        gateway.address().await;
        assert_eventually!(
            self.probe(address).await.is_some(),
            "{address} is not ready"
        );
        gateway
    }

    /// How many calls a gateway holds; `None` if it is not ready.
    pub(super) async fn probe(&self, gateway: Ipv4Addr) -> Option<u64> {
        let url = format!("http://{gateway}:{}/readyz", self.port);
        let client = RawClient::new();
        let reply = client.send(client.request("GET", &url)).await;
        let ready = reply.status().is_success();
        let calls = reply.json().await["calls"].as_u64();
        ready.then(|| calls.expect("is a number"))
    }

    /// Where clients call.
    pub(super) fn url(&self) -> String {
        format!("http://{}/mcp", self.balancer.address())
    }

    /// A call that lasts for a minute or until it is cancelled, and has begun.
    pub(super) async fn long_call(&self) -> Events {
        let call = modern(1, "tools/call", long_running(600, 100));
        let mut events = RawClient::new().modern(&self.url(), &call).await.events();
        events.expect("notifications/progress").await;
        events
    }

    /// One call of a client that keeps its connections.
    pub(super) async fn call(&self, client: &reqwest::Client) -> (StatusCode, String) {
        let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
        let request = client
            .post(self.url())
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

    pub(super) async fn calls_succeed(&self, client: &reqwest::Client, count: usize) {
        for _ in 0..count {
            let (status, body) = self.call(client).await;
            assert_eq!(status, StatusCode::OK, "{body}");
        }
    }

    /// Waits until the balancer sends calls to a gateway, and gives them.
    pub(super) async fn is_used(&self, gateway: Ipv4Addr) -> Vec<Events> {
        let mut calls = Vec::new();
        assert_eventually!(
            {
                calls.push(self.long_call().await);
                self.probe(gateway).await.is_some_and(|held| held > 0)
            },
            "the balancer does not find {gateway}"
        );
        calls
    }

    /// Waits until the balancer sends nothing more to where calls fail: with two gateways that take turns, every other
    /// call would fail.
    pub(super) async fn calls_succeed_again(&self, client: &reqwest::Client) {
        let all_succeed = async || {
            for _ in 0..20 {
                if self.call(client).await.0 != StatusCode::OK {
                    return false;
                }
            }
            true
        };
        assert_eventually!(all_succeed().await, "calls go on to fail");
    }
}

pub(super) fn client() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().build();
    client.expect("a client")
}

/// A port that is free at all addresses.
pub(super) async fn free_port() -> u16 {
    let any = TcpListener::bind("0.0.0.0:0").await.expect("a free port");
    any.local_addr().expect("is bound").port()
}
