//! JSON-RPC batches: 2025-03-26 has them, later revisions do not (`hostile::batches`).

use prynai_test_harness::client::{RawClient, Session, legacy, long_running, tool};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};

async fn send(
    client: &RawClient,
    url: &str,
    session: &Session,
    batch: Value,
) -> prynai_test_harness::client::Reply {
    client.legacy(url, session, &batch).await
}

#[tokio::test]
async fn a_batch_of_its_revision_is_answered_whole() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let url = cluster.proxy();
    let session = client
        .open_session_with(&url, "2025-03-26", json!({}))
        .await;
    let echo = |id: Value| legacy(id, "tools/call", tool("echo", json!({ "text": "x" })));
    let slow = long_running(2, 50);
    let note = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });

    let batch = json!([
        echo(json!(1)),
        note,
        echo(json!("a")),
        legacy(2, "ping", json!({}))
    ]);
    let reply = send(client, &url, &session, batch).await;
    let mut ids: Vec<String> = reply.messages().await.iter().flat_map(answered).collect();
    ids.sort();
    assert_eq!(ids, ["\"a\"", "1", "2"]);

    let batch = json!([legacy(3, "tools/call", slow), echo(json!(4)), 7]);
    let messages = send(client, &url, &session, batch).await.messages().await;
    let mut ids: Vec<String> = messages.iter().flat_map(answered).collect();
    ids.sort();
    assert_eq!(ids, ["3", "4", "null"]);
    let progress = messages
        .iter()
        .filter(|m| m["method"] == "notifications/progress");
    assert_eq!(progress.count(), 2);

    let reply = send(client, &url, &session, json!([note])).await;
    assert_eq!(reply.status(), StatusCode::ACCEPTED);
    cluster.assert_idle().await;
}

/// The ids of the responses in a message, which may be an array of them.
fn answered(message: &Value) -> Vec<String> {
    match message {
        Value::Array(messages) => messages.iter().flat_map(answered).collect(),
        response if response.get("method").is_none() => vec![response["id"].to_string()],
        _ => Vec::new(),
    }
}
