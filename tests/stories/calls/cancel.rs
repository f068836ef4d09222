//! Cancelling reaches the work: by notification in the legacy era, by hanging up in the modern one.

use prynai_test_harness::client::{legacy, long_running, modern, notification, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use reqwest::StatusCode;
use serde_json::{Value, json};

/// Far longer than any test waits.
fn endless() -> Value {
    long_running(1_000, 100)
}

#[tokio::test]
async fn a_modern_call_ends_when_its_connection_does() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let call = modern(1, "tools/call", endless());
    let reply = cluster.client.modern(&cluster.proxy(), &call).await;
    let mut events = reply.events();
    events.expect("notifications/progress").await;
    drop(events);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_modern_call_that_was_not_answered_yet_ends_when_its_connection_does() {
    let cluster = Cluster::new()
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let url = cluster.gateway(0);
    // The first call occupies the worker; the second one waits in the queue.
    let first = cluster
        .client
        .modern(&url, &modern(1, "tools/call", endless()))
        .await;
    let mut first = first.events();
    first.expect("notifications/progress").await;
    let waiting = tokio::spawn({
        let (client, url) = (cluster.client.clone(), url.clone());
        async move {
            client
                .modern(&url, &modern(2, "tools/call", endless()))
                .await
        }
    });
    assert_eventually!(cluster.queued().await == 2);
    waiting.abort();
    drop(first);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_modern_call_ends_when_its_gateway_dies() {
    let mut cluster = Cluster::new().gateways(2).start().await;
    let call = modern(1, "tools/call", endless());
    let reply = cluster.client.modern(&cluster.gateway(1), &call).await;
    let mut events = reply.events();
    events.expect("notifications/progress").await;
    cluster.gateway_process(1).kill().await;
    assert_eventually!(cluster.queued().await == 0, "it runs on for nobody");
}

#[tokio::test]
async fn a_legacy_call_is_cancelled_through_the_other_gateway_and_gets_no_response() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let call = legacy("a", "tools/call", endless());
    let mut events = client
        .legacy(&cluster.gateway(0), &session, &call)
        .await
        .events();
    events.expect("notifications/progress").await;
    let cancel = notification(
        "notifications/cancelled",
        json!({ "requestId": "a", "reason": "changed my mind" }),
    );
    let accepted = client.legacy(&cluster.gateway(1), &session, &cancel).await;
    assert_eq!(accepted.status(), StatusCode::ACCEPTED);
    let rest = events.rest().await;
    assert!(
        rest.iter().all(|message| message.get("id").is_none()),
        "{rest:?}"
    );
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_legacy_call_goes_on_when_its_connection_breaks() {
    let cluster = Cluster::new().start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    let call = tool("long_running", json!({ "steps": 3, "delay_ms": 100 }));
    let reply = client
        .legacy(&url, &session, &legacy(1, "tools/call", call))
        .await;
    let mut events = reply.events();
    let id = events.primed().await;
    drop(events);
    let resumed = client.stream(&url, &session, Some(&id)).await;
    let messages = resumed.messages().await;
    assert!(
        messages.last().expect("a response")["result"].is_object(),
        "{messages:?}"
    );
    cluster.assert_idle().await;
}

#[tokio::test]
async fn ending_a_session_cancels_what_runs_in_it() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let call = legacy(1, "tools/call", endless());
    let mut events = client
        .legacy(&cluster.gateway(0), &session, &call)
        .await
        .events();
    events.expect("notifications/progress").await;
    assert!(
        client
            .end_session(&cluster.gateway(1), &session)
            .await
            .is_success()
    );
    events.rest().await;
    cluster.assert_idle().await;
}
