//! The revisions of MCP this gateway serves.

use axum::http::{HeaderMap, HeaderName};
use prynai_bus::wire::request::Era;

/// The header that names the revision.
pub(crate) static HEADER: HeaderName = HeaderName::from_static("mcp-protocol-version");

/// Legacy revisions over Streamable HTTP, oldest first.
const LEGACY: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// The newest revision.
pub(crate) const NEWEST: &str = "2026-07-28";

/// Modern revisions, oldest first.
const MODERN: [&str; 1] = [NEWEST];

/// The first legacy revision whose clients understand a priming event and poll after `retry:`
/// (SEP-1699).
const POLLING: &str = "2025-11-25";

/// How many revisions are served.
pub(crate) const COUNT: usize = LEGACY.len() + MODERN.len();

/// The number of a revision that is served, from 1; 0 for any other.
pub(crate) fn number(version: &str) -> u8 {
    let place = all().position(|served| served == version);
    place
        .and_then(|place| u8::try_from(place + 1).ok())
        .unwrap_or(0)
}

/// The revision of a number; empty for 0.
pub(crate) fn label(number: u8) -> &'static str {
    let place = usize::from(number).checked_sub(1);
    place.and_then(|place| all().nth(place)).unwrap_or_default()
}

fn all() -> impl Iterator<Item = &'static str> {
    LEGACY.iter().chain(&MODERN).copied()
}

/// Every revision served, newest first.
pub(crate) fn supported() -> Vec<String> {
    MODERN
        .iter()
        .rev()
        .chain(LEGACY.iter().rev())
        .map(|version| (*version).to_owned())
        .collect()
}

/// Whether this revision of this era is served.
pub(crate) fn is_served(version: &str, era: Era) -> bool {
    match era {
        Era::Legacy => LEGACY.contains(&version),
        Era::Modern => MODERN.contains(&version),
    }
}

/// Those of them that the workers' handler serves too, newest first.
pub(crate) fn served_with(by_handler: &[String]) -> Vec<String> {
    let mut versions = supported();
    versions.retain(|version| by_handler.contains(version));
    versions
}

/// The revision to answer `initialize` with: the one asked for, or else the newest with a
/// handshake that the handler serves (2025-11-25, Lifecycle, Version Negotiation).
pub(crate) fn negotiate(requested: &str, by_handler: &[String]) -> Option<&'static str> {
    let served = || {
        let by_us = LEGACY.iter().rev().copied();
        by_us.filter(|version| by_handler.iter().any(|other| other == version))
    };
    served()
        .find(|version| *version == requested)
        .or_else(|| served().next())
}

/// The version header as sent, if it is there and readable.
pub(crate) fn in_header(headers: &HeaderMap) -> Option<&str> {
    headers.get(&HEADER)?.to_str().ok().map(str::trim)
}

/// Whether a version header names the modern era: the first modern revision or a later date.
pub(crate) fn names_modern(version: &str) -> bool {
    let [first, ..] = MODERN;
    let date = version.len() == first.len()
        && version
            .bytes()
            .zip(first.bytes())
            .all(|(b, model)| b == model || (b.is_ascii_digit() && model.is_ascii_digit()));
    date && version >= first
}

/// Whether clients of this legacy revision understand a priming event.
pub(crate) fn understands_priming(version: &str) -> bool {
    version >= POLLING
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_asked_for_wins_when_it_has_a_handshake() {
        let all = supported();
        assert_eq!(negotiate("2025-03-26", &all), Some("2025-03-26"));
        for other in ["2024-11-05", "2026-07-28", "1.0", ""] {
            assert_eq!(negotiate(other, &all), Some("2025-11-25"), "{other}");
        }
    }

    #[test]
    fn nothing_is_offered_that_the_handler_does_not_serve() {
        let handler = ["2024-11-05".to_owned(), "2025-06-18".to_owned()];
        assert_eq!(negotiate("2025-11-25", &handler), Some("2025-06-18"));
        assert_eq!(served_with(&handler), ["2025-06-18"]);
        assert_eq!(negotiate("2025-11-25", &["2026-07-28".to_owned()]), None);
    }

    #[test]
    fn only_dates_from_2026_07_28_on_are_modern() {
        assert!(names_modern("2026-07-28"));
        assert!(names_modern("2027-01-01"));
        for other in ["2025-11-25", "v999.0.0", "9", "2026-07-281", ""] {
            assert!(!names_modern(other), "{other}");
        }
    }
}
