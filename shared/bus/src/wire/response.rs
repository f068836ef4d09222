//! How a call ended, as its response says.

use std::sync::LazyLock;

use memchr::memmem::Finder;
use serde::Deserialize;

use super::message::RawJson;

/// What a response with an error has in any case, and most others have not: these need not be read for it.
static ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""error""#));

/// The same for a tool's result that says that it is an error.
static IS_ERROR: LazyLock<Finder<'static>> = LazyLock::new(|| Finder::new(br#""isError""#));

/// What a response says of its call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// It has a result.
    Success,
    /// It is a JSON-RPC error with this code.
    Error(i64),
    /// It is a tool's result that says that it is an error.
    ToolError,
}

impl Ended {
    /// What this response says. `is_of_tool`: it answers `tools/call`.
    pub fn of(response: &RawJson, is_of_tool: bool) -> Self {
        match error_code(response) {
            Some(code) => Self::Error(code),
            None if is_of_tool && is_tool_error(response) => Self::ToolError,
            None => Self::Success,
        }
    }
}

/// The code of the error that a response is, if it is one.
pub fn error_code(response: &RawJson) -> Option<i64> {
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
    use super::*;

    #[test]
    fn a_response_says_how_its_call_ended() {
        for (message, expected) in [
            (
                r#"{"id":1,"result":{"content":[],"isError":false}}"#,
                Ended::Success,
            ),
            (r#"{"id":1,"result":{"content":[]}}"#, Ended::Success),
            (
                r#"{"id":1,"result":{"content":[],"isError":true}}"#,
                Ended::ToolError,
            ),
            (r#"{"id":1,"result":{"isError" : true}}"#, Ended::ToolError),
            (
                r#"{"id":1,"error":{"code":-32602,"message":"no"}}"#,
                Ended::Error(-32602),
            ),
            (
                r#"{"error":{"message":"no","code":7},"id":"isError"}"#,
                Ended::Error(7),
            ),
            // What a result holds is not what it is.
            (
                r#"{"id":1,"result":{"structuredContent":{"isError":true}}}"#,
                Ended::Success,
            ),
            (r#"{"id":1,"result":{"error":{"code":1}}}"#, Ended::Success),
            (
                r#"{"id":1,"result":{"content":[{"text":"\"isError\":true"}]}}"#,
                Ended::Success,
            ),
        ] {
            let message = RawJson::parse(message).unwrap();
            assert_eq!(Ended::of(&message, true), expected, "{message:?}");
        }
        let result = RawJson::parse(r#"{"id":1,"result":{"isError":true}}"#).unwrap();
        assert_eq!(Ended::of(&result, false), Ended::Success);
    }
}
