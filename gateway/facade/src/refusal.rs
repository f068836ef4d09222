//! What is refused, as OAuth says it: to programs as JSON, to a client through its redirect URI.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use prynai_bus::BusError;
use serde_json::json;

/// Longest description, in bytes: an issuer's own can be long.
const MOST: usize = 400;

/// What is in no cache (RFC 6749, section 5.1).
pub(crate) const UNCACHED: [(HeaderName, HeaderValue); 2] = [
    (header::CACHE_CONTROL, HeaderValue::from_static("no-store")),
    (header::PRAGMA, HeaderValue::from_static("no-cache")),
];

/// Why a request is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) status: StatusCode,
    /// A code of RFC 6749, RFC 7591 or RFC 8707.
    pub(crate) error: &'static str,
    pub(crate) description: String,
    /// After how many seconds it may be tried again.
    wait_s: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(error: &'static str, description: impl AsRef<str>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            error,
            description: plain(description.as_ref()),
            wait_s: None,
        }
    }

    /// The request is malformed.
    pub(crate) fn invalid(description: impl AsRef<str>) -> Self {
        Self::new("invalid_request", description)
    }

    /// A code or refresh token is no good.
    pub(crate) fn grant(description: impl AsRef<str>) -> Self {
        Self::new("invalid_grant", description)
    }

    /// The client is not known here, so it has to register again.
    pub(crate) fn client(description: impl AsRef<str>) -> Self {
        Self {
            status: StatusCode::UNAUTHORIZED,
            ..Self::new("invalid_client", description)
        }
    }

    /// Nothing is wrong with the request.
    pub(crate) fn passing(description: impl AsRef<str>) -> Self {
        Self {
            status: StatusCode::SERVICE_UNAVAILABLE,
            wait_s: Some(1),
            ..Self::new("temporarily_unavailable", description)
        }
    }

    /// There are too many of them.
    pub(crate) fn too_many(wait_s: u64) -> Self {
        Self {
            status: StatusCode::TOO_MANY_REQUESTS,
            wait_s: Some(wait_s.max(1)),
            ..Self::new("temporarily_unavailable", "there are too many requests")
        }
    }
}

/// Why it is, stays here: nobody outside can do anything about it.
impl From<BusError> for Refusal {
    fn from(error: BusError) -> Self {
        tracing::warn!(%error, "a sign-in cannot go on");
        Self::passing("the server cannot do this now; try again")
    }
}

impl IntoResponse for Refusal {
    fn into_response(self) -> Response {
        let body = json!({ "error": self.error, "error_description": self.description });
        let json = [(header::CONTENT_TYPE, "application/json")];
        let mut response = (self.status, UNCACHED, json, body.to_string()).into_response();
        if let Some(wait_s) = self.wait_s {
            let wait = HeaderValue::from(wait_s);
            response.headers_mut().insert(header::RETRY_AFTER, wait);
        }
        if self.status == StatusCode::UNAUTHORIZED {
            // RFC 6749, section 5.2.
            let basic = HeaderValue::from_static("Basic realm=\"clients\"");
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, basic);
        }
        response
    }
}

/// The characters that a description may have (RFC 6749, section 5.2).
fn plain(text: &str) -> String {
    let allowed = |c: char| match c {
        '"' | '\\' => '\'',
        ' '..='~' => c,
        _ => ' ',
    };
    text.chars().map(allowed).take(MOST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_is_plain_and_has_a_bound() {
        let refusal = Refusal::invalid(format!("a\"b\\c\r\n\u{1b}[1m{}", "é".repeat(999)));
        assert!(refusal.description.starts_with("a'b'c   [1m"));
        assert_eq!(refusal.description.len(), MOST);
    }
}
