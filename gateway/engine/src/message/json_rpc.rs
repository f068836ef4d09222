//! JSON-RPC 2.0 as it is written, around members that are JSON already.

use prynai_bus::wire::message::RawJson;

/// A response with a result that is JSON already.
pub(crate) fn response(id: &RawJson, result: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        id.as_str()
    )
}

/// A response with an error, to the request `id`; without a readable id `null` is what JSON-RPC 2.0 (section 5) asks
/// for.
pub(crate) fn error(id: Option<&RawJson>, error: &serde_json::Value) -> String {
    let id = id.map_or("null", RawJson::as_str);
    format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{error}}}"#)
}

/// A notification with params that are JSON already.
pub(crate) fn notification(method: &'static str, params: Option<&str>) -> String {
    match params {
        Some(params) => format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#),
        None => format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#),
    }
}
