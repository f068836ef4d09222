//! A legacy stream that breaks is resumed on the other gateway and misses nothing.

use prynai_tests::client::{Events, RawClient, Session, legacy, tool};
use prynai_tests::cluster::Cluster;
use reqwest::StatusCode;
use serde_json::{Value, json};

const STEPS: u64 = 10;

async fn begin(client: &RawClient, url: &str, session: &Session) -> Events {
    let mut call = tool("long_running", json!({ "steps": STEPS, "delay_ms": 40 }));
    call["_meta"]["progressToken"] = json!("p");
    client
        .legacy(url, session, &legacy(9, "tools/call", call))
        .await
        .events()
}

fn progress(messages: &[Value]) -> Vec<u64> {
    let of_progress = messages
        .iter()
        .filter(|m| m["method"] == "notifications/progress");
    of_progress
        .map(|m| m["params"]["progress"].as_f64().expect("a number") as u64)
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
    let primed = events
        .frame()
        .await
        .expect("a frame")
        .id
        .expect("a priming event");
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
    let primed = events
        .frame()
        .await
        .expect("a frame")
        .id
        .expect("a priming event");
    let foreign = client.stream(&url, &stranger, Some(&primed)).await;
    assert_eq!(foreign.status(), StatusCode::BAD_REQUEST);
    for (id, status) in [
        (
            "0123456789abcdef0123456789abcdef-3",
            StatusCode::BAD_REQUEST,
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
