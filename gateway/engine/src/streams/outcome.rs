//! How a call ended, as its last event says.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use serde::Deserialize;

use crate::metrics::operation::Outcome;

/// What a response with an error has in any case, and most others have not: these need not be read for it.
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""error""#));

/// The same for a tool's result that says that it is an error.
static IS_ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""isError""#));

/// How the call ended whose last event this is.
pub(crate) fn outcome(last: &StreamEvent, is_of_tool: bool) -> Outcome {
    let Some(message) = &last.message else {
        return match last.kind {
            EventKind::Cancelled => Outcome::Cancelled,
            _ => Outcome::Success,
        };
    };
    match error_code(message) {
        Some(code) => Outcome::Error(code),
        None if is_of_tool && is_tool_error(message) => Outcome::ToolError,
        None => Outcome::Success,
    }
}

/// The code of the error that a response is, if it is one.
pub(crate) fn error_code(response: &RawJson) -> Option<i64> {
    #[derive(Deserialize)]
    struct Response {
        error: Option<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: i64,
    }
    ERROR.find(response.as_str().as_bytes())?;
    let response: Response = response.read().ok()?;
    response.error.map(|error| error.code)
}

fn is_tool_error(response: &RawJson) -> bool {
    #[derive(Deserialize)]
    struct Response {
        result: ToolResult,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct ToolResult {
        #[serde(default)]
        is_error: Option<bool>,
    }
    if !may_be_tool_error(response.as_str()) {
        return false;
    }
    let response = response.read::<Response>();
    response.is_ok_and(|response| response.result.is_error == Some(true))
}

/// Whether a member `isError` of it is true, at whatever place: most results say that theirs is false.
fn may_be_tool_error(response: &str) -> bool {
    let mut places = IS_ERROR.find_iter(response.as_bytes());
    places.any(|place| {
        let rest = &response[place + IS_ERROR.needle().len()..];
        let value = rest.trim_start().strip_prefix(':').map(str::trim_start);
        value.is_some_and(|value| value.starts_with('t'))
    })
}

#[cfg(test)]
mod tests {
    use prynai_bus::ids::StreamId;

    use super::*;

    fn of(message: &str) -> Outcome {
        let message = RawJson::parse(message).unwrap();
        let last = StreamEvent::new(StreamId::generate(), 1, EventKind::Final, message);
        outcome(&last, true)
    }

    #[test]
    fn a_response_says_how_its_call_ended() {
        for (message, expected) in [
            (
                r#"{"id":1,"result":{"content":[],"isError":false}}"#,
                Outcome::Success,
            ),
            (r#"{"id":1,"result":{"content":[]}}"#, Outcome::Success),
            (
                r#"{"id":1,"result":{"content":[],"isError":true}}"#,
                Outcome::ToolError,
            ),
            (
                r#"{"id":1,"result":{"isError" : true}}"#,
                Outcome::ToolError,
            ),
            (
                r#"{"id":1,"error":{"code":-32602,"message":"no"}}"#,
                Outcome::Error(-32602),
            ),
            (
                r#"{"error":{"message":"no","code":7},"id":"isError"}"#,
                Outcome::Error(7),
            ),
            // What a result holds is not what it is.
            (
                r#"{"id":1,"result":{"structuredContent":{"isError":true}}}"#,
                Outcome::Success,
            ),
            (
                r#"{"id":1,"result":{"error":{"code":1}}}"#,
                Outcome::Success,
            ),
            (
                r#"{"id":1,"result":{"content":[{"text":"\"isError\":true"}]}}"#,
                Outcome::Success,
            ),
        ] {
            assert_eq!(of(message), expected, "{message}");
        }
        let cancelled = StreamEvent::cancelled(StreamId::generate(), 1);
        assert_eq!(outcome(&cancelled, true), Outcome::Cancelled);
    }
}
