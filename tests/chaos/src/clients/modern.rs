//! A client of 2026-07-28. A connection that breaks is the cancel; what comes after is a new call.

use std::net::SocketAddr;

use bytes::Bytes;
use http_body_util::Full;
use hyper::Request;

use crate::clients::http::{self, Frames, NoAnswer};
use crate::clients::observer::Observer;
use crate::clients::record::{Answer, Call};
use prynai_test_harness::client::{BOTH, MODERN};

const META: &str = r#","io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientCapabilities":{},"io.modelcontextprotocol/logLevel":"info""#;

/// Makes a call; gives an answer for when the observer has seen none.
pub async fn call(gateway: SocketAddr, call: &Call, observer: &mut Observer) -> Answer {
    let body = message(call.number, "tools/call", &call.params(META));
    let request = request(gateway, "tools/call", &call.tool.to_string(), body);
    let response = match http::send(gateway, request).await {
        Ok(response) => response,
        Err(NoAnswer::Unsent) => return Answer::Unsent,
        Err(NoAnswer::Broken) => return Answer::Dropped,
    };
    if let Some(refused) = refusal(&response) {
        return refused;
    }
    if http::is_event_stream(&response) {
        let mut frames = Frames::of(response);
        while let Some(frame) = frames.next().await {
            observer.frame(frame);
        }
    } else if let Some(body) = http::whole(response).await {
        observer.text(&String::from_utf8_lossy(&body));
    }
    Answer::Dropped
}

/// 429 and 503 with `Retry-After`: the call was not begun and may be sent again.
pub(super) fn refusal<B>(response: &hyper::Response<B>) -> Option<Answer> {
    let status = response.status().as_u16();
    let passing = matches!(status, 429 | 503) && response.headers().contains_key("retry-after");
    passing.then_some(Answer::Refused(status))
}

/// A request to what is named.
pub(super) fn request(
    gateway: SocketAddr,
    method: &str,
    name: &str,
    body: String,
) -> Request<Full<Bytes>> {
    Request::post("/mcp")
        .header("host", gateway.to_string())
        .header("content-type", "application/json")
        .header("accept", BOTH)
        .header("mcp-protocol-version", MODERN)
        .header("mcp-method", method)
        .header("mcp-name", name)
        .body(Full::from(body))
        .expect("is a request")
}

/// A JSON-RPC request.
pub(super) fn message(id: u64, method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":{id},"method":"{method}","params":{params}}}"#)
}
