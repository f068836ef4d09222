//! A legacy stream that breaks is resumed on the other gateway and misses nothing.

use prynai_test_harness::client::{
    Events, RawClient, Session, legacy, long_running, notification, tool,
};
use prynai_test_harness::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};

const STEPS: u32 = 10;

async fn begin(client: &RawClient, url: &str, session: &Session) -> Events {
    let call = long_running(STEPS, 40);
    client
        .legacy(url, session, &legacy(9, "tools/call", call))
        .await
        .events()
}

fn progress(messages: &[Value]) -> Vec<u32> {
    let of_progress = messages
        .iter()
        .filter(|m| m["method"] == "notifications/progress");
    of_progress
        .map(|m| m["params"]["progress"].as_f64().expect("a number") as u32)
        .collect()
}

#[tokio::test]
async fn a_running_call_is_resumed_on_the_other_gateway() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let mut events = begin(client, &cluster.gateway(0), &session).await;
    let mut seen = Vec::new();
    let mut last = None;
    while progress(&seen).len() < 3 {
        let (id, message) = events.message().await.expect("more");
        last = id;
        seen.push(message);
    }
    drop(events);
    let resumed = client
        .stream(&cluster.gateway(1), &session, last.as_deref())
        .await;
    seen.extend(resumed.messages().await);
    assert_eq!(progress(&seen), (1..=STEPS).collect::<Vec<_>>());
    let responses: Vec<_> = seen.iter().filter(|m| m["id"] == 9).collect();
    assert_eq!(responses.len(), 1);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_call_whose_gateway_dies_is_resumed_on_the_other_one() {
    let mut cluster = Cluster::new().gateways(2).workers(2).start().await;
    let client = cluster.client.clone();
    let session = client.open_session(&cluster.gateway(0)).await;
    let mut events = begin(&client, &cluster.gateway(0), &session).await;
    let (id, first) = events.message().await.expect("a message");
    cluster.gateway_process(0).kill().await;
    let resumed = client
        .stream(&cluster.gateway(1), &session, id.as_deref())
        .await;
    let mut seen = vec![first];
    seen.extend(resumed.messages().await);
    assert_eq!(progress(&seen), (1..=STEPS).collect::<Vec<_>>());
    assert_eq!(seen.last().expect("a response")["id"], 9);
}

#[tokio::test]
async fn a_finished_call_is_replayed_as_often_as_asked() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let session = client.open_session(&cluster.gateway(0)).await;
    let mut events = begin(client, &cluster.gateway(0), &session).await;
    let primed = events.primed().await;
    let complete = events.rest().await;
    for gateway in [1, 0, 1] {
        let again = client
            .stream(&cluster.gateway(gateway), &session, Some(&primed))
            .await;
        assert_eq!(again.messages().await, complete);
    }
}

#[tokio::test]
async fn what_cannot_be_resumed_is_refused_and_disturbs_nobody() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    let session = client.open_session(&url).await;
    let stranger = client.open_session(&url).await;
    let mut events = begin(client, &url, &session).await;
    let primed = events.primed().await;
    let foreign = client.stream(&url, &stranger, Some(&primed)).await;
    assert_eq!(foreign.status(), StatusCode::METHOD_NOT_ALLOWED);
    for (id, status) in [
        (
            "0123456789abcdef0123456789abcdef-3",
            StatusCode::METHOD_NOT_ALLOWED,
        ),
        ("nonsense", StatusCode::BAD_REQUEST),
        ("feed-", StatusCode::BAD_REQUEST),
        ("", StatusCode::BAD_REQUEST),
    ] {
        let reply = client.stream(&url, &session, Some(id)).await;
        assert_eq!(reply.status(), status, "{id:?}");
        assert!(reply.json().await["error"]["message"].is_string());
    }
    let seen = events.rest().await;
    assert_eq!(progress(&seen), (1..=STEPS).collect::<Vec<_>>());
}

/// Clients resume a stream that ended without a response until they are told that nothing follows.
#[tokio::test]
async fn a_stream_that_will_never_carry_more_says_so() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let (one, other) = (cluster.gateway(0), cluster.gateway(1));
    let session = client.open_session(&one).await;
    let mut changes = client.stream(&one, &session, None).await.events();
    changes.frame().await.expect("a priming event");
    let uri = "everything://notes/resume";
    let subscribe = legacy(1, "resources/subscribe", json!({ "uri": uri }));
    client.legacy(&one, &session, &subscribe).await;

    // Its call was cancelled: after the event that was heard last nothing follows.
    let call = long_running(1_000, 100);
    let endless = legacy(2, "tools/call", call);
    let mut events = client.legacy(&one, &session, &endless).await.events();
    let primed = events.frame().await.expect("a frame").id.expect("an id");
    let (mut cancelled, first) = events.message().await.expect("progress");
    let cancel = notification("notifications/cancelled", json!({ "requestId": 2 }));
    client.legacy(&other, &session, &cancel).await;
    let mut heard = vec![first];
    while let Some((id, message)) = events.message().await {
        cancelled = id;
        heard.push(message);
    }
    // Its answer was the last event, a result or an error.
    let mut ended = vec![cancelled.expect("an id")];
    for (id, name) in [(3, "echo"), (4, "no_such_tool")] {
        let call = legacy(id, "tools/call", tool(name, json!({ "text": "x" })));
        let request = client
            .request("POST", &one)
            .header("Mcp-Session-Id", &session.id)
            .header("Content-Type", "application/json")
            .header("Accept", "text/event-stream, application/json")
            .body(call.to_string());
        let mut events = client.send(request).await.events();
        let (last, _) = events.message().await.expect("the answer");
        ended.push(last.expect("an id"));
    }
    for last in &ended {
        for url in [&one, &other, &one] {
            let reply = client.stream(url, &session, Some(last)).await;
            assert_eq!(reply.status(), StatusCode::METHOD_NOT_ALLOWED, "{last}");
            assert_eq!(reply.headers()["allow"], "POST, DELETE");
            assert_eq!(reply.headers()["cache-control"], "no-store");
            let error = reply.json().await["error"].clone();
            assert_eq!(error["code"], -32600, "{error}");
        }
    }
    // What came before is still told, to whoever has not heard it.
    let again = client.stream(&other, &session, Some(&primed)).await;
    assert_eq!(again.messages().await, heard);
    // The stream of the session goes on.
    let touch = legacy(
        5,
        "tools/call",
        tool("touch_resource", json!({ "uri": uri })),
    );
    client.legacy(&other, &session, &touch).await;
    changes.expect("notifications/resources/updated").await;
    drop(changes);
    cluster.assert_idle().await;
}

/// Whoever forgets where it was when nothing comes would go on with the stream of the session in its place.
#[tokio::test]
async fn a_resumed_stream_begins_with_where_its_client_was() {
    let cluster = Cluster::new().gateways(2).start().await;
    let client = &cluster.client;
    let url = cluster.gateway(0);
    for (version, tells) in [("2025-11-25", true), ("2025-06-18", false)] {
        let session = client.open_session_with(&url, version, json!({})).await;
        let mut events = begin(client, &url, &session).await;
        let (id, _) = events.message().await.expect("progress");
        drop(events);
        let other = cluster.gateway(1);
        let resumed = client.stream(&other, &session, id.as_deref()).await;
        let first = resumed.events().frame().await.expect("a frame");
        match tells {
            true => assert_eq!((first.id, first.data), (id, Some(String::new()))),
            false => assert!(first.comment, "{first:?}"),
        }
        client.end_session(&url, &session).await;
    }
    cluster.assert_idle().await;
}
