//! Tokens that end while a stream is open.

use std::time::Duration;

use prynai_test_harness::client::{RawClient, legacy, long_running, modern};
use serde_json::json;

use super::{Guarded, assert_refused};

/// Short enough to wait for, long enough to open a session in: the gateway allows 60 s more.
const SHORT_S: i64 = -45;

#[tokio::test]
async fn a_stream_that_only_listens_ends_with_its_token() {
    let guarded = Guarded::start().await;
    let (issuer, url) = (&guarded.issuer, &guarded.url);
    let long = RawClient::bearing(&issuer.token().jwt());
    let session = long.open_session_with(url, "2025-06-18", json!({})).await;
    let subscribe = modern(
        1,
        "subscriptions/listen",
        json!({ "notifications": { "toolsListChanged": true } }),
    );
    let mut stays = long.modern(url, &subscribe).await.events();
    let short = RawClient::bearing(&issuer.token().expires_in(SHORT_S).jwt());
    let (listens, subscribed) = tokio::join!(
        short.stream(url, &session, None),
        short.modern(url, &subscribe)
    );
    let (mut listens, mut subscribed) = (listens.events(), subscribed.events());
    let ended = async |events: &mut prynai_test_harness::client::Events| {
        while events.frame().await.is_some() {}
    };
    tokio::join!(ended(&mut listens), ended(&mut subscribed));
    // A stream ends at the moment, a token within the second.
    let refused = async || short.stream(url, &session, None).await.status() == 401;
    prynai_test_redis::assert_eventually!(refused().await, "the token does not end");
    assert_refused(
        short.stream(url, &session, None).await,
        401,
        Some("invalid_token"),
    )
    .await;
    let again = long.stream(url, &session, None).await;
    assert_eq!(again.status(), 200, "another token opens it again");
    // Whoever is slow here finds nothing, rather than what is not there.
    let open = tokio::time::timeout(Duration::from_millis(300), ended(&mut stays)).await;
    assert!(
        open.is_err(),
        "the stream of another token has ended as well"
    );
}

#[tokio::test]
async fn the_answer_to_a_call_that_was_let_in_is_told() {
    let guarded = Guarded::start().await;
    let short = RawClient::bearing(&guarded.issuer.token().expires_in(SHORT_S).jwt());
    let call = long_running(20, 1_000);
    let (url, call) = (&guarded.url, modern(1, "tools/call", call));
    let mut events = short.modern(url, &call).await.events();
    let session = legacy(1, "ping", json!({}));
    let refused = async || short.modern(url, &session).await.status() == 401;
    prynai_test_redis::assert_eventually!(refused().await, "the token does not end");
    let mut last = None;
    while let Some((_, message)) = events.message().await {
        last = Some(message);
    }
    assert_eq!(
        last.expect("is told")["result"]["content"][0]["text"],
        "done after 20 steps"
    );
}
