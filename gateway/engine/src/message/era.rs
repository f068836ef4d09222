//! Which era a request belongs to. This is decided here alone.

use axum::http::HeaderMap;
use prynai_bus::wire::request::Era;

use super::envelope::Message;
use super::members::META_PROTOCOL_VERSION;
use crate::refusal::RequestError;
use crate::versions;

/// The era of a message: modern when `_meta` carries a protocol version or the header names a modern revision,
/// whatever its method.
///
/// # Errors
///
/// When the params of the message cannot be read.
pub(crate) fn of_message(headers: &HeaderMap, message: &Message) -> Result<Era, RequestError> {
    let params = match message {
        Message::Request(request) => Some(&request.params),
        Message::Notification(notification) => Some(&notification.params),
        Message::Response(_) => None,
    };
    let in_meta = match params {
        Some(params) => params.view()?.meta(META_PROTOCOL_VERSION).is_some(),
        None => false,
    };
    if in_meta {
        return Ok(Era::Modern);
    }
    // Only the earlier era has a handshake, so a revision that nobody knows yet is no reason to refuse one.
    let opens = matches!(message, Message::Request(request) if request.method == "initialize");
    match versions::in_header(headers) {
        Some(version) if opens && !versions::is_served(version, Era::Modern) => Ok(Era::Legacy),
        _ => Ok(of_headers(headers)),
    }
}

/// The era that the headers tell. It counts alone where there is no message, or none that can be read.
pub(crate) fn of_headers(headers: &HeaderMap) -> Era {
    match versions::in_header(headers) {
        Some(version) if versions::names_modern(version) => Era::Modern,
        _ => Era::Legacy,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn meta_decides_before_the_header_and_a_handshake_is_of_the_earlier_era() {
        const MODERN: &str = r#"{"_meta":{"io.modelcontextprotocol/protocolVersion":"x"}}"#;
        for (version, method, params, expected) in [
            (None, "tools/list", "{}", Era::Legacy),
            (None, "tools/list", MODERN, Era::Modern),
            (None, "initialize", MODERN, Era::Modern),
            (Some("2025-11-25"), "tools/list", "{}", Era::Legacy),
            (Some("2025-11-25"), "tools/list", MODERN, Era::Modern),
            (Some("2026-07-28"), "tools/list", "{}", Era::Modern),
            (Some("2026-07-28"), "initialize", "{}", Era::Modern),
            (Some("2027-01-01"), "tools/list", "{}", Era::Modern),
            (Some("2027-01-01"), "initialize", "{}", Era::Legacy),
        ] {
            let mut headers = HeaderMap::new();
            if let Some(version) = version {
                headers.insert(&versions::HEADER, version.parse().unwrap());
            }
            let text =
                format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
            let message = Message::parse(&text).unwrap();
            let era = of_message(&headers, &message).unwrap();
            assert_eq!(era, expected, "{version:?} {text}");
        }
    }
}
