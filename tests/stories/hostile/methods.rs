//! Methods that do not exist, do not exist any more, or are none of a client's.

use super::{Legacy, Modern, Target, refused, request, taken};

/// Not methods of the protocol. A handler may have methods of its own, so it is asked before a client hears -32601;
/// over 2026-07-28 with the status 404 (Streamable HTTP, Protocol Version Header).
const UNKNOWN: [&str; 9] = [
    "no/such/method",
    "Tools/call",
    "tools/call/",
    "tools/call#",
    "tools//call",
    "../tools/call",
    "__proto__",
    "rpc.discover",
    "*",
];

/// What a server asks of a client (2025-11-25, Client Features) and what is a notification by its name.
const OF_THE_OTHER_SIDE: [&str; 6] = [
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "notifications/initialized",
    "notifications/cancelled",
    "notifications/message",
];

#[tokio::test]
async fn what_is_no_method_is_not_found() {
    let mut target = Target::start().await;
    for method in UNKNOWN.into_iter().chain(OF_THE_OTHER_SIDE) {
        for (era, status) in [(Legacy, 200), (Modern, 404)] {
            let body = request(era, method, super::ECHO);
            let row = refused(
                format!("{era:?} {method}"),
                target.post(era, method, None, body),
                status,
                -32601,
            );
            target.attack([row.reaching(method)]).await;
        }
    }
    target.assert_unharmed().await;
}

/// Methods of one era only: a modern client declares the extension. If it names its task in a header, too, both agree.
const ELSEWHERE: [&str; 3] = ["tasks/get", "tasks/update", "tasks/cancel"];

#[tokio::test]
async fn removed_methods_and_those_of_other_extensions_are_not_found() {
    let mut target = Target::start().await;
    // 2026-07-28, Changelog.
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "resources/unsubscribe",
        // 2025-11-25 had them as an experiment.
        "tasks/list",
        "tasks/result",
    ] {
        let params = r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{},"level":"info","uri":"a:b""#;
        let request = target.post(Modern, method, None, request(Modern, method, params));
        target
            .attack([refused(format!("modern {method}"), request, 404, -32601)])
            .await;
    }
    for method in ELSEWHERE {
        for (era, name, status, code) in [
            (Legacy, None, 200, -32601),
            (Modern, None, 400, -32021),
            (Modern, Some("1"), 400, -32021),
            (Modern, Some("2"), 400, -32020),
        ] {
            let params = r#""taskId":"1","inputResponses":{},"uri":"a:b""#;
            let request = target.post(era, method, name, request(era, method, params));
            let what = format!("{era:?} {method} {name:?}");
            target.attack([refused(what, request, status, code)]).await;
        }
    }
    target.assert_unharmed().await;
}

#[tokio::test]
async fn a_skill_or_directory_that_is_not_named_is_refused() {
    let mut target = Target::start().await;
    for method in ["skills/get", "resources/directory/read"] {
        for params in ["", r#""uri":7"#, r#""uri":null"#, r#""uri":["a:b"]"#] {
            for era in [Legacy, Modern] {
                let request = target.post(era, method, None, request(era, method, params));
                let what = format!("{era:?} {method} {params}");
                // A worker says so, which answers the request.
                target.attack([refused(what, request, 200, -32602)]).await;
            }
        }
    }
    target.assert_unharmed().await;
}

/// Notifications and whether a handler hears of them; nobody is answered (JSON-RPC 2.0, section 4.1).
const NOTIFICATIONS: [(&str, &str, u16, bool); 9] = [
    ("no/such/notification", r#"{"a":1}"#, 202, true),
    (
        "tools/call",
        r#"{"name":"echo","arguments":{"text":"x"}}"#,
        202,
        true,
    ),
    ("initialize", "{}", 202, true),
    (
        "notifications/message",
        r#"{"level":"info","data":1}"#,
        202,
        true,
    ),
    (
        "notifications/cancelled",
        r#"{"requestId":"nobody's"}"#,
        202,
        false,
    ),
    (
        "notifications/cancelled",
        r#"{"requestId":99999999999999999999}"#,
        202,
        false,
    ),
    (
        "notifications/progress",
        r#"{"progressToken":"nobody's","progress":1}"#,
        202,
        false,
    ),
    ("notifications/cancelled", "{}", 400, false),
    (
        "notifications/progress",
        r#"{"progress":"much"}"#,
        400,
        false,
    ),
];

/// MCP's own notifications of a client, none of which has a meaning over 2026-07-28 (Streamable HTTP,
/// Sending Messages, note).
const MEANINGLESS: [&str; 4] = [
    "notifications/initialized",
    "notifications/roots/list_changed",
    "notifications/cancelled",
    "notifications/progress",
];

#[tokio::test]
async fn notifications_nobody_knows_of_do_nothing() {
    let mut target = Target::start().await;
    for (method, params, status, is_heard) in NOTIFICATIONS {
        let body = format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#);
        let what = format!("notification {method} {params}");
        let legacy = target.post(Legacy, method, None, body.clone());
        let row = match status {
            202 => taken(&what, legacy, 202),
            _ => refused(&what, legacy, status, -32602),
        };
        let row = if is_heard { row.reaching(method) } else { row };
        let modern = taken(&what, target.post(Modern, method, None, body), 202);
        let modern = match is_heard && !MEANINGLESS.contains(&method) {
            true => modern.reaching(method),
            false => modern,
        };
        target.attack([row, modern]).await;
    }
    target.assert_unharmed().await;
}
