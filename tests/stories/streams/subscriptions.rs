//! Changes reach whoever asked, on every gateway.

use prynai_test_harness::client::{RawClient, legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use serde_json::{Value, json};

const NOTE: &str = "everything://notes/retry";

async fn touch(client: &RawClient, url: &str, uri: &str) {
    let call = modern(
        "touch",
        "tools/call",
        tool("touch_resource", json!({ "uri": uri })),
    );
    let answer = client.modern(url, &call).await.response().await;
    assert_ne!(answer["result"]["isError"], true, "{answer}");
}

fn updated(message: &Value) -> Option<&str> {
    let is_update = message["method"] == "notifications/resources/updated";
    message["params"]["uri"].as_str().filter(|_| is_update)
}

#[tokio::test]
async fn a_legacy_session_hears_of_the_resources_it_subscribed_to_on_any_gateway() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let mut events = client
        .stream(&cluster.gateway(0), &session, None)
        .await
        .events();
    let subscribe = legacy(1, "resources/subscribe", json!({ "uri": NOTE }));
    let answer = client
        .legacy(&cluster.gateway(1), &session, &subscribe)
        .await
        .json()
        .await;
    assert_eq!(answer["result"], json!({}));
    touch(client, &cluster.proxy(), "everything://notes/resume").await;
    touch(client, &cluster.proxy(), NOTE).await;
    let (_, message) = events.message().await.expect("a message");
    assert_eq!(updated(&message), Some(NOTE));

    let unsubscribe = legacy(2, "resources/unsubscribe", json!({ "uri": NOTE }));
    client
        .legacy(&cluster.gateway(1), &session, &unsubscribe)
        .await;
    touch(client, &cluster.proxy(), NOTE).await;
    let again = legacy(
        3,
        "resources/subscribe",
        json!({ "uri": "everything://readme" }),
    );
    client.legacy(&cluster.gateway(1), &session, &again).await;
    touch(client, &cluster.proxy(), "everything://readme").await;
    let (_, message) = events.message().await.expect("a message");
    assert_eq!(updated(&message), Some("everything://readme"));
}

#[tokio::test]
async fn a_dropped_change_stream_resumes_on_the_other_gateway_and_misses_nothing() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let subscribe = legacy(1, "resources/subscribe", json!({ "uri": NOTE }));
    client
        .legacy(&cluster.gateway(0), &session, &subscribe)
        .await;
    let mut events = client
        .stream(&cluster.gateway(0), &session, None)
        .await
        .events();
    let place = events.primed().await;
    drop(events);
    for _ in 0..3 {
        touch(client, &cluster.proxy(), NOTE).await;
    }
    let resumed = client
        .stream(&cluster.gateway(1), &session, Some(&place))
        .await;
    let mut events = resumed.events();
    for _ in 0..3 {
        let (_, message) = events.message().await.expect("a message");
        assert_eq!(updated(&message), Some(NOTE));
    }
}

#[tokio::test]
async fn a_quiet_stream_that_ends_says_where_it_was() {
    let cluster = Cluster::new()
        .gateways(2)
        .gateway_args(&["--max-stream-age", "3s"])
        .start()
        .await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let opened = client.stream(&cluster.gateway(0), &session, None).await;
    let mut events = opened.events();
    let first = events.frame().await.expect("a priming event");
    // Of no interest to it: without a place of its own it would be behind this and all that follows.
    touch(client, &cluster.gateway(0), NOTE).await;
    let mut last = first.clone();
    while let Some(frame) = events.frame().await {
        last = frame;
    }
    assert_eq!(last.data.as_deref(), Some(""), "{last:?}");
    assert!(last.retry.is_some_and(|retry| retry >= 500), "{last:?}");
    assert!(last.id.is_some() && last.id != first.id, "{last:?}");
    let place = last.id.as_deref();
    let resumed = client.stream(&cluster.gateway(1), &session, place).await;
    let again = resumed.events().frame().await.expect("a priming event");
    assert_eq!(again.id.as_deref(), place, "it goes on from there");
}

#[tokio::test]
async fn a_modern_subscription_is_acknowledged_first_and_hears_what_it_asked_for() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let params = json!({ "notifications": { "resourceSubscriptions": [NOTE] } });
    let listen = modern(
        1_760_000_000_000_u64,
        "subscriptions/listen",
        params.clone(),
    );
    let mut events = client.modern(&cluster.gateway(0), &listen).await.events();
    let (id, first) = events.message().await.expect("a message");
    assert_eq!(id, None, "modern streams are not resumable");
    assert_eq!(first["method"], "notifications/subscriptions/acknowledged");
    assert_eq!(first["params"]["notifications"], params["notifications"]);
    touch(client, &cluster.gateway(1), "everything://readme").await;
    touch(client, &cluster.gateway(1), NOTE).await;
    let (_, message) = events.message().await.expect("a message");
    assert_eq!(updated(&message), Some(NOTE));
    for message in [first, message] {
        let meta = &message["params"]["_meta"];
        assert_eq!(
            meta["io.modelcontextprotocol/subscriptionId"],
            1_760_000_000_000_u64
        );
    }
}

#[tokio::test]
async fn ending_a_session_closes_its_change_stream_on_every_gateway() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let events = client
        .stream(&cluster.gateway(0), &session, None)
        .await
        .events();
    client.end_session(&cluster.gateway(1), &session).await;
    assert_eq!(events.rest().await, Vec::<Value>::new());
}

#[tokio::test]
async fn of_two_change_streams_of_a_session_the_newer_carries_the_news() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let subscribe = legacy(1, "resources/subscribe", json!({ "uri": NOTE }));
    client
        .legacy(&cluster.gateway(0), &session, &subscribe)
        .await;
    let older = client.stream(&cluster.gateway(0), &session, None).await;
    let newer = client.stream(&cluster.gateway(1), &session, None).await;
    let (mut older, mut last) = (older.events(), None);
    while let Some(frame) = older.frame().await {
        let data = frame.data.as_deref().unwrap_or_default();
        assert!(data.is_empty(), "{frame:?}");
        last = Some(frame);
    }
    // Two clients that come back at once would close each other for ever.
    let retry = last.and_then(|frame| frame.retry);
    assert!(retry >= Some(10_000), "{retry:?}");
    touch(client, &cluster.proxy(), NOTE).await;
    let (_, message) = newer.events().message().await.expect("a message");
    assert_eq!(updated(&message), Some(NOTE));
}

#[tokio::test]
async fn what_a_session_keeps_of_its_client_has_a_bound() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let initialize = async |bytes: usize| {
        let params = json!({
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": { "name": "x".repeat(bytes), "version": "1" },
        });
        let message = legacy(0, "initialize", params).to_string();
        client.send(client.post(&url, message)).await.json().await
    };
    let around = json!({ "name": "", "version": "1" }).to_string().len() + "{}".len();
    let most = 64 * 1024 - around;
    assert!(initialize(most).await["result"].is_object());
    assert_eq!(initialize(most + 1).await["error"]["code"], -32602);

    let session = client.open_session(&url).await;
    let subscribe = async |bytes: usize| {
        let uri = format!("{NOTE}{}", "x".repeat(bytes - NOTE.len()));
        let subscribe = legacy(1, "resources/subscribe", json!({ "uri": uri }));
        client.legacy(&url, &session, &subscribe).await.json().await
    };
    assert_eq!(subscribe(2048).await["result"], json!({}));
    assert_eq!(subscribe(2049).await["error"]["code"], -32602);
}
