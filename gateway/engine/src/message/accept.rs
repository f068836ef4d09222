//! What a client accepts (RFC 9110, section 12.5.1).

use axum::http::{HeaderMap, header};

/// The media ranges of one `Accept` header in lower case, without those whose weight is zero.
pub(crate) fn ranges(value: &str) -> impl Iterator<Item = String> {
    value.split(',').filter_map(range)
}

/// Whether a client names this media type; that it takes anything does not count.
pub(crate) fn names(headers: &HeaderMap, media: &str) -> bool {
    let values = headers.get_all(header::ACCEPT).iter();
    values
        .filter_map(|value| value.to_str().ok())
        .any(|value| ranges(value).any(|range| range == media))
}

fn range(element: &str) -> Option<String> {
    let mut parts = element.split(';').map(str::trim);
    let range = parts.next().filter(|range| !range.is_empty())?;
    let refused = parts.any(|parameter| {
        parameter
            .strip_prefix("q=")
            .is_some_and(|weight| weight.parse() == Ok(0.0_f32))
    });
    (!refused).then(|| range.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_media_type_must_be_named() {
        for (value, named) in [
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/json, Text/HTML;q=0.1", true),
            ("text/html;q=0, */*", false),
            ("text/*", false),
            ("*/*", false),
            ("application/json, text/event-stream", false),
            ("", false),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT, value.parse().unwrap());
            assert_eq!(names(&headers, "text/html"), named, "{value}");
        }
        assert!(!names(&HeaderMap::new(), "text/html"));
    }
}
