//! Calls under an idempotency key run once, whoever answers them.

use prynai_test_harness::client::{legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

/// A call with a side effect: its answer says how often it was made.
fn bump(key: &str, counter: &str) -> Value {
    keyed(key, tool("bump_counter", json!({ "name": counter })))
}

fn keyed(key: &str, mut call: Value) -> Value {
    call["_meta"]["ai.prynai/idempotencyKey"] = json!(key);
    call
}

#[tokio::test]
async fn one_key_runs_once_through_any_gateway_worker_and_era() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let (client, url) = (&cluster.client, cluster.proxy());
    let session = client.open_session(&url).await;
    for id in 1..=6 {
        let answer = match id % 2 {
            0 => {
                let call = legacy(id, "tools/call", bump("order-1", "orders"));
                client.legacy(&url, &session, &call).await
            }
            _ => {
                let call = modern(id, "tools/call", bump("order-1", "orders"));
                client.modern(&url, &call).await
            }
        };
        let answer = answer.response().await;
        assert_eq!(answer["id"], id);
        assert_eq!(
            answer["result"]["structuredContent"]["value"], 1,
            "{answer}"
        );
    }
    // Another key is another call, and so is none.
    let other = modern(7, "tools/call", bump("order-2", "orders"));
    let other = client.modern(&url, &other).await.response().await;
    assert_eq!(other["result"]["structuredContent"]["value"], 2);
    let plain = modern(
        8,
        "tools/call",
        tool("bump_counter", json!({ "name": "orders" })),
    );
    let plain = client.modern(&url, &plain).await.response().await;
    assert_eq!(plain["result"]["structuredContent"]["value"], 3);

    let reused = modern(9, "tools/call", bump("order-1", "bills"));
    let reused = client.modern(&url, &reused).await.response().await;
    assert_eq!(reused["error"]["code"], -32602);
    assert_eq!(reused["error"]["data"]["reason"], "idempotency_key_reused");
    for wrong in [
        json!(""),
        json!("a b"),
        json!("x".repeat(256)),
        json!(7),
        Value::Null,
    ] {
        let mut call = tool("bump_counter", json!({}));
        call["_meta"]["ai.prynai/idempotencyKey"] = wrong.clone();
        let call = modern(10, "tools/call", call);
        let answer = client.modern(&url, &call).await.response().await;
        assert_eq!(answer["error"]["code"], -32602, "{wrong}: {answer}");
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn calls_under_one_key_at_the_same_time_get_one_result() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let (client, url) = (&cluster.client, cluster.proxy());
    let calls = (1..=16).map(|id| {
        let (client, url) = (client.clone(), url.clone());
        let call = modern(id, "tools/call", bump("same", "same"));
        async move { client.modern(&url, &call).await.response().await }
    });
    for answer in futures::future::join_all(calls).await {
        let value = &answer["result"]["structuredContent"]["value"];
        assert_eq!(*value, 1, "{answer}");
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_call_whose_worker_died_is_not_begun_again_by_its_key() {
    let mut cluster = Cluster::new().worker_args(&["--lease", "1s"]).start().await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let call = long_running(1_000, 100);
    let call = keyed("once", call);
    let reply = client
        .modern(&url, &modern(1, "tools/call", call.clone()))
        .await;
    let mut events = reply.events();
    events.expect("notifications/progress").await;
    // Cancelled while it runs: nobody knows what it did.
    drop(events);
    assert_eventually!(cluster.queued().await == 0);
    let again = modern(2, "tools/call", call);
    let again = client.modern(&url, &again).await.response().await;
    let data = &again["error"]["data"];
    assert_eq!(
        (&data["outcome"], &data["reason"]),
        (&json!("unknown"), &json!("cancelled"))
    );

    let lost = keyed(
        "lost",
        tool("book_table", json!({ "restaurant": "Roma", "people": 2 })),
    );
    let session = client
        .open_session_with(&url, "2025-11-25", json!({ "elicitation": {} }))
        .await;
    let waiting = tokio::spawn({
        let (client, url, session) = (client.clone(), url.clone(), session.clone());
        let call = legacy(3, "tools/call", lost.clone());
        async move { client.legacy(&url, &session, &call).await.response().await }
    });
    assert_eventually!(cluster.queued().await == 1);
    let asked = async || {
        let logs: Vec<String> = cluster.redis.command(&["KEYS", "*:outcome"]).await;
        (logs.len() == 2).then_some(())
    };
    eventually!(asked().await);
    cluster.restart_worker(0).await;
    let told = waiting.await.expect("is answered");
    assert_eq!(told["error"]["data"]["outcome"], "unknown", "{told}");
    let again = legacy(4, "tools/call", lost);
    let again = client.legacy(&url, &session, &again).await.response().await;
    assert_eq!(again["error"], told["error"]);
    cluster.assert_idle().await;
}
