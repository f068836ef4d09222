//! What a JSON-RPC message says, as far as a load tool must know it.

use std::borrow::Cow;

use serde::Deserialize;
use serde_json::value::RawValue;

use super::failure::Failure;

/// Characters of a server's own words that name a kind of error.
const WIDTH: usize = 80;

/// What a message is to a client that waits for the response to one request.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// The response: a result, or why there is none.
    Response(Result<(), Failure>),
    /// A notification, or a question to the client.
    Else,
}

#[derive(Deserialize)]
struct Message<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Option<Cow<'a, str>>,
    #[serde(borrow)]
    error: Option<ErrorObject<'a>>,
    #[serde(borrow)]
    result: Option<ResultObject<'a>>,
}

#[derive(Deserialize)]
struct ErrorObject<'a> {
    code: i64,
    #[serde(default, borrow)]
    message: Cow<'a, str>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
}

/// A result whose other fields do not matter here.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct ResultObject<'a> {
    #[serde(default)]
    is_error: bool,
    #[serde(borrow)]
    result_type: Option<Cow<'a, str>>,
}

/// `data` of our own errors.
#[derive(Deserialize)]
struct Reason {
    reason: String,
}

/// What a tool says of its failure.
#[derive(Deserialize)]
struct FailedTool {
    result: FailedResult,
}

#[derive(Deserialize)]
struct FailedResult {
    content: Vec<Content>,
}

#[derive(Deserialize)]
struct Content {
    #[serde(default)]
    text: String,
}

/// The part of the result of `initialize` that matters for what follows.
#[derive(Deserialize)]
struct Initialized {
    result: InitializeResult,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct InitializeResult {
    protocol_version: String,
}

/// Reads a message.
///
/// # Errors
///
/// When it is none.
pub(crate) fn read(bytes: &[u8], id: u64) -> Result<Heard, Failure> {
    let message: Message<'_> = serde_json::from_slice(bytes)
        .map_err(|_| Failure::refused("the answer is no JSON-RPC message"))?;
    if message.method.is_some() {
        return Ok(Heard::Else);
    }
    if let Some(error) = message.error {
        // A server that could not read the id answers without one.
        return Ok(Heard::Response(Err(Failure::refused(name_of(&error)))));
    }
    if message.id.and_then(|id| id.get().parse().ok()) != Some(id) {
        return Err(Failure::refused("the answer has another id"));
    }
    Ok(Heard::Response(match message.result {
        None => Err(Failure::refused("the answer has no result")),
        Some(result) if result.is_error => Err(Failure::refused(failed_tool(bytes))),
        Some(result) => match result.result_type.as_deref() {
            Some("input_required") => Err(Failure::refused("the tool asked for input")),
            _ => Ok(()),
        },
    }))
}

/// The reason of an error in plain words, if there is one.
pub(crate) fn reason(bytes: &[u8]) -> Option<String> {
    let message: Message<'_> = serde_json::from_slice(bytes).ok()?;
    Some(name_of(&message.error?))
}

/// The revision that the server chose in its response to `initialize`.
pub(crate) fn chosen_version(bytes: &[u8]) -> Option<String> {
    let initialized: Initialized = serde_json::from_slice(bytes).ok()?;
    Some(initialized.result.protocol_version)
}

fn name_of(error: &ErrorObject<'_>) -> String {
    let data = error.data.map(RawValue::get);
    let reason = data.and_then(|data| serde_json::from_str::<Reason>(data).ok());
    match reason {
        Some(Reason { reason }) => reason,
        None => format!("error {}: {}", error.code, short(&error.message)),
    }
}

fn failed_tool(bytes: &[u8]) -> String {
    let failed = serde_json::from_slice::<FailedTool>(bytes).ok();
    let first = failed.and_then(|failed| failed.result.content.into_iter().next());
    let text = first.map(|content| content.text).unwrap_or_default();
    match text.is_empty() {
        true => "the tool failed".to_owned(),
        false => format!("the tool failed: {}", short(&text)),
    }
}

/// As much of a text as is good for a line of a table.
fn short(text: &str) -> String {
    let line = text.lines().next().unwrap_or_default();
    match line.char_indices().nth(WIDTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(message: &str) -> String {
        match read(message.as_bytes(), 7) {
            Ok(Heard::Response(Ok(()))) => "answered".to_owned(),
            Ok(Heard::Response(Err(failure))) | Err(failure) => failure.kind().into_owned(),
            Ok(Heard::Else) => "something else".to_owned(),
        }
    }

    #[test]
    fn a_response_is_a_result_or_says_why_there_is_none() {
        for (message, expected) in [
            (
                r#"{"id":7,"result":{"content":[],"isError":false}}"#,
                "answered",
            ),
            (r#"{"id":7,"result":{}}"#, "answered"),
            (r#"{"id":8,"result":{}}"#, "the answer has another id"),
            (r#"{"id":"7","result":{}}"#, "the answer has another id"),
            (r#"{"id":7}"#, "the answer has no result"),
            (r#"{"method":"notifications/progress"}"#, "something else"),
            (r#"{"id":7,"method":"ping"}"#, "something else"),
            ("<html>", "the answer is no JSON-RPC message"),
            (
                r#"{"id":7,"result":{"content":[{"type":"text","text":"no\nway"}],"isError":true}}"#,
                "the tool failed: no",
            ),
            (
                r#"{"id":7,"result":{"resultType":"input_required"}}"#,
                "the tool asked for input",
            ),
            (
                r#"{"id":7,"error":{"code":-32603,"message":"x","data":{"reason":"queue_full"}}}"#,
                "queue_full",
            ),
            (
                r#"{"id":null,"error":{"code":-32602,"message":"unknown tool","data":"x"}}"#,
                "error -32602: unknown tool",
            ),
        ] {
            assert_eq!(kind(message), expected, "{message}");
        }
    }

    #[test]
    fn the_server_chooses_the_revision() {
        let chosen = br#"{"id":0,"result":{"protocolVersion":"2025-06-18","capabilities":{}}}"#;
        assert_eq!(chosen_version(chosen).as_deref(), Some("2025-06-18"));
        assert_eq!(chosen_version(b"{}"), None);
    }
}
