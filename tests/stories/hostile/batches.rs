//! Batches, which 2025-03-26 alone has, with members that are none or may not be in one.

use prynai_test_harness::client::{MODERN, Session};
use serde_json::{Value, json};

use super::{BOTH_ERAS, Legacy, Modern, Target, echo, refused, request, request_with, taken};

async fn open(target: &Target) -> Session {
    let can = json!({});
    target
        .client
        .open_session_with(&target.url, "2025-03-26", can)
        .await
}

/// Members of a batch and the code that each is answered with; `None` when there is no error to tell of.
fn members() -> Vec<(&'static str, String, Option<i64>)> {
    let text = |text: &str| text.to_owned();
    vec![
        ("a number", text("7"), Some(-32600)),
        ("null", text("null"), Some(-32600)),
        ("a list", text("[]"), Some(-32600)),
        ("a batch", format!("[{}]", echo(Legacy)), Some(-32600)),
        ("an empty object", text("{}"), Some(-32600)),
        (
            "another version",
            echo(Legacy).replace("2.0", "1.0"),
            Some(-32600),
        ),
        (
            "no id",
            echo(Legacy).replace(r#""id":1"#, r#""id":null"#),
            Some(-32600),
        ),
        (
            "depth",
            "[".repeat(10_000) + &"]".repeat(10_000),
            Some(-32600),
        ),
        (
            "half a character",
            echo(Legacy).replace("tools/call", r"\ud800"),
            Some(-32700),
        ),
        (
            "initialize",
            request(
                Legacy,
                "initialize",
                r#""protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{}"#,
            ),
            Some(-32600),
        ),
        (
            "no method",
            request(Legacy, "logging/setLevel", r#""level":"loud""#),
            Some(-32602),
        ),
        (
            "deep arguments",
            request(
                Legacy,
                "tools/call",
                &format!(
                    r#""name":"echo","arguments":{{"a":{}}}"#,
                    "[".repeat(10_000) + &"]".repeat(10_000)
                ),
            ),
            Some(-32602),
        ),
        (
            "an answer to nothing",
            text(r#"{"jsonrpc":"2.0","id":"x","result":{}}"#),
            Some(-32600),
        ),
        (
            "a cancel of nothing",
            text(r#"{"jsonrpc":"2.0","method":"notifications/cancelled"}"#),
            Some(-32602),
        ),
        ("a ping", request(Legacy, "ping", ""), None),
    ]
}

#[tokio::test]
async fn hostile_members_do_not_spoil_the_others() {
    let mut target = Target::start().await;
    let session = open(&target).await;
    for (what, member, code) in members() {
        let good = echo(Legacy).replace(r#""id":1"#, r#""id":"good""#);
        let body = format!("[{member},{good},{member}]");
        let reply = target.client.send(target.post_in(&session, body)).await;
        target.reached.push(super::REACHED_ECHO.to_owned());
        let status = reply.status().as_u16();
        let answers: Vec<Value> = flat(reply.messages().await);
        let codes = answers.iter().filter(|answer| answer["id"] != "good");
        let codes: Vec<_> = codes
            .map(|answer| answer["error"]["code"].as_i64())
            .collect();
        let served = answers
            .iter()
            .filter(|answer| answer["id"] == "good" && answer["result"].is_object())
            .count();
        if (status, codes.as_slice(), served) != (200, &[code, code], 1) {
            target.deviation(format!("{what}: {status} {answers:?} instead of {code:?}"));
        }
    }
    target.assert_unharmed().await;
}

/// The answers, whether they came as a list or one by one.
fn flat(messages: Vec<Value>) -> Vec<Value> {
    let flat = messages.into_iter().flat_map(|message| match message {
        Value::Array(messages) => messages,
        message => vec![message],
    });
    flat.collect()
}

#[tokio::test]
async fn what_is_no_batch_or_may_be_none_is_refused() {
    let mut target = Target::start().await;
    let old = open(&target).await;
    let one = format!("[{}]", echo(Legacy));
    let many = |count: usize| format!("[{}]", vec![echo(Legacy); count].join(","));
    let bodies = [
        ("nothing", "[]".to_owned(), -32600),
        ("nothing, with spaces", " [ \n] ".to_owned(), -32600),
        ("65 messages", many(65), -32600),
        (
            "10 000 messages",
            format!("[{}]", vec!["{}"; 10_000].join(",")),
            -32600,
        ),
        ("half a batch", one[..one.len() - 1].to_owned(), -32700),
        ("two batches", format!("{one}{one}"), -32700),
        ("a comma too many", "[1,]".to_owned(), -32700),
        (
            "a batch that ends as an object",
            one.replace(']', "}"),
            -32700,
        ),
    ];
    for (what, body, code) in bodies {
        let request = target.post_in(&old, body);
        target.attack([refused(what, request, 400, code)]).await;
    }
    // 2025-06-18 and later have none (Changelog); nor is there one without a session.
    for era in BOTH_ERAS {
        let request = target.call(era, one.clone());
        target
            .attack([refused(format!("a batch, {era:?}"), request, 400, -32600)])
            .await;
    }
    let nowhere = target.client.post(&target.url, one.clone());
    target
        .attack([refused("a batch without a session", nowhere, 400, -32600)])
        .await;
    target.assert_unharmed().await;
}

/// The era is the session's: a modern message is none of a batch, whatever its headers say.
#[tokio::test]
async fn no_modern_message_hides_in_a_batch() {
    let mut target = Target::start().await;
    let session = open(&target).await;
    let modern = request_with("initialize", "", super::MODERN_META);
    let request = target.post_in(&session, format!("[{modern}]"));
    target
        .attack([refused("a modern initialize", request, 200, -32600)])
        .await;
    let request = target.post(
        Modern,
        "tools/call",
        Some("echo"),
        format!("[{}]", echo(Modern)),
    );
    let request = request.header("Mcp-Session-Id", &session.id);
    target
        .attack([refused(
            format!("a batch of {MODERN}"),
            request,
            400,
            -32600,
        )])
        .await;
    let request = target
        .client
        .post(&target.url, format!("[{}]", echo(Legacy)));
    let request = request
        .header("MCP-Protocol-Version", "1999-01-01")
        .header("Mcp-Session-Id", &session.id);
    target
        .attack([refused("a batch of 1999", request, 400, -32022)])
        .await;
    let all = taken(
        "64 pings",
        target.post_in(
            &session,
            format!("[{}]", vec![request_with("ping", "", "{}"); 64].join(",")),
        ),
        200,
    );
    target.attack([all]).await;
    target.assert_unharmed().await;
}
