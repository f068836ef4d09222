//! Members of the wrong type: wherever the specification gives a member a type, no other one is taken.

use super::{BOTH_ERAS, Legacy, Modern, REACHED_ECHO, Target, refused, taken};

/// A request with `@` where the wrong value stands, and how each era refuses it: what routing needs is refused by the
/// gateway (400), the rest by the worker, whose answers have the status 200 but for the codes that have one of their
/// own (2026-07-28, Streamable HTTP).
struct Wrong {
    method: &'static str,
    /// `Mcp-Name`.
    name: Option<&'static str>,
    params: &'static str,
    values: &'static [&'static str],
    /// `None` in an era that does not have the method.
    legacy: Option<u16>,
    modern: Option<u16>,
}

const fn wrong(
    method: &'static str,
    name: Option<&'static str>,
    params: &'static str,
    values: &'static [&'static str],
    status: u16,
) -> Wrong {
    Wrong {
        method,
        name,
        params,
        values,
        legacy: Some(200),
        modern: Some(status),
    }
}

const NO_STRING: &[&str] = &["true", "7", "1e400", "[]", "[\"echo\"]", "{}"];
pub(super) const NO_STRING_NOR_NULL: &[&str] = &["null", "true", "7", "[]", "{}"];
/// An empty list stands for an object that is not there (`lenient.rs`).
pub(super) const NO_OBJECT: &[&str] = &["true", "7", "\"x\"", "[{}]"];
const NO_OBJECT_NOR_NULL: &[&str] = &["null", "true", "7", "\"x\"", "[]"];

const WRONG: [Wrong; 30] = [
    // What the headers mirror must be there.
    wrong("tools/call", Some("echo"), r#""name":@"#, &["null"], 400),
    wrong("tools/call", Some("echo"), r#""arguments":@"#, &["{}"], 400),
    wrong("resources/read", None, "", &[""], 400),
    // Escapes of half a character are JSON, but no text.
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":@"#,
        &[r#""\udc00""#, r#""\ud800\u0041""#],
        400,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo",@:1"#,
        &[r#""\ud800""#],
        400,
    ),
    wrong("tools/list", None, r#""cursor":@"#, &[r#""\ud800""#], 200),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":@,"arguments":{"text":"x"}"#,
        NO_STRING,
        400,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","name":@"#,
        &["\"echo\"", "\"add\"", "7"],
        400,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","n\u0061me":@"#,
        &["\"add\""],
        400,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","arguments":@"#,
        NO_OBJECT,
        200,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","arguments":{},"arguments":@"#,
        &["{}"],
        400,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","arguments":{"text":@}"#,
        &["1e400", r#""\ud800""#],
        200,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","requestState":@"#,
        NO_STRING,
        200,
    ),
    wrong(
        "tools/call",
        Some("echo"),
        r#""name":"echo","inputResponses":@"#,
        NO_OBJECT,
        200,
    ),
    wrong("prompts/get", Some("greet"), r#""name":@"#, NO_STRING, 400),
    wrong(
        "prompts/get",
        Some("greet"),
        r#""name":"greet","arguments":@"#,
        NO_OBJECT,
        200,
    ),
    wrong(
        "resources/read",
        Some("everything://readme"),
        r#""uri":@"#,
        NO_STRING,
        400,
    ),
    wrong(
        "resources/read",
        Some("everything://readme"),
        r#""uri":"everything://readme","uri":@"#,
        &["\"x:y\""],
        400,
    ),
    wrong("tools/list", None, r#""cursor":@"#, NO_STRING, 400),
    wrong("prompts/list", None, r#""cursor":@"#, NO_STRING, 400),
    wrong("resources/list", None, r#""cursor":@"#, NO_STRING, 400),
    wrong(
        "resources/templates/list",
        None,
        r#""cursor":@"#,
        NO_STRING,
        400,
    ),
    wrong(
        "completion/complete",
        None,
        r#""ref":@,"argument":{"name":"a","value":"b"}"#,
        NO_OBJECT_NOR_NULL,
        200,
    ),
    wrong(
        "completion/complete",
        None,
        r#""ref":{"type":"ref/prompt","name":@},"argument":{"name":"a","value":"b"}"#,
        NO_STRING_NOR_NULL,
        200,
    ),
    wrong(
        "completion/complete",
        None,
        r#""ref":{"type":"ref/prompt","name":"greet"},"argument":@"#,
        NO_OBJECT_NOR_NULL,
        200,
    ),
    wrong(
        "completion/complete",
        None,
        r#""ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"name","value":@}"#,
        NO_STRING_NOR_NULL,
        200,
    ),
    Wrong {
        legacy: Some(200),
        modern: None,
        ..wrong(
            "logging/setLevel",
            None,
            r#""level":@"#,
            &["null", "7", "\"loud\"", "\"Error\"", "[]", "{}"],
            0,
        )
    },
    Wrong {
        legacy: Some(200),
        modern: None,
        ..wrong(
            "resources/subscribe",
            None,
            r#""uri":@"#,
            NO_STRING_NOR_NULL,
            0,
        )
    },
    Wrong {
        legacy: Some(200),
        modern: None,
        ..wrong(
            "resources/unsubscribe",
            None,
            r#""uri":@"#,
            NO_STRING_NOR_NULL,
            0,
        )
    },
    Wrong {
        legacy: None,
        modern: Some(400),
        ..wrong(
            "subscriptions/listen",
            None,
            r#""notifications":@"#,
            &[
                "null",
                "7",
                r#"{"toolsListChanged":7}"#,
                r#"{"resourceSubscriptions":"x"}"#,
                r#"{"resourceSubscriptions":[7]}"#,
            ],
            0,
        )
    },
];

#[tokio::test]
async fn members_of_the_wrong_type_are_refused() {
    let mut target = Target::start().await;
    for Wrong {
        method,
        name,
        params,
        values,
        legacy,
        modern,
    } in WRONG
    {
        for (era, status) in [(Legacy, legacy), (Modern, modern)] {
            let Some(status) = status else { continue };
            for value in values {
                let params = params.replace('@', value);
                let what = format!("{era:?} {method} {params}");
                let body = super::request(era, method, &params);
                let request = target.post(era, method, name, body);
                target
                    .attack([refused(what, request, status, -32602)])
                    .await;
            }
        }
    }
    target.assert_unharmed().await;
}

/// Odd, but not wrong: unknown members and values are passed on, and `null` is how some clients write an optional
/// member that they do not set.
const PASSED_ON: [&str; 7] = [
    r#""name":"echo","arguments":{"text":"x","text":"y"}"#,
    r#""name":"echo","arguments":{"text":"x","more":1e300}"#,
    r#""name":"echo","arguments":{"text":"x"},"requestState":null"#,
    r#""name":"echo","arguments":{"text":"x"},"inputResponses":null"#,
    r#""name":"echo","arguments":{"text":"x","__proto__":{"a":1}}"#,
    r#""name":"echo","arguments":{"text":"\u0000\u202e"}"#,
    r#""name":"echo","arguments":{"text":"x"},"task":7,"id":2,"method":"ping""#,
];

#[tokio::test]
async fn what_is_only_odd_is_passed_on() {
    let mut target = Target::start().await;
    for era in BOTH_ERAS {
        for params in PASSED_ON {
            let request = target.call(era, super::request(era, "tools/call", params));
            let row = taken(format!("{era:?} {params}"), request, 200).reaching(REACHED_ECHO);
            target.attack([row]).await;
        }
    }
    target.assert_unharmed().await;
}

/// `params` of `initialize` (2025-11-25, Lifecycle).
const WRONG_INITIALIZE: [&str; 10] = [
    "",
    r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"\ud800"}"#,
    r#""protocolVersion":null,"capabilities":{},"clientInfo":{}"#,
    r#""protocolVersion":7,"capabilities":{},"clientInfo":{}"#,
    r#""protocolVersion":["2025-11-25"],"capabilities":{},"clientInfo":{}"#,
    r#""capabilities":{},"clientInfo":{}"#,
    r#""protocolVersion":"2025-11-25","capabilities":"{}","clientInfo":{}"#,
    r#""protocolVersion":"2025-11-25","capabilities":{},"clientInfo":7"#,
    r#""protocolVersion":"2025-11-25","capabilities":{}"#,
    r#""protocolVersion":"2025-11-25","protocolVersion":"2025-03-26","capabilities":{},"clientInfo":{}"#,
];

#[tokio::test]
async fn no_session_is_opened_for_what_is_no_initialize() {
    let mut target = Target::start().await;
    for params in WRONG_INITIALIZE {
        let body = super::request(Legacy, "initialize", params);
        let request = target.client.post(&target.url, body);
        target
            .attack([refused(
                format!("initialize {params}"),
                request,
                400,
                -32602,
            )])
            .await;
    }
    target.assert_unharmed().await;
}
