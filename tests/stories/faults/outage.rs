//! Redis away: refused quickly, told by the probes, and back by itself.

use std::time::Duration;

use prynai_test_harness::client::{RawClient, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use reqwest::StatusCode;
use serde_json::json;

async fn status(client: &RawClient, url: &str) -> StatusCode {
    client.send(client.request("GET", url)).await.status()
}

#[tokio::test]
async fn while_redis_is_away_clients_are_refused_within_a_second() {
    let mut cluster = Cluster::new().start().await;
    let client = cluster.client.clone();
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    let probe = |name: &str| format!("{}/{name}", cluster.origin(0));
    let (live, ready, health) = (probe("livez"), probe("readyz"), probe("healthz"));
    assert_eq!(status(&client, &ready).await, StatusCode::OK);
    let echo = tool("echo", json!({ "text": "x" }));
    cluster.redis.stop();
    // Of a request that goes out at that moment nobody knows what became of it, and its client is told so.
    assert_eventually!(status(&client, &ready).await == StatusCode::SERVICE_UNAVAILABLE);
    for _ in 0..5 {
        let refused = async |request| {
            let reply = tokio::time::timeout(Duration::from_secs(1), client.send(request)).await;
            reply.expect("is refused within a second")
        };
        let call = modern(1, "tools/call", echo.clone());
        let reply = refused(client.modern_request(&url, &call)).await;
        assert_eq!(reply.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert!(reply.headers().contains_key("retry-after"));
        assert_eq!(reply.json().await["error"]["code"], -32603);
        // A session outlives the outage, and so must its client.
        let call = client.post(&url, legacy(1, "tools/call", echo.clone()).to_string());
        let reply = refused(call.header("Mcp-Session-Id", &session.id)).await;
        assert_eq!(reply.status(), StatusCode::OK);
        let error = reply.json().await["error"].clone();
        assert_eq!(error["code"], -32603);
        assert_eq!(
            error["data"],
            json!({ "reason": "unavailable", "retryAfterSeconds": 1 })
        );
    }
    assert_eq!(
        status(&client, &ready).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(
        status(&client, &health).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    assert_eq!(status(&client, &live).await, StatusCode::OK);
    cluster.redis.restart().await;
    assert_eventually!(status(&client, &ready).await == StatusCode::OK);
    let answered = async || {
        let call = modern(1, "tools/call", echo.clone());
        client.modern(&url, &call).await.status()
    };
    assert_eventually!(answered().await == StatusCode::OK);
}

#[tokio::test]
async fn a_redis_that_takes_no_writes_is_not_ready() {
    let cluster = Cluster::new().start().await;
    let ready = format!("{}/readyz", cluster.origin(0));
    let _: String = cluster
        .redis
        .command(&["CONFIG", "SET", "maxmemory", "1"])
        .await;
    assert_eventually!(status(&cluster.client, &ready).await == StatusCode::SERVICE_UNAVAILABLE);
    let _: String = cluster
        .redis
        .command(&["CONFIG", "SET", "maxmemory", "0"])
        .await;
    assert_eventually!(status(&cluster.client, &ready).await == StatusCode::OK);
}

#[tokio::test]
async fn a_redis_that_forgets_everything_leaves_no_client_waiting() {
    let cluster = Cluster::new()
        .gateways(2)
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let client = &cluster.client;
    let url = cluster.proxy();
    let session = client.open_session(&url).await;
    let slow = || tool("long_running", json!({ "steps": 20, "delay_ms": 100 }));
    let modern_call = modern(1, "tools/call", slow());
    let legacy_call = legacy(2, "tools/call", slow());
    // One runs, the others wait.
    let calls = async {
        futures::join!(
            async { client.modern(&url, &modern_call).await.response().await },
            async { client.modern(&url, &modern_call).await.response().await },
            async {
                let reply = client.legacy(&url, &session, &legacy_call).await;
                reply.response().await
            },
        )
    };
    let flush = async {
        assert_eventually!(cluster.queued().await == 3);
        let _: String = cluster.redis.command(&["FLUSHALL"]).await;
    };
    let ((one, two, three), ()) = futures::join!(calls, flush);
    for answer in [one, two, three] {
        let outcome = &answer["error"]["data"]["outcome"];
        let is_definite = answer["result"].is_object() || outcome == "unknown";
        assert!(is_definite, "{answer}");
    }

    // It serves again by itself: new sessions, new calls.
    let gone = client.legacy(&url, &session, &legacy_call).await;
    assert_eq!(gone.status(), StatusCode::NOT_FOUND);
    let echo = || tool("echo", json!({ "text": "x" }));
    let answered = async || {
        let call = modern(1, "tools/call", echo());
        client.modern(&url, &call).await.status() == StatusCode::OK
    };
    assert_eventually!(answered().await);
    let session = client.open_session(&url).await;
    let call = legacy(3, "tools/call", echo());
    let answer = client.legacy(&url, &session, &call).await.messages().await;
    assert!(answer[0]["result"].is_object(), "{answer:?}");
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_lost_subscription_loses_no_event() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let url = cluster.proxy();
    let call = long_running(20, 25);
    let reply = client.modern(&url, &modern(1, "tools/call", call)).await;
    let mut events = reply.events();
    let mut steps = Vec::new();
    while let Some((_, message)) = events.message().await {
        if message["method"] == "notifications/progress" {
            steps.push(message["params"]["progress"].as_f64().expect("a number") as u64);
            let _killed: i64 = cluster
                .redis
                .command(&["CLIENT", "KILL", "TYPE", "pubsub"])
                .await;
        }
    }
    assert_eq!(steps, (1..=20).collect::<Vec<_>>());
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_redis_that_may_evict_keys_is_reported_at_start() {
    let redis = RedisServer::start().await;
    let set = ["CONFIG", "SET", "maxmemory-policy", "allkeys-lru"];
    let _: String = redis.command(&set).await;
    for (binary, further) in [
        ("prynai-gateway", ["--listen", "127.0.0.1:0"]),
        ("prynai-worker", ["--concurrency", "1"]),
    ] {
        let mut args = vec!["--redis-url"];
        let url = redis.url();
        args.push(&url);
        args.extend(further);
        let mut process = Process::start(binary, &args).await;
        let message = "Redis may evict keys: sessions, streams and the queue itself can vanish under \
            memory pressure; set maxmemory-policy to noeviction";
        assert_eq!(process.logged(message).await["level"], "ERROR");
    }
}

#[tokio::test]
async fn a_gateway_that_starts_while_redis_is_away_lives_and_says_so() {
    let mut server = RedisServer::start().await;
    server.stop();
    let listen = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listen.local_addr().expect("is bound").to_string();
    drop(listen);
    let args = ["--redis-url", &server.url(), "--listen", &address];
    let mut gateway = Process::start("prynai-gateway", &args).await;
    gateway.logged("Redis is away; waiting for it. If it is not, check --redis-url, and whether Redis speaks TLS there").await;
    let client = RawClient::new();
    let probe = |name: &str| format!("http://{address}/{name}");
    assert_eq!(status(&client, &probe("livez")).await, StatusCode::OK);
    let ready = probe("readyz");
    assert_eq!(
        status(&client, &ready).await,
        StatusCode::SERVICE_UNAVAILABLE
    );
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    let refused = client.modern(&probe("mcp"), &call).await;
    assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(refused.json().await["error"]["code"], -32603);

    server.restart().await;
    let is_ready = async || {
        let asked = client.request("GET", &ready).send().await;
        asked.is_ok_and(|reply| reply.status() == StatusCode::OK)
    };
    assert_eventually!(is_ready().await);
}
