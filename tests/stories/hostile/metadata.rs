//! `_meta` of the wrong type: what it says of client and request decides how a request is served.

use super::fields::{NO_OBJECT, NO_STRING_NOR_NULL};
use super::{BOTH_ERAS, ECHO, Era, Legacy, MODERN_META, Modern, Target, refused, request_with};

/// `_meta` of a call of `echo`, which the gateway refuses: 2026-07-28, Basic, Per-request protocol fields, and
/// Progress.
const WRONG_META: [(Option<Era>, &str, &[&str]); 11] = [
    (None, "@", NO_OBJECT),
    // To a legacy client an absent `_meta`, to a modern one one that lacks what is required.
    (Some(Modern), "@", &["null", "{}"]),
    (
        None,
        r#"{"progressToken":@}"#,
        &["true", "1.5", "1e3", "[]", "{}"],
    ),
    (None, r#"{"\ud800":@}"#, &["1"]),
    (
        Some(Modern),
        r#"{"io.modelcontextprotocol/protocolVersion":@,"io.modelcontextprotocol/clientCapabilities":{}}"#,
        NO_STRING_NOR_NULL,
    ),
    (
        Some(Modern),
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":@}"#,
        &["null", "true", "7", "\"x\""],
    ),
    (
        Some(Modern),
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{"sampling":@}}"#,
        NO_OBJECT,
    ),
    (
        Some(Modern),
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/clientInfo":@}"#,
        NO_OBJECT,
    ),
    (
        Some(Modern),
        r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":@}"#,
        &["7", "\"loud\"", "[]"],
    ),
    (
        Some(Legacy),
        r#"{"io.modelcontextprotocol/clientInfo":@}"#,
        NO_OBJECT,
    ),
    (
        Some(Legacy),
        r#"{"io.modelcontextprotocol/logLevel":@}"#,
        &["7", "\"loud\"", "[]"],
    ),
];

#[tokio::test]
async fn metadata_of_the_wrong_type_is_refused() {
    let mut target = Target::start().await;
    for (only, meta, values) in WRONG_META {
        for era in BOTH_ERAS
            .into_iter()
            .filter(|era| only.is_none_or(|only| only == *era))
        {
            for value in values {
                let meta = meta.replace('@', value);
                let request = target.call(era, request_with("tools/call", ECHO, &meta));
                let status = super::refused_request(era);
                let row = refused(format!("{era:?} _meta {meta}"), request, status, -32602);
                target.attack([row]).await;
            }
        }
    }
    let bare = super::request_with("tools/call", ECHO, "{}").replace(r#","_meta":{}"#, "");
    let request = target.call(Modern, bare);
    target
        .attack([refused("no _meta", request, 400, -32602)])
        .await;
    // Both names of the version must agree, also when the session speaks for another (Server Validation).
    let modern = request_with("tools/call", ECHO, MODERN_META);
    let request = target.call(Legacy, modern);
    target
        .attack([refused(
            "a modern message in a session",
            request,
            400,
            -32020,
        )])
        .await;
    target.assert_unharmed().await;
}
