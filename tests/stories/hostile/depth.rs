//! JSON nested so deeply that a reader that calls itself would run out of stack.

use serde_json::json;

use super::{BOTH_ERAS, Legacy, Modern, Target, echo, refused, request, request_with, taken};

/// Levels: more than serde_json reads by default (128), than Redis's cjson reads (1000), and than fit a small stack.
const LEVELS: [usize; 3] = [200, 1_500, 10_000];

fn lists(levels: usize) -> String {
    "[".repeat(levels) + &"]".repeat(levels)
}

fn objects(levels: usize) -> String {
    r#"{"a":"#.repeat(levels) + "1" + &"}".repeat(levels)
}

#[tokio::test]
async fn deep_members_get_a_definite_answer() {
    let mut target = Target::start().await;
    for levels in LEVELS {
        for deep in [lists(levels), objects(levels)] {
            for era in BOTH_ERAS {
                let what = |member: &str| {
                    format!("{era:?}: {levels} levels of {} in {member}", &deep[..1])
                };
                let arguments = format!(r#""name":"echo","arguments":{{"text":{deep}}}"#);
                let answers = format!(r#""name":"echo","inputResponses":{{"a":{deep}}}"#);
                let name = format!(r#""name":{deep}"#);
                let unknown = format!(r#"{},"unknown":{deep}"#, super::ECHO);
                let rows = [
                    refused(
                        what("arguments"),
                        target.call(era, request(era, "tools/call", &arguments)),
                        200,
                        -32602,
                    ),
                    refused(
                        what("inputResponses"),
                        target.call(era, request(era, "tools/call", &answers)),
                        200,
                        -32602,
                    ),
                    refused(
                        what("name"),
                        target.call(era, request(era, "tools/call", &name)),
                        super::refused_request(era),
                        -32602,
                    ),
                    refused(
                        what("id"),
                        target.call(
                            era,
                            echo(era).replace(r#""id":1"#, &format!(r#""id":{deep}"#)),
                        ),
                        400,
                        -32600,
                    ),
                    refused(
                        what("jsonrpc"),
                        target.call(era, echo(era).replace(r#""2.0""#, &deep)),
                        400,
                        -32600,
                    ),
                    // rmcp keeps a call's members until it has seen them all.
                    refused(
                        what("an unknown member"),
                        target.call(era, request(era, "tools/call", &unknown)),
                        200,
                        -32602,
                    ),
                ];
                target.attack(rows).await;
            }
        }
    }
    target.assert_unharmed().await;
}

#[tokio::test]
async fn deep_metadata_and_bodies_get_a_definite_answer() {
    let mut target = Target::start().await;
    for levels in LEVELS {
        let deep = objects(levels);
        let meta = format!(r#"{{"progressToken":{deep}}}"#);
        let extension = format!(r#"{{"com.example/x":{deep}}}"#);
        let unknown = |era| request(era, "no/such/method", &format!(r#""a":{deep}"#));
        let arguments = format!(r#""name":"mirrored","arguments":{{"a":{deep}}}"#);
        let rows = [
            refused(
                "a token",
                target.call(Legacy, request_with("tools/call", super::ECHO, &meta)),
                200,
                -32602,
            ),
            refused(
                "an extension",
                target.call(Legacy, request_with("tools/call", super::ECHO, &extension)),
                200,
                -32602,
            ),
            refused(
                "of an unknown method",
                target.post(Legacy, "", None, unknown(Legacy)),
                200,
                -32602,
            ),
            refused(
                "of an unknown method",
                target.post(Modern, "no/such/method", None, unknown(Modern)),
                200,
                -32602,
            ),
            refused(
                "mirrored arguments",
                target.post(
                    Modern,
                    "tools/call",
                    Some("mirrored"),
                    request(Modern, "tools/call", &arguments),
                ),
                400,
                -32602,
            ),
            refused("a body", target.call(Modern, deep.clone()), 400, -32600),
            refused("a list", target.call(Modern, lists(levels)), 400, -32600),
            refused(
                "no end",
                target.call(Modern, "[".repeat(levels)),
                400,
                -32700,
            ),
            refused(
                "no end",
                target.call(Legacy, r#"{"a":"#.repeat(levels)),
                400,
                -32700,
            ),
        ];
        target.attack(rows).await;
    }
    target.assert_unharmed().await;
}

#[tokio::test]
async fn a_session_is_not_opened_with_what_no_worker_could_read() {
    let mut target = Target::start().await;
    for levels in LEVELS {
        for deep in [lists(levels), objects(levels)] {
            for (capabilities, client) in [(json!("@"), json!({})), (json!({}), json!("@"))] {
                let deep = format!(r#"{{"deep":{deep}}}"#);
                let params = format!(
                    r#""protocolVersion":"2025-11-25","capabilities":{capabilities},"clientInfo":{client}"#
                );
                let params = params.replace("\"@\"", &deep);
                let request = target
                    .client
                    .post(&target.url, request(Legacy, "initialize", &params));
                target
                    .attack([refused(format!("{levels} levels"), request, 400, -32602)])
                    .await;
            }
        }
    }
    target.assert_unharmed().await;
}

#[tokio::test]
async fn a_deep_notification_or_answer_is_dropped() {
    let mut target = Target::start().await;
    for levels in LEVELS {
        let deep = objects(levels);
        let note = format!(r#"{{"jsonrpc":"2.0","method":"no/such","params":{{"a":{deep}}}}}"#);
        let cancel = format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/cancelled","params":{{"requestId":{deep}}}}}"#
        );
        let answer = format!(r#"{{"jsonrpc":"2.0","id":"x","result":{deep}}}"#);
        let rows = [
            taken("a notification", target.post(Legacy, "", None, note), 202),
            taken(
                "a cancel of nothing",
                target.post(Legacy, "", None, cancel),
                202,
            ),
            refused(
                "an answer to nothing",
                target.post(Legacy, "", None, answer),
                400,
                -32600,
            ),
        ];
        target.attack(rows).await;
    }
    target.assert_unharmed().await;
}
