//! Clients that never read what they asked for: each costs a bounded amount, for a bounded time.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_bus::ids::WorkerId;
use prynai_process::lifecycle::Shutdown;
use prynai_redis_bus::RedisBus;
use prynai_redis_bus::settings::{
    EnvelopeSettings, KeySettings, RedisSettings, RedisSignInSettings, RedisTlsSettings,
    TaskDurability,
};
use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::{MODERN, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::memory;
use prynai_test_redis::assert_eventually;
use prynai_worker::{RequestStateKeys, TaskTerms, WorkerConfig, WorkerHealth};
use reqwest::StatusCode;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::ProgressNotificationParam;
use rmcp::service::RequestContext;
use rmcp::{RoleServer, ServerHandler, tool_handler, tool_router};
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use serde_json::json;
use tokio::io::{AsyncWrite, AsyncWriteExt};
use tokio::net::TcpSocket;
use tokio_rustls::TlsConnector;

use super::bad_peers::GIVEN_UP;

/// A handler that says more than anybody reads.
struct Talker(ToolRouter<Self>);

/// How large each of its messages is, and how many there are.
const MESSAGE: usize = 1024 * 1024;
const MESSAGES: u32 = 100;

#[tool_router]
impl Talker {
    #[rmcp::tool(description = "Talks, then waits")]
    async fn talk(&self, context: RequestContext<RoleServer>) -> String {
        let token = context
            .meta
            .get_progress_token()
            .expect("asks for progress");
        for n in 0..MESSAGES {
            let said = ProgressNotificationParam::new(token.clone(), f64::from(n));
            let said = said.with_message("x".repeat(MESSAGE));
            // Nobody listens once the call is cancelled.
            let _ = context.peer.notify_progress(said).await;
        }
        std::future::pending().await
    }
}

#[tool_handler(router = self.0)]
impl ServerHandler for Talker {}

async fn start_talker(cluster: &Cluster, shutdown: Shutdown) {
    let redis = RedisSettings {
        redis_url: cluster.redis.url().parse().expect("a URL"),
        tls: RedisTlsSettings::default(),
        sign_in: RedisSignInSettings::default(),
        keys: KeySettings {
            key_prefix: "prynai:".to_owned(),
        },
        envelope: EnvelopeSettings::default(),
        task_durability: TaskDurability::AsSet,
    };
    let bus = RedisBus::connect_when_there(&redis, BusLimits::default(), |_| {}).await;
    let config = WorkerConfig {
        id: WorkerId::generate(),
        concurrency: 8,
        lease: Duration::from_secs(30),
        max_attempts: 3,
        idempotency_window: Duration::from_secs(3600),
        max_result: 16 * MESSAGE,
        caller_kept: 64 * 1024 * 1024,
        health: WorkerHealth::default(),
        state_keys: RequestStateKeys::random(),
        tasks: TaskTerms::default(),
    };
    let handler = Talker(Talker::tool_router());
    let bus = bus.expect("Redis is there");
    tokio::spawn(prynai_worker::serve(handler, bus, config, shutdown));
}

/// A connection that takes next to nothing from the network, over TLS if it is told how.
async fn deaf(address: SocketAddr, tls: Option<Arc<ClientConfig>>) -> Box<dyn AsyncWrite + Unpin> {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("is set");
    let stream = socket.connect(address).await.expect("connects");
    let Some(tls) = tls else {
        return Box::new(stream);
    };
    let name = ServerName::from(address.ip());
    let connected = TlsConnector::from(tls).connect(name, stream).await;
    Box::new(connected.expect("is trusted"))
}

#[tokio::test]
async fn a_client_that_never_reads_costs_little_and_not_for_long() {
    let cluster = Cluster::new().workers(0).start().await;
    never_read(cluster, None).await;
}

#[tokio::test]
async fn nor_does_one_that_never_reads_over_tls() {
    let (certificates, _) = Certificates::mounted();
    let cluster = Cluster::new().workers(0).tls(&certificates).start().await;
    never_read(cluster, Some(certificates.trusted_config())).await;
}

async fn never_read(mut cluster: Cluster, tls: Option<Arc<ClientConfig>>) {
    let shutdown = Shutdown::new();
    start_talker(&cluster, shutdown.clone()).await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let discover = modern(0, "server/discover", json!({}));
    assert_eventually!(client.modern(&url, &discover).await.status() == StatusCode::OK);

    let address = cluster.address(0);
    let pid = cluster.gateway_process(0).pid();
    let before = memory(pid);
    let mut call = tool("talk", json!({}));
    call["_meta"]["progressToken"] = json!("p");
    let body = modern(1, "tools/call", call).to_string();
    let mut connections = Vec::new();
    for _ in 0..4 {
        let mut stream = deaf(address, tls.clone()).await;
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {address}\r\nContent-Type: application/json\r\n\
             MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: talk\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).await.expect("is sent");
        stream.flush().await.expect("is sent");
        connections.push(stream);
    }
    let mut most = 0;
    assert_eventually!(cluster.queued().await == 4);
    // Until the gateway has cut all of them off and thereby cancelled their calls.
    let waiting = tokio::time::timeout(GIVEN_UP, async {
        while cluster.queued().await > 0 {
            most = most.max(memory(pid));
            // Between two looks.
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    waiting.await.expect("the calls of deaf clients run on");
    let each = (most.saturating_sub(before)) / connections.len();
    assert!(each < 8 * MESSAGE, "{each} bytes for each client");
    shutdown.abort();
    cluster.assert_idle().await;
}
