//! A session belongs to the fleet, not to a process.

use prynai_test_harness::client::{LEGACY, RawClient, Session, legacy, long_running, tool};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn bump(client: &RawClient, url: &str, session: &Session) -> Value {
    let call = legacy(1, "tools/call", tool("bump_counter", json!({})));
    let answer = client.legacy(url, session, &call).await.response().await;
    answer["result"]["structuredContent"]["value"].clone()
}

#[tokio::test]
async fn a_session_opened_on_one_gateway_is_used_and_ended_on_the_other() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let (one, other) = (cluster.gateway(0), cluster.gateway(1));
    let session = client.open_session(&one).await;
    assert_eq!(session.server["protocolVersion"], LEGACY);
    let ping = legacy(1, "ping", json!({}));
    let pong = client.legacy(&other, &session, &ping).await.json().await;
    assert_eq!(pong, json!({ "jsonrpc": "2.0", "id": 1, "result": {} }));
    assert!(client.end_session(&other, &session).await.is_success());
    for url in [&one, &other] {
        let reply = client.legacy(url, &session, &ping).await;
        assert_eq!(reply.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            client.end_session(url, &session).await,
            StatusCode::NOT_FOUND
        );
    }
}

#[tokio::test]
async fn a_session_and_a_counter_outlive_gateway_and_worker() {
    let mut cluster = Cluster::new().start().await;
    let url = cluster.gateway(0);
    let session = cluster.client.open_session(&url).await;
    assert_eq!(bump(&cluster.client, &url, &session).await, 1);
    cluster.restart_gateway(0).await;
    assert_eq!(bump(&cluster.client, &url, &session).await, 2);
    cluster.restart_worker(0).await;
    assert_eq!(bump(&cluster.client, &url, &session).await, 3);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn each_revision_is_negotiated_and_others_get_the_newest_with_a_handshake() {
    let cluster = Cluster::new().start().await;
    let url = cluster.gateway(0);
    for (asked, given) in [
        ("2025-03-26", "2025-03-26"),
        ("2025-06-18", "2025-06-18"),
        (LEGACY, LEGACY),
        ("2024-11-05", LEGACY),
        ("2026-07-28", LEGACY),
    ] {
        let session = cluster
            .client
            .open_session_with(&url, asked, json!({}))
            .await;
        assert_eq!(
            session.server["protocolVersion"], given,
            "asked for {asked}"
        );
    }
}

#[tokio::test]
async fn the_log_level_of_a_session_holds_on_every_gateway() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let set = legacy(1, "logging/setLevel", json!({ "level": "error" }));
    let answer = client
        .legacy(&cluster.gateway(0), &session, &set)
        .await
        .json()
        .await;
    assert_eq!(answer["result"], json!({}));
    let call = tool("long_running", json!({ "steps": 2, "delay_ms": 1 }));
    let call = legacy(2, "tools/call", call);
    let reply = client.legacy(&cluster.gateway(1), &session, &call).await;
    let messages = reply.messages().await;
    assert!(
        messages
            .iter()
            .all(|m| m["method"] != "notifications/message"),
        "{messages:?}"
    );
}

#[tokio::test]
async fn initialize_is_answered_while_no_worker_runs() {
    let mut cluster = Cluster::new().start().await;
    cluster.worker_process(0).kill().await;
    let url = cluster.gateway(0);
    let session = cluster.client.open_session(&url).await;
    assert_eq!(session.server["serverInfo"]["name"], "prynai-everything");
}

#[tokio::test]
async fn calls_that_share_an_id_all_end_with_their_session() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let url = cluster.proxy();
    let session = client.open_session(&url).await;
    let call = long_running(1_000, 100);
    let mut running = Vec::new();
    for _ in 0..4 {
        let same = legacy("same", "tools/call", call.clone());
        let mut events = client.legacy(&url, &session, &same).await.events();
        events.expect("notifications/progress").await;
        running.push(events);
    }
    assert!(client.end_session(&url, &session).await.is_success());
    for events in running {
        events.rest().await;
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_session_that_has_too_many_calls_is_refused_before_anything_runs() {
    let mut cluster = Cluster::new().start().await;
    let session = cluster.client.open_session(&cluster.gateway(0)).await;
    cluster.worker_process(0).kill().await;
    let (queue, calls) = ("prynai:{main.0}:requests", "prynai:{main.0}:calls");
    let fill = "for i = 1, 1000 do
        redis.call('XADD', KEYS[1], '*', 'x', i)
        redis.call('ZADD', KEYS[2], 0, ARGV[1] .. ':' .. i)
    end";
    let fill = ["EVAL", fill, "2", queue, calls, &session.id];
    let _: Option<String> = cluster.redis.command(&fill).await;
    // It counts the calls of a session when the queue is long enough for so many.
    cluster.gateway_process(0).kill().await;
    cluster.replace_gateway(0).await;
    let url = cluster.gateway(0);
    let call = legacy(1, "tools/call", tool("bump_counter", json!({})));
    let refused = cluster.client.legacy(&url, &session, &call).await;
    assert_eq!(refused.status(), StatusCode::OK);
    let error = refused.json().await["error"].clone();
    assert_eq!(
        error["data"],
        json!({ "reason": "session_limit", "retryAfterSeconds": 1 })
    );
    let _: i64 = cluster.redis.command(&["DEL", calls, queue]).await;
    cluster.replace_worker(0).await;
    assert_eq!(bump(&cluster.client, &url, &session).await, 1);
}
