//! Requests that no HTTP library sends: bytes on a connection of their own, straight to a gateway.

use prynai_test_harness::raw_tcp::until_closed;
use prynai_test_redis::PATIENCE;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

use super::{Legacy, Modern, REACHED_ECHO, Target, echo};

/// Heads of a POST of the call of `echo`, whose length is `@`; `^` ends a line. What HTTP itself forbids is refused
/// with 400 (RFC 9112, sections 2.2 to 6.3) by whichever layer sees it first, and so without a JSON-RPC error.
const HEADS: [(&str, &str, u16); 30] = [
    (
        "a folded line (section 5.2)",
        "Mcp-Session-Id: a^ b^Content-Length: @^",
        400,
    ),
    ("a NUL in a value", "X: a\0b^Content-Length: @^", 400),
    ("a CR in a value", "X: a\rb^Content-Length: @^", 400),
    ("an escape in a value", "X: a\x1bb^Content-Length: @^", 400),
    (
        "a space before the colon (section 5.1)",
        "Mcp-Method : ping^Content-Length: @^",
        400,
    ),
    (
        "a space before the name",
        " Mcp-Method: ping^Content-Length: @^",
        400,
    ),
    (
        "a line without a colon",
        "Mcp-Method^Content-Length: @^",
        400,
    ),
    ("a line without a name", ": ping^Content-Length: @^", 400),
    (
        "a name of other characters",
        "M\u{e9}: ping^Content-Length: @^",
        400,
    ),
    ("two lengths", "Content-Length: @^Content-Length: 5^", 400),
    ("two lengths in one", "Content-Length: @, 5^", 400),
    ("a negative length", "Content-Length: -1^", 400),
    ("a signed length", "Content-Length: +@^", 400),
    ("a hexadecimal length", "Content-Length: 0x10^", 400),
    ("no length", "Content-Length: ^", 400),
    (
        "a length beyond all numbers",
        "Content-Length: 99999999999999999999999^",
        400,
    ),
    ("an unknown coding", "Transfer-Encoding: xchunked^", 400),
    (
        "chunks that are not the last coding",
        "Transfer-Encoding: chunked, identity^",
        400,
    ),
    (
        "chunks twice over",
        "Transfer-Encoding: chunked^Transfer-Encoding: identity^",
        400,
    ),
    ("chunks of no size", "Transfer-Encoding: chunked^", 400),
    ("no length at all, so an empty body", "", 400),
    (
        "a second Host (section 3.2)",
        "Host: localhost^Content-Length: @^",
        400,
    ),
    (
        "a foreign second Host",
        "Host: evil.example.com^Content-Length: @^",
        400,
    ),
    (
        "a foreign Origin",
        "Origin: http://evil.example.com^Content-Length: @^",
        403,
    ),
    ("the Origin null", "Origin: null^Content-Length: @^", 403),
    (
        "a second Origin",
        "Origin: http://localhost^Origin: http://evil.example.com^Content-Length: @^",
        403,
    ),
    (
        "an Origin that begins well",
        "Origin: http://localhost.evil.example.com^Content-Length: @^",
        403,
    ),
    (
        "a session id of 60 000 bytes",
        "Mcp-Session-Id: ~^Content-Length: @^",
        404,
    ),
    ("a head beyond its limit", "X: ~~^Content-Length: @^", 431),
    (
        "two sessions",
        "Mcp-Session-Id: a^Mcp-Session-Id: b^Content-Length: @^",
        400,
    ),
];

#[tokio::test]
async fn heads_that_http_forbids_are_refused() {
    let mut target = Target::start().await;
    for (what, head, status) in HEADS {
        let body = echo(Legacy);
        let head = head
            .replace('@', &body.len().to_string())
            .replace('^', "\r\n");
        let head = head.replace('~', &"f".repeat(60_000));
        let text = format!("{}{head}\r\n{body}", post("/mcp"));
        target.judge_raw(what, &text, &[status]).await;
    }
    target.assert_unharmed().await;
}

fn post(path: &str) -> String {
    format!(
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    )
}

/// First lines of requests without a body.
const LINES: [(&str, &str, u16); 22] = [
    ("no Host (section 3.2)", "GET /mcp HTTP/1.1\r\n", 400),
    (
        "a foreign Host",
        "GET /mcp HTTP/1.1\r\nHost: evil.example.com\r\n",
        403,
    ),
    (
        "a Host with a user",
        "GET /mcp HTTP/1.1\r\nHost: localhost@evil.example.com\r\n",
        403,
    ),
    (
        "a foreign authority",
        "GET http://evil.example.com/mcp HTTP/1.1\r\nHost: localhost\r\n",
        403,
    ),
    (
        "HTTP/3 by name",
        "GET /mcp HTTP/3.0\r\nHost: localhost\r\n",
        400,
    ),
    ("no version", "GET /mcp\r\nHost: localhost\r\n", 400),
    (
        "a method with spaces",
        "PO ST /mcp HTTP/1.1\r\nHost: localhost\r\n",
        400,
    ),
    (
        "a path with a NUL",
        "GET /mcp\0 HTTP/1.1\r\nHost: localhost\r\n",
        400,
    ),
    (
        "another path",
        "GET /mcp/x HTTP/1.1\r\nHost: localhost\r\n",
        404,
    ),
    (
        "another path, encoded",
        "GET /%6dcp HTTP/1.1\r\nHost: localhost\r\n",
        404,
    ),
    (
        "a path from the root",
        "GET /livez/../mcp HTTP/1.1\r\nHost: localhost\r\n",
        404,
    ),
    (
        "a doubled path",
        "GET //mcp HTTP/1.1\r\nHost: localhost\r\n",
        404,
    ),
    (
        "CONNECT",
        "CONNECT localhost:1 HTTP/1.1\r\nHost: localhost\r\n",
        404,
    ),
    ("TRACE", "TRACE /mcp HTTP/1.1\r\nHost: localhost\r\n", 405),
    (
        "lower case",
        "post /mcp HTTP/1.1\r\nHost: localhost\r\n",
        405,
    ),
    ("PUT", "PUT /mcp HTTP/1.1\r\nHost: localhost\r\n", 405),
    ("PATCH", "PATCH /mcp HTTP/1.1\r\nHost: localhost\r\n", 405),
    ("HEAD", "HEAD /mcp HTTP/1.1\r\nHost: localhost\r\n", 405),
    (
        "OPTIONS",
        "OPTIONS /mcp HTTP/1.1\r\nHost: localhost\r\n",
        405,
    ),
    (
        "a method of nobody",
        "STEAL /mcp HTTP/1.1\r\nHost: localhost\r\n",
        405,
    ),
    // 2026-07-28, Streamable HTTP, Earlier Streamable HTTP Revisions.
    (
        "GET in the modern era",
        "GET /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: 2026-07-28\r\n",
        405,
    ),
    (
        "DELETE in the modern era",
        "DELETE /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: 2026-07-28\r\n",
        405,
    ),
];

#[tokio::test]
async fn requests_for_something_else_are_refused() {
    let mut target = Target::start().await;
    for (what, line, status) in LINES {
        let text = format!("{line}Connection: close\r\n\r\n");
        target.judge_raw(what, &text, &[status]).await;
    }
    for (what, bytes) in [
        ("TLS", "\x16\x03\x01\x02\0\x01\0\x01"),
        ("noise", "\0\0\0\0\r\n\r\n"),
    ] {
        target.judge_raw(what, bytes, &[400]).await;
    }
    target.assert_unharmed().await;
}

/// Bodies in chunks whose form is wrong: the call must not be begun.
const CHUNKS: [&str; 8] = [
    "zz\r\n@\r\n0\r\n\r\n",
    "-5\r\n@\r\n0\r\n\r\n",
    "0x10\r\n@\r\n0\r\n\r\n",
    "fffffffffffffffff\r\n@\r\n0\r\n\r\n",
    "#\r\n@0\r\n\r\n",
    "#\n@\n0\n\n",
    "#;a=\n\r\n@\r\n0\r\n\r\n",
    " #\r\n@\r\n0\r\n\r\n",
];

#[tokio::test]
async fn chunks_of_the_wrong_form_are_refused() {
    let mut target = Target::start().await;
    for chunks in CHUNKS {
        let body = echo(Legacy);
        let chunks = chunks
            .replace('#', &format!("{:x}", body.len()))
            .replace('@', &body);
        let session = &target.session.id;
        let head = format!(
            "{}Mcp-Session-Id: {session}\r\nTransfer-Encoding: chunked",
            post("/mcp")
        );
        target
            .judge_raw(&chunks, &format!("{head}\r\n\r\n{chunks}"), &[400])
            .await;
    }
    target.assert_unharmed().await;
}

/// A body whose two lengths disagree: a second request must not come out of the first (RFC 9112, section 11.2).
#[tokio::test]
async fn no_second_request_is_smuggled_in_a_body() {
    let mut target = Target::start().await;
    let hidden = "GET /livez HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
    let head = post("/mcp").replace("Connection: close\r\n", "");
    for (what, text) in [
        (
            "the length counts the hidden one",
            format!(
                "{head}Content-Length: {}\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n{hidden}",
                hidden.len() + 5
            ),
        ),
        (
            "the other way about",
            format!(
                "{head}Transfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n{:x}\r\n{hidden}\r\n0\r\n\r\n",
                hidden.len()
            ),
        ),
    ] {
        let answers = target.exchange(&text).await;
        // Either one is refused, and the connection ends with it (section 6.3).
        if answers.matches("HTTP/1.1 ").count() != 1 || !answers.starts_with("HTTP/1.1 400") {
            target.deviation(format!("{what}: {answers:?}"));
        }
    }
    target.assert_unharmed().await;
}

#[tokio::test]
async fn an_honest_request_in_raw_bytes_is_served() {
    let mut target = Target::start().await;
    let body = echo(Modern);
    let headers = "mcp-protocol-version:2026-07-28\r\nMCP-METHOD: \ttools/call\t \r\nMcp-Name: =?base64?ZWNobw==?=";
    let text = format!(
        "{}{headers}\r\nTransfer-Encoding: chunked\r\n\r\n{:x};a=b\r\n{body}\r\n0\r\nX: y\r\n\r\n",
        post("/mcp"),
        body.len()
    );
    target.judge_raw("an honest request", &text, &[200]).await;
    target.reached.push(REACHED_ECHO.to_owned());
    target.assert_unharmed().await;
}

impl Target {
    /// Sends bytes and looks at the status; a JSON body is an error as JSON-RPC wants it.
    async fn judge_raw(&mut self, what: &str, text: &str, expected: &[u16]) {
        let answer = self.exchange(text).await;
        let status = answer
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok());
        let body = answer.split_once("\r\n\r\n").map_or("", |(_, body)| body);
        let body: Option<Value> = serde_json::from_str(body).ok();
        let well_formed = body
            .as_ref()
            .is_none_or(|body| body.get("result").is_some() || super::is_refusal(body));
        if !status.is_some_and(|status| expected.contains(&status)) || !well_formed {
            self.deviation(format!("{what}: {answer:.300} instead of {expected:?}"));
        }
    }

    /// What one of the gateways says to these bytes until it closes the connection.
    async fn exchange(&self, text: &str) -> String {
        let address = self.cluster.address(text.len() % 2);
        let mut stream = TcpStream::connect(address).await.expect("listens");
        // It may be refused, and the connection closed, before all is sent.
        let _ = stream.write_all(text.as_bytes()).await;
        let answer = until_closed(&mut stream, PATIENCE).await;
        String::from_utf8_lossy(&answer.expect("is answered in time")).into_owned()
    }
}
