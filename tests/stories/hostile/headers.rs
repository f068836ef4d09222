//! Headers that lie, contradict each other or the body (2026-07-28, Streamable HTTP, Request Metadata).

use prynai_test_harness::client::{BOTH, LEGACY, MODERN};
use reqwest::header::HeaderValue;

use super::{BOTH_ERAS, Era, Legacy, Modern, REACHED_ECHO, Target, echo, refused, request, taken};

type Headers = &'static [(&'static str, &'static [u8])];

const VERSION: (&str, &[u8]) = ("MCP-Protocol-Version", MODERN.as_bytes());
const METHOD: (&str, &[u8]) = ("Mcp-Method", b"tools/call");
const NAME: (&str, &[u8]) = ("Mcp-Name", b"echo");

/// Headers of a modern call of `echo` that do not say what its body says: 400 and -32020 (Server Validation).
const LIES: [Headers; 43] = [
    &[METHOD, NAME],
    &[VERSION, NAME],
    &[VERSION, METHOD],
    &[VERSION, VERSION, METHOD, NAME],
    &[VERSION, METHOD, METHOD, NAME],
    &[VERSION, METHOD, NAME, NAME],
    &[VERSION, METHOD, NAME, ("Mcp-Name", b"add")],
    &[VERSION, METHOD, ("Mcp-Name", b"add"), NAME],
    &[VERSION, ("Mcp-Method", b"ping"), METHOD, NAME],
    &[
        ("MCP-Protocol-Version", b"2025-11-25"),
        VERSION,
        METHOD,
        NAME,
    ],
    &[
        ("MCP-Protocol-Version", b"2026-07-28, 2026-07-28"),
        METHOD,
        NAME,
    ],
    &[("MCP-Protocol-Version", b"2025-11-25"), METHOD, NAME],
    &[("MCP-Protocol-Version", b"2026-07-29"), METHOD, NAME],
    &[("MCP-Protocol-Version", b"2026-07-28\xff"), METHOD, NAME],
    &[("MCP-Protocol-Version", b"\"2026-07-28\""), METHOD, NAME],
    &[("MCP-Protocol-Version", b""), METHOD, NAME],
    &[VERSION, ("Mcp-Method", b""), NAME],
    &[VERSION, ("Mcp-Method", b"tools/call, tools/call"), NAME],
    &[VERSION, ("Mcp-Method", b"tools%2Fcall"), NAME],
    &[VERSION, ("Mcp-Method", b"tools/call;q=1"), NAME],
    &[VERSION, ("Mcp-Method", b"tools/call\xa0"), NAME],
    // Only names and parameters may be encoded (Value Encoding).
    &[
        VERSION,
        ("Mcp-Method", b"=?base64?dG9vbHMvY2FsbA==?="),
        NAME,
    ],
    &[VERSION, METHOD, ("Mcp-Name", b"")],
    &[VERSION, METHOD, ("Mcp-Name", b"Echo")],
    &[VERSION, METHOD, ("Mcp-Name", b"\"echo\"")],
    &[VERSION, METHOD, ("Mcp-Name", b"ech%6F")],
    &[VERSION, METHOD, ("Mcp-Name", b"echo%00")],
    &[VERSION, METHOD, ("Mcp-Name", b"echo,echo")],
    &[VERSION, METHOD, ("Mcp-Name", b"ec ho")],
    &[VERSION, METHOD, ("Mcp-Name", b"\xc3\xa9cho")],
    &[VERSION, METHOD, ("Mcp-Name", b"echo\xff")],
    // Base64 of "add", of "echo\0", of " echo", of bytes that are no text, of itself; none of it, or half of it.
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?YWRk?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?ZWNobwA=?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?IGVjaG8=?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?/w==?=")],
    &[
        VERSION,
        METHOD,
        ("Mcp-Name", b"=?base64?PT9iYXNlNjQ/WldOb2J3PT0/PQ==?="),
    ],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64??=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?ZWNobw?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?ZWNobx==?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?ZWN obw==?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?base64?ZWNobw==")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?BASE64?ZWNobw==?=")],
    &[VERSION, METHOD, ("Mcp-Name", b"=?utf-8?b?ZWNobw==?=")],
];

#[tokio::test]
async fn headers_that_do_not_mirror_the_body_are_refused() {
    let mut target = Target::start().await;
    for headers in LIES {
        let mut request = target.client.post(&target.url, echo(Modern));
        for (name, value) in headers {
            request = request.header(*name, bytes(value));
        }
        let what = format!("{headers:?}");
        target.attack([refused(what, request, 400, -32020)]).await;
    }
    // A name that looks encoded must be encoded (Value Encoding).
    let lookalike = echo(Modern).replace(r#""echo""#, r#""=?base64?ZWNobw==?=""#);
    let request = target.post(Modern, "tools/call", Some("=?base64?ZWNobw==?="), lookalike);
    target
        .attack([refused("a name that looks encoded", request, 400, -32020)])
        .await;
    target.assert_unharmed().await;
}

fn bytes(value: &[u8]) -> HeaderValue {
    HeaderValue::from_bytes(value).expect("may be sent")
}

/// The arguments of the tool `mirrored` and headers that do not say the same (Custom Headers from Tool Parameters).
const LYING_PARAMETERS: [(&str, Headers); 14] = [
    (r#"{"region":"eu"}"#, &[]),
    (r#"{"region":"eu"}"#, &[("Mcp-Param-Region", b"us")]),
    (
        r#"{"region":"eu"}"#,
        &[("Mcp-Param-Region", b"eu"), ("Mcp-Param-Region", b"eu")],
    ),
    (r#"{"region":"eu"}"#, &[("Mcp-Param-Region", b"eu\xff")]),
    (
        r#"{"region":"eu"}"#,
        &[("Mcp-Param-Region", b"=?base64?dXM=?=")],
    ),
    (
        r#"{"region":"eu"}"#,
        &[("Mcp-Param-Region", b"eu"), ("Mcp-Param-Limit", b"1")],
    ),
    (r#"{"region":null}"#, &[("Mcp-Param-Region", b"null")]),
    (
        r#"{"region":{"a":1}}"#,
        &[("Mcp-Param-Region", b"{\"a\":1}")],
    ),
    (
        r#"{"region":"us","region":"eu"}"#,
        &[("Mcp-Param-Region", b"us")],
    ),
    (r#"{"limit":7}"#, &[("Mcp-Param-Limit", b"7.5")]),
    (r#"{"limit":7}"#, &[("Mcp-Param-Limit", b"0x7")]),
    (r#"{"limit":7}"#, &[("Mcp-Param-Limit", b"NaN")]),
    (r#"{"dry":true}"#, &[("Mcp-Param-Dry", b"True")]),
    (r#"{"dry":true}"#, &[("Mcp-Param-Dry", b"1")]),
];

#[tokio::test]
async fn headers_that_do_not_mirror_the_arguments_are_refused() {
    let mut target = Target::start().await;
    let params = |arguments: &str| format!(r#""name":"mirrored","arguments":{arguments}"#);
    for (arguments, headers) in LYING_PARAMETERS {
        let body = request(Modern, "tools/call", &params(arguments));
        let mut request = target.post(Modern, "tools/call", Some("mirrored"), body);
        for (name, value) in headers {
            request = request.header(*name, bytes(value));
        }
        let what = format!("{arguments} with {headers:?}");
        target.attack([refused(what, request, 400, -32020)]).await;
    }
    let honest = request(Modern, "tools/call", &params(r#"{"region":"eu"}"#));
    let honest = target.post(Modern, "tools/call", Some("mirrored"), honest);
    let honest = honest.header("Mcp-Param-Region", "=?base64?ZXU=?=");
    let row = taken("the same twice", honest, 200).reaching("tools/call mirrored");
    target.attack([row]).await;
    target.assert_unharmed().await;
}

/// `Accept` and `Content-Type`, and what is wrong with them.
const FORMS: [(&str, &[u8], u16); 10] = [
    ("Content-Type", b"text/plain", 415),
    ("Content-Type", b"application/x-www-form-urlencoded", 415),
    (
        "Content-Type",
        b"multipart/form-data; boundary=application/json",
        415,
    ),
    ("Content-Type", b"application/jsonp", 415),
    ("Content-Type", b"text/plain, application/json", 415),
    ("Content-Type", b"", 415),
    ("Content-Type", b"application/json\xff", 400),
    ("Accept", b"text/event-stream", 406),
    ("Accept", b"text/html", 406),
    ("Accept", b"application/json, text/event-stream\xff", 406),
];

#[tokio::test]
async fn forms_that_are_not_spoken_are_refused() {
    let mut target = Target::start().await;
    for (name, value, status) in FORMS {
        for era in BOTH_ERAS {
            let (accept, content) = match name {
                "Accept" => (bytes(value), bytes(b"application/json")),
                _ => (bytes(BOTH.as_bytes()), bytes(value)),
            };
            let request = in_forms(&target, era, accept, content);
            let what = format!("{era:?} {name}: {:?}", value.escape_ascii().to_string());
            target
                .attack([refused(what, request, status, -32600)])
                .await;
        }
    }
    target.assert_unharmed().await;
}

/// An honest call but for these two headers.
fn in_forms(
    target: &Target,
    era: Era,
    accept: HeaderValue,
    content: HeaderValue,
) -> reqwest::RequestBuilder {
    let request = target.client.request("POST", &target.url).body(echo(era));
    let request = request
        .header("Accept", accept)
        .header("Content-Type", content);
    match era {
        Legacy => request.header("Mcp-Session-Id", &target.session.id),
        Modern => request
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "echo"),
    }
}

#[tokio::test]
async fn versions_that_are_not_served_are_refused_and_headers_of_the_other_era_ignored() {
    let mut target = Target::start().await;
    for version in [
        "1999-01-01",
        "2024-11-05",
        "2025-11-26",
        "v1",
        "2025-11-25;q=1",
        "latest",
    ] {
        let request = target.client.post(&target.url, echo(Legacy));
        let request = request
            .header("MCP-Protocol-Version", version)
            .header("Mcp-Session-Id", &target.session.id);
        target
            .attack([refused(version, request, 400, -32022)])
            .await;
    }
    for version in ["2026-07-29", "2027-01-01", "9999-99-99"] {
        let request = target
            .client
            .post(&target.url, echo(Modern).replace(MODERN, version));
        let request = request
            .header("MCP-Protocol-Version", version)
            .header("Mcp-Method", "tools/call")
            .header("Mcp-Name", "echo");
        target
            .attack([refused(version, request, 400, -32022)])
            .await;
    }
    // 2026-07-28, Streamable HTTP, Earlier Streamable HTTP Revisions: they are ignored.
    for (name, value) in [("Mcp-Session-Id", "../x"), ("Last-Event-ID", "-1")] {
        let request = target.call(Modern, echo(Modern)).header(name, value);
        let row = taken(name, request, 200).reaching(REACHED_ECHO);
        target.attack([row]).await;
    }
    // Headers of the modern era mean nothing in a session.
    let request = target
        .call(Legacy, echo(Legacy))
        .header("Mcp-Method", "ping");
    let row = taken(format!("Mcp-Method in {LEGACY}"), request, 200).reaching(REACHED_ECHO);
    target.attack([row]).await;
    target.assert_unharmed().await;
}
