//! The message that ends a call, from rmcp's types.

use prynai_bus::wire::message::RawJson;
use rmcp::ErrorData;
use serde::Serialize;

#[derive(Serialize)]
struct Response<'a, R> {
    jsonrpc: &'static str,
    id: &'a RawJson,
    result: R,
}

#[derive(Serialize)]
struct ErrorResponse<'a> {
    jsonrpc: &'static str,
    id: &'a RawJson,
    error: &'a ErrorData,
}

/// The response with the `result` of the client's request `id`.
///
/// # Errors
///
/// When the result cannot be written as JSON.
pub(crate) fn result<R: Serialize>(id: &RawJson, result: R) -> Result<RawJson, serde_json::Error> {
    RawJson::from_value(&Response {
        jsonrpc: "2.0",
        id,
        result,
    })
}

/// The error response to the client's request `id`.
pub(crate) fn error(id: &RawJson, error: &ErrorData) -> RawJson {
    let response = ErrorResponse {
        jsonrpc: "2.0",
        id,
        error,
    };
    // Only maps with keys that are not strings cannot be written, and errors have none.
    RawJson::from_value(&response).unwrap_or_else(|_| id.clone())
}
