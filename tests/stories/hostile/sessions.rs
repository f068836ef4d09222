//! Sessions, streams and questions of others, or of nobody.

use prynai_test_harness::client::{Session, legacy, tool};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{Legacy, Target, echo, refused, taken};

/// `Mcp-Session-Id`s that name no session: 404, after which a client begins anew (2025-11-25, Session Management).
const NO_SESSIONS: [&str; 12] = [
    "",
    "x",
    "../x",
    "00000000000000000000000000000000",
    "0123456789ABCDEF0123456789ABCDEF",
    "0123456789abcdef0123456789abcdef0",
    "01234567-89ab-cdef-0123-456789abcdef",
    "{01234567-89ab-cdef-0123-456789abcdef}",
    "0123456789abcdef0123456789abcde}",
    "*",
    "0123456789abcdef 0123456789abcdef",
    "0123456789abcdef0123456789abcdef:calls",
];

#[tokio::test]
async fn a_session_that_is_none_is_not_found() {
    let mut target = Target::start().await;
    let ended = target.client.open_session(&target.url).await;
    assert!(
        target
            .client
            .end_session(&target.url, &ended)
            .await
            .is_success()
    );
    let upper = target.session.id.to_uppercase();
    let padded = format!("{}00", target.session.id);
    let long = "f".repeat(10_000);
    let ids = [ended.id.as_str(), &upper, &padded, &long];
    for id in NO_SESSIONS.into_iter().chain(ids) {
        for request in everything_of(&target, id) {
            target
                .attack([refused(format!("session {id:.50}"), request, 404, -32600)])
                .await;
        }
    }
    for method in ["POST", "GET", "DELETE"] {
        let request = target.client.request(method, &target.url);
        let request = request
            .header("Content-Type", "application/json")
            .body(echo(Legacy));
        target
            .attack([refused(
                format!("{method} without a session"),
                request,
                400,
                -32600,
            )])
            .await;
    }
    target.assert_unharmed().await;
}

/// What one can do with a session.
fn everything_of(target: &Target, id: &str) -> [RequestBuilder; 6] {
    let note = r#"{"jsonrpc":"2.0","method":"no/such"}"#;
    let answer = r#"{"jsonrpc":"2.0","id":"x","result":{}}"#;
    let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
    let [post_call, post_note, post_answer, post_ping] =
        [echo(Legacy), note.into(), answer.into(), ping.into()]
            .map(|body| target.client.post(&target.url, body));
    let get = target
        .client
        .request("GET", &target.url)
        .header("Accept", "text/event-stream");
    let delete = target.client.request("DELETE", &target.url);
    [post_call, post_note, post_answer, post_ping, get, delete]
        .map(|request| request.header("Mcp-Session-Id", id))
}

/// Event ids that are none, with `@` for a stream of the session itself and `^` for the feed: 400, since 404 would say
/// that the session has ended.
const NO_EVENTS: [&str; 21] = [
    "",
    "0",
    "-1",
    "-",
    "@",
    "@-",
    "@--1",
    "@-+1",
    "@-01",
    "@-1.0",
    "@-1e3",
    "@-0x1",
    "@-18446744073709551616",
    "@-99999999999999999999999999999999999999",
    "@-1-1",
    "%40-1",
    "feed-",
    "^--1-0",
    "^-+1-0",
    "^-18446744073709551616-0",
    "feed-$-0-0",
];

#[tokio::test]
async fn streams_of_nobody_or_another_session_are_not_resumed() {
    let mut target = Target::start().await;
    let stranger = target.client.open_session(&target.url).await;
    let (stream, feed) = (
        stream_of(&target, &target.session).await,
        feed(&target).await,
    );
    target.reached.push("tools/call long_running".to_owned());
    let nobodys = get(&target, &target.session, &format!("{}-1", "0".repeat(32)));
    target
        .attack([refused("nobody's event", nobodys, 405, -32600)])
        .await;
    for id in NO_EVENTS {
        let id = id.replace('@', &stream).replace('^', &feed);
        let request = get(&target, &target.session, &id);
        target
            .attack([refused(format!("event {id}"), request, 400, -32600)])
            .await;
    }
    for offset in ["0", "1", "9007199254740993", "18446744073709551615"] {
        let request = get(&target, &stranger, &format!("{stream}-{offset}"));
        target
            .attack([refused(
                format!("foreign event {offset}"),
                request,
                405,
                -32600,
            )])
            .await;
    }
    target.assert_unharmed().await;
}

/// Places after everything there is: of a call that has ended nothing is left to be sent, and of the feed, what comes.
#[tokio::test]
async fn places_beyond_the_end_are_harmless() {
    let mut target = Target::start().await;
    let (stream, feed) = (
        stream_of(&target, &target.session).await,
        feed(&target).await,
    );
    target.reached.push("tools/call long_running".to_owned());
    for offset in ["3", "1000000", "9007199254740993", "18446744073709551615"] {
        let reply = target
            .client
            .send(get(&target, &target.session, &format!("{stream}-{offset}")))
            .await;
        let status = reply.status().as_u16();
        let text = reply.text().await;
        if status != 405 || text.contains("\"result\"") {
            target.deviation(format!("offset {offset}: {status} {text}"));
        }
    }
    for place in [
        "18446744073709551615-0",
        "18446744073709551615-18446744073709551615",
    ] {
        let request = get(&target, &target.session, &format!("{feed}-{place}"));
        target
            .attack([refused(format!("feed {place}"), request, 400, -32600)])
            .await;
    }
    // Of another life of the feed: that it is lost is told by a stream that says that anything changed.
    for place in [
        "0-0",
        "0-18446744073709551615",
        "18446744073709551615-18446744073709551615",
    ] {
        let reply = target
            .client
            .send(get(
                &target,
                &target.session,
                &format!("feed-other-{place}"),
            ))
            .await;
        let mut events = reply.events();
        events.expect("notifications/tools/list_changed").await;
    }
    target.assert_unharmed().await;
}

fn get(target: &Target, session: &Session, last: &str) -> RequestBuilder {
    let request = target
        .client
        .request("GET", &target.url)
        .header("Accept", "text/event-stream");
    request
        .header("Mcp-Session-Id", &session.id)
        .header("Last-Event-ID", last)
}

/// The name of a stream of the session, whose call has ended.
async fn stream_of(target: &Target, session: &Session) -> String {
    let call = tool("long_running", json!({ "steps": 1, "delay_ms": 300 }));
    let call = legacy(1, "tools/call", call);
    let mut events = target
        .client
        .legacy(&target.url, session, &call)
        .await
        .events();
    let primed = events
        .frame()
        .await
        .and_then(|frame| frame.id)
        .expect("a priming event");
    events.rest().await;
    primed.split_once('-').expect("has an offset").0.to_owned()
}

/// `feed-` and the epoch of the change feed, which every stream of a session tells.
async fn feed(target: &Target) -> String {
    let mut events = target
        .client
        .stream(&target.url, &target.session, None)
        .await
        .events();
    let id = events
        .frame()
        .await
        .and_then(|frame| frame.id)
        .expect("a priming event");
    id.splitn(3, '-').take(2).collect::<Vec<_>>().join("-")
}

/// `id`s of answers to questions that nobody asked; `@` is the stream that asks, whose question is `@.1.0`.
const NO_QUESTIONS: [&str; 12] = [
    "0",
    "1",
    "-1",
    "\"x\"",
    "\"\"",
    "\"@\"",
    "\"@.1\"",
    "\"@.1.0.0\"",
    "\"@.01.0\"",
    "\"@.-1.0\"",
    "\"@.1.4294967296\"",
    "\"00000000000000000000000000000000.1.0\"",
];

#[tokio::test]
async fn answers_to_questions_nobody_asked_are_refused() {
    let mut target = Target::start().await;
    let stranger = target.client.open_session(&target.url).await;
    let call = legacy(1, "tools/call", tool("plan_trip", json!({})));
    let mut events = target
        .client
        .legacy(&target.url, &target.session, &call)
        .await
        .events();
    target.reached.push("tools/call plan_trip".to_owned());
    let asked = events.expect("elicitation/create").await["id"].clone();
    let stream = asked
        .as_str()
        .and_then(|id| id.split_once('.'))
        .expect("a name")
        .0;
    let forged = |id: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{}}}"#,
            chosen("sea")
        )
    };
    for id in NO_QUESTIONS {
        let body = forged(&id.replace('@', stream));
        let request = target.post_in(&target.session, body);
        target
            .attack([refused(format!("an answer to {id}"), request, 400, -32600)])
            .await;
    }
    let request = target.post_in(&stranger, forged(&asked.to_string()));
    target
        .attack([taken("an answer of another session", request, 202)])
        .await;
    // Of another attempt or number of the same call: it is taken, and no question has it.
    for question in ["7.0", "1.7", "4294967295.4294967295"] {
        let request = target.post_in(&target.session, forged(&format!("\"{stream}.{question}\"")));
        target
            .attack([taken(
                format!("an answer to question {question}"),
                request,
                202,
            )])
            .await;
    }
    for answer in ["7", "null", "[]", r#"{"action":"steal"}"#] {
        let body = format!(r#"{{"jsonrpc":"2.0","id":{asked},"result":{answer},"error":null}}"#);
        target.client.send(target.post_in(&stranger, body)).await;
    }
    let odd = format!(r#"{{"jsonrpc":"2.0","id":{asked},"result":{{"action":"steal"}}}}"#);
    target
        .attack([taken(
            "an answer that says nothing",
            target.post_in(&target.session, odd),
            202,
        )])
        .await;
    let last: Value = events.rest().await.pop().expect("a response");
    assert!(
        last["error"]["code"].is_i64() || last["result"]["isError"] == true,
        "{last}"
    );
    target.assert_unharmed().await;
}

fn chosen(choice: &str) -> Value {
    json!({ "action": "accept", "content": { "choice": choice } })
}
