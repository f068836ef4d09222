//! Open streams tell of nothing that may not be read, also when that changes while they are open.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::scene::{Client, Events, Scene};
use super::*;

const OPEN: &str = "[[allow]]\nresources = [\"x://a\", \"x://b\"]";
const CLOSED: &str = "[[allow]]\nresources = [\"x://b\"]";

const LISTS: [&str; 3] = ["tools", "prompts", "resources"];

async fn listen(client: &Client<'_>, uris: Value) -> (Events, Value) {
    let lists = json!({
        "toolsListChanged": true, "promptsListChanged": true, "resourcesListChanged": true,
        "resourceSubscriptions": uris,
    });
    let opened = client
        .ask("subscriptions/listen", json!({"notifications": lists}))
        .await;
    let mut events = Events::of(opened);
    let acknowledged = events.message().await;
    assert_eq!(
        acknowledged["method"],
        "notifications/subscriptions/acknowledged"
    );
    let agreed = acknowledged["params"]["notifications"].clone();
    (events, agreed)
}

/// What a client that listens is told when the policy changes: that its lists may differ, and its resources.
async fn assert_told_anything_may_differ(events: &mut Events, uris: &[&str]) {
    for list in LISTS {
        let message = events.message().await;
        assert_eq!(
            message["method"],
            format!("notifications/{list}/list_changed")
        );
    }
    for uri in uris {
        assert_eq!(updated(events).await, *uri);
    }
}

async fn updated(events: &mut Events) -> String {
    let message = events.message().await;
    assert_eq!(
        message["method"], "notifications/resources/updated",
        "{message}"
    );
    message["params"]["uri"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_subscription_is_acknowledged_as_far_as_it_is_allowed() {
    let scene = Scene::new(Some(CLOSED)).await;
    let client = scene.modern(anonymous());
    let (mut events, agreed) = listen(&client, json!(["x://a", "x://b"])).await;
    assert_eq!(agreed["resourceSubscriptions"], json!(["x://b"]));
    scene.update("x://a").await;
    scene.update("x://b").await;
    assert_eq!(updated(&mut events).await, "x://b");
    // What was not agreed on is not told of later either.
    scene.change_policy(OPEN);
    assert_told_anything_may_differ(&mut events, &["x://b"]).await;
    scene.update("x://a").await;
    scene.update("x://b").await;
    assert_eq!(updated(&mut events).await, "x://b");
    let (_, agreed) = listen(&client, json!(["x://c"])).await;
    assert_eq!(agreed.get("resourceSubscriptions"), None);
    assert_eq!(agreed["toolsListChanged"], true);
}

#[tokio::test]
async fn a_modern_stream_follows_the_policy() {
    let scene = Scene::new(Some(OPEN)).await;
    let client = scene.modern(anonymous());
    let (mut events, agreed) = listen(&client, json!(["x://a", "x://b"])).await;
    assert_eq!(agreed["resourceSubscriptions"], json!(["x://a", "x://b"]));
    scene.update("x://a").await;
    assert_eq!(updated(&mut events).await, "x://a");
    scene.change_policy(CLOSED);
    assert_told_anything_may_differ(&mut events, &["x://b"]).await;
    scene.update("x://a").await;
    scene.update("x://b").await;
    assert_eq!(updated(&mut events).await, "x://b");
    scene.change_policy(OPEN);
    assert_told_anything_may_differ(&mut events, &["x://a", "x://b"]).await;
    scene.update("x://a").await;
    assert_eq!(updated(&mut events).await, "x://a");
}

#[tokio::test]
async fn a_legacy_stream_follows_the_policy() {
    let scene = Scene::new(Some(OPEN)).await;
    let client = scene.legacy(anonymous(), "2025-11-25").await;
    for uri in ["x://a", "x://b"] {
        let (status, _) = client
            .answer("resources/subscribe", json!({"uri": uri}))
            .await;
        assert_eq!(status, StatusCode::OK);
    }
    let mut events = client.changes().await;
    scene.update("x://a").await;
    assert_eq!(updated(&mut events).await, "x://a");
    scene.change_policy(CLOSED);
    assert_told_anything_may_differ(&mut events, &["x://b"]).await;
    scene.update("x://a").await;
    scene.update("x://b").await;
    assert_eq!(updated(&mut events).await, "x://b");
    let (_, answer) = client
        .answer("resources/subscribe", json!({"uri": "x://a"}))
        .await;
    assert_eq!(answer["error"]["data"]["reason"], "policy", "{answer}");
}

#[tokio::test]
async fn a_stream_belongs_to_the_token_that_opened_it() {
    let scene = Scene::new(Some("[[allow]]\nresources = [\"x://a\"]\nany_scope = [\"s\"]\n[[allow]]\nresources = [\"x://b\"]")).await;
    let session = scene.legacy(user(&["s"], &[]), "2025-11-25").await;
    for uri in ["x://a", "x://b"] {
        let (status, _) = session
            .answer("resources/subscribe", json!({"uri": uri}))
            .await;
        assert_eq!(status, StatusCode::OK);
    }
    let weaker = session.with_token_of(user(&[], &[]));
    let mut events = weaker.changes().await;
    scene.update("x://a").await;
    scene.update("x://b").await;
    assert_eq!(updated(&mut events).await, "x://b");
}
