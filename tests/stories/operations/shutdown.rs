//! Stopping in order: nothing is cut off that can be ended properly.

use prynai_test_harness::client::{legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use serde_json::json;

#[tokio::test]
async fn a_stopping_gateway_sends_its_clients_to_the_other_one() {
    let plan = Cluster::new().gateways(2).workers(2);
    let mut cluster = plan.gateway_args(&["--stop-delay", "0s"]).start().await;
    let client = cluster.client.clone();
    let (one, other) = (cluster.gateway(0), cluster.gateway(1));
    let session = client.open_session(&one).await;
    let call = tool("long_running", json!({ "steps": 10, "delay_ms": 50 }));
    let mut running = client
        .legacy(&one, &session, &legacy(1, "tools/call", call.clone()))
        .await
        .events();
    let primed = running.primed().await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern("l", "subscriptions/listen", listen);
    let listening = client.modern(&one, &listen).await.events();
    let mut modern_call = call.clone();
    modern_call["_meta"]["progressToken"] = json!(1);
    let modern_call = modern(2, "tools/call", modern_call);
    let mut answering = client.modern(&one, &modern_call).await.events();
    answering.expect("notifications/progress").await;
    cluster.gateway_process(0).signal("-TERM");
    // The legacy stream is closed with a retry hint, and resumed on the other gateway.
    let mut retry = None;
    while let Some(frame) = running.frame().await {
        retry = frame.retry.or(retry);
    }
    assert!(retry.is_some());
    let resumed = client
        .stream(&other, &session, Some(&primed))
        .await
        .messages()
        .await;
    assert_eq!(resumed.last().expect("a response")["id"], 1);
    // The subscription ends with a complete result; the modern call is answered.
    let last = listening.rest().await.pop().expect("a result");
    assert_eq!(last["result"]["resultType"], "complete", "{last}");
    let answer = answering.rest().await.pop().expect("a response");
    assert_eq!(answer["id"], 2);
    assert!(cluster.gateway_process(0).ended().await.success());
}

#[tokio::test]
async fn a_stopping_worker_finishes_what_it_has_begun() {
    let mut cluster = Cluster::new().start().await;
    let client = cluster.client.clone();
    let url = cluster.gateway(0);
    let call = long_running(5, 50);
    let mut events = client
        .modern(&url, &modern(1, "tools/call", call))
        .await
        .events();
    events.expect("notifications/progress").await;
    cluster.worker_process(0).signal("-TERM");
    let response = events.rest().await.pop().expect("a response");
    assert!(response["result"].is_object(), "{response}");
    assert!(cluster.worker_process(0).ended().await.success());
    cluster.assert_idle().await;
}

#[tokio::test]
async fn what_a_stopping_worker_cannot_finish_is_run_by_another() {
    let mut cluster = Cluster::new()
        .worker_args(&["--drain-timeout", "100ms", "--lease", "2s"])
        .start()
        .await;
    let client = cluster.client.clone();
    let url = cluster.gateway(0);
    let call = long_running(20, 50);
    let mut events = client
        .modern(&url, &modern(1, "tools/call", call))
        .await
        .events();
    events.expect("notifications/progress").await;
    cluster.worker_process(0).signal("-TERM");
    cluster.worker_process(0).ended().await;
    cluster.restart_worker(0).await;
    let response = events.rest().await.pop().expect("a response");
    assert!(response["result"].is_object(), "{response}");
    cluster.assert_idle().await;
}
