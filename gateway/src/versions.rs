//! The revisions of MCP this gateway serves.

use prynai_shared::wire::request::Era;

/// Legacy revisions over Streamable HTTP, oldest first.
const LEGACY: [&str; 3] = ["2025-03-26", "2025-06-18", "2025-11-25"];

/// Modern revisions, oldest first.
const MODERN: [&str; 1] = ["2026-07-28"];

/// The first legacy revision whose clients understand a priming event and poll after `retry:`
/// (SEP-1699).
const POLLING: &str = "2025-11-25";

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

/// The revision to answer `initialize` with: the one asked for, or else the newest with a
/// handshake (2025-11-25, Lifecycle, Version Negotiation).
pub(crate) fn negotiate(requested: &str) -> &'static str {
    let [.., newest] = LEGACY;
    LEGACY
        .iter()
        .find(|version| **version == requested)
        .copied()
        .unwrap_or(newest)
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
        assert_eq!(negotiate("2025-03-26"), "2025-03-26");
        for other in ["2024-11-05", "2026-07-28", "1.0", ""] {
            assert_eq!(negotiate(other), "2025-11-25", "{other}");
        }
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
