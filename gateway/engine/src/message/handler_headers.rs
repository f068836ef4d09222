//! The HTTP headers that a handler gets to see.

use std::collections::BTreeMap;

use axum::http::{HeaderMap, HeaderName, header};

/// Most bytes of HTTP headers handed to a handler.
const MAX_HEADER_BYTES: usize = 8 * 1024;

/// The HTTP headers a handler may see. Named one by one, since nobody can name all headers that carry
/// credentials.
static PASSED_HEADERS: [HeaderName; 6] = [
    header::ACCEPT_LANGUAGE,
    HeaderName::from_static("baggage"),
    HeaderName::from_static("traceparent"),
    HeaderName::from_static("tracestate"),
    header::USER_AGENT,
    HeaderName::from_static("x-request-id"),
];

/// The HTTP headers for a handler, as far as they fit.
pub(crate) fn headers_for_handler(headers: &HeaderMap) -> BTreeMap<String, String> {
    let mut room = MAX_HEADER_BYTES;
    PASSED_HEADERS
        .iter()
        .filter_map(|name| Some((name.as_str(), headers.get(name)?.to_str().ok()?)))
        .filter(|(name, value)| {
            let size = name.len() + value.len();
            let fits = size <= room;
            if fits {
                room -= size;
            }
            fits
        })
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_never_reach_a_handler() {
        let mut headers = HeaderMap::new();
        for name in [
            "authorization",
            "cookie",
            "x-api-key",
            "x-ms-token-aad-access-token",
        ] {
            headers.insert(name, "secret".parse().unwrap());
        }
        headers.insert("x-request-id", "blue".parse().unwrap());
        let passed = headers_for_handler(&headers);
        assert_eq!(
            passed.into_iter().collect::<Vec<_>>(),
            [("x-request-id".to_owned(), "blue".to_owned())]
        );
    }

    #[test]
    fn headers_for_handlers_are_bounded() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", "x".repeat(MAX_HEADER_BYTES).parse().unwrap());
        assert!(headers_for_handler(&headers).is_empty());
        let most = "x".repeat(MAX_HEADER_BYTES - "user-agent".len());
        headers.insert("user-agent", most.parse().unwrap());
        assert_eq!(headers_for_handler(&headers).len(), 1);
    }
}
