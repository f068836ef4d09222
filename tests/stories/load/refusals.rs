//! What is refused leaves nothing in Redis.

use prynai_test_harness::client::{Reply, legacy, tool};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_redis::server::RedisServer;
use reqwest::StatusCode;
use serde_json::json;

use super::shares::{echo, max_memory};

/// Keys that belong to a caller: what a refusal must not leave.
async fn left(redis: &RedisServer) -> Vec<String> {
    let keys: Vec<String> = redis.command(&["KEYS", "*"]).await;
    let of_callers = [
        ":log:",
        ":mail:",
        ":calls",
        ":session",
        ":outcome",
        ":cancelled",
        ":unfinished",
        ":kept",
    ];
    let mut keys: Vec<_> = keys
        .into_iter()
        .filter(|key| of_callers.iter().any(|kind| key.contains(kind)))
        .collect();
    keys.sort();
    keys
}

/// The refusal may come with a status of its own or, in a session, as the answer to its request.
async fn is_refused_for_now(reply: Reply) {
    let body = reply.json().await;
    assert_eq!(body["error"]["data"]["retryAfterSeconds"], 1, "{body}");
}

#[tokio::test]
async fn a_refusal_because_redis_is_full_leaves_nothing() {
    let mut cluster = Cluster::new().start().await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let session = client.open_session(&url).await;
    cluster.assert_idle().await;
    let before = left(&cluster.redis).await;
    max_memory(&cluster.redis, "1").await;
    for id in 0..8 {
        let mut keyed = echo(id);
        keyed["params"]["_meta"]["ai.prynai/idempotencyKey"] = json!(format!("key-{id}"));
        let in_session = legacy(id, "tools/call", tool("echo", json!({ "text": "x" })));
        let initialize = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "raw", "version": "1" },
        });
        let initialize = legacy(id, "initialize", initialize).to_string();
        for refused in [
            client.modern(&url, &echo(id)).await,
            client.modern(&url, &keyed).await,
            client.send(client.post(&url, initialize)).await,
        ] {
            assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
            is_refused_for_now(refused).await;
        }
        is_refused_for_now(client.legacy(&url, &session, &in_session).await).await;
    }
    max_memory(&cluster.redis, "0").await;
    // A gateway that has ended has done all that it wanted to do about it.
    cluster.gateway_process(0).signal("-TERM");
    cluster.gateway_process(0).ended().await;
    assert_eq!(left(&cluster.redis).await, before);
}

#[tokio::test]
async fn a_refusal_because_the_queue_is_full_leaves_nothing() {
    let mut cluster = Cluster::new()
        .gateway_args(&["--queue-limit", "4", "--caller-limit", "4"])
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let session = client.open_session(&url).await;
    cluster.assert_idle().await;
    let before = left(&cluster.redis).await;
    cluster.worker_process(0).kill().await;
    for _ in 0..5 {
        let _: String = cluster.redis.command(&["XADD", QUEUE, "*", "v", "0"]).await;
    }
    // One that starts looks at the queue first.
    cluster.restart_gateway(0).await;
    for id in 0..8 {
        let in_session = legacy(id, "tools/call", tool("echo", json!({ "text": "x" })));
        let refused = client.modern(&url, &echo(id)).await;
        assert_eq!(refused.status(), StatusCode::SERVICE_UNAVAILABLE);
        is_refused_for_now(refused).await;
        is_refused_for_now(client.legacy(&url, &session, &in_session).await).await;
    }
    let _: i64 = cluster
        .redis
        .command(&["XTRIM", QUEUE, "MAXLEN", "0"])
        .await;
    cluster.gateway_process(0).signal("-TERM");
    cluster.gateway_process(0).ended().await;
    assert_eq!(left(&cluster.redis).await, before);
}
