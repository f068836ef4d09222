//! JSON-RPC 2.0 as it is written, around members that are JSON already.

use std::fmt::Display;

use super::message::RawJson;

/// Error codes (JSON-RPC 2.0, section 5.1).
pub mod code {
    /// The text is not JSON.
    pub const PARSE_ERROR: i32 = -32700;
    /// The JSON is not a request, or not one that may be sent here.
    pub const INVALID_REQUEST: i32 = -32600;
    /// There is no such method.
    pub const METHOD_NOT_FOUND: i32 = -32601;
    /// The params are not those of the method.
    pub const INVALID_PARAMS: i32 = -32602;
    /// The server failed.
    pub const INTERNAL_ERROR: i32 = -32603;
}

/// The response to the request `id`, with its result as JSON.
pub fn result(id: &RawJson, result: impl Display) -> String {
    let id = id.as_str();
    format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#)
}

/// The response to the request `id`, with its error as JSON. Without a readable id, `null` is what JSON-RPC 2.0
/// (section 5) asks for.
pub fn error(id: Option<&RawJson>, error: impl Display) -> String {
    let id = id.map_or("null", RawJson::as_str);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// A notification, with its params as JSON.
pub fn notification(method: &'static str, params: Option<&str>) -> String {
    match params {
        Some(params) => format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#),
        None => format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_keep_their_text() {
        let id = RawJson::parse("9007199254740993").unwrap();
        for (written, expected) in [
            (
                result(&id, r#"{"a":1.0}"#),
                r#"{"jsonrpc":"2.0","id":9007199254740993,"result":{"a":1.0}}"#,
            ),
            (
                error(Some(&id), r#"{"code":-1}"#),
                r#"{"jsonrpc":"2.0","id":9007199254740993,"error":{"code":-1}}"#,
            ),
            (
                error(None, r#"{"code":-1}"#),
                r#"{"jsonrpc":"2.0","id":null,"error":{"code":-1}}"#,
            ),
            (
                notification("a/b", Some(r#"{"c":[1e400]}"#)),
                r#"{"jsonrpc":"2.0","method":"a/b","params":{"c":[1e400]}}"#,
            ),
            (
                notification("a/b", None),
                r#"{"jsonrpc":"2.0","method":"a/b"}"#,
            ),
        ] {
            assert_eq!(written, expected);
            assert!(RawJson::parse(written).is_ok());
        }
    }
}
