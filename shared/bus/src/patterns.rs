//! Patterns of names and URIs: a policy is written in them, and a worker shows by them what a list's caller may see.
//!
//! A pattern stands for the whole name, and its letters for themselves, upper and lower case apart. `*` stands for any
//! characters but `/`, `?` and `#`, none included; `**` between slashes for any number of whole segments, and at the
//! end, as in `docs/**`, for all that lies below; `*` or `**` alone for every name. Nothing else has a meaning of its
//! own, since URIs are full of `?`, `[`, `{` and `\`.

use std::borrow::Cow;
use std::collections::HashSet;

use regex::bytes::{RegexSet, RegexSetBuilder};

/// Longest pattern, in bytes.
pub const LONGEST_PATTERN: usize = 512;

/// Most runs of `*` in one pattern.
pub const MOST_STARS: usize = 16;

/// Longest URI that matches a pattern with a `*`, in bytes. A longer one matches none, so that nobody can make a
/// gateway work long on one.
const LONGEST_URI: usize = 8 * 1024;

/// How often over a URI may be percent-encoded and still match a pattern with a `*`.
const MOST_LAYERS: usize = 3;

/// A set of patterns, ready to be matched. Matching takes time in proportion to the name's length.
#[derive(Debug, Clone)]
pub struct Patterns {
    everything: bool,
    exact: HashSet<String>,
    wild: RegexSet,
    /// What stands before the first `*` of each pattern that has one.
    heads: Vec<String>,
}

/// Why a text is no pattern.
#[derive(Debug, thiserror::Error)]
pub enum PatternError {
    /// It has no characters.
    #[error("a pattern is empty; write a name, or * for every name")]
    Empty,
    /// It is longer than [`LONGEST_PATTERN`].
    #[error("a pattern has {LONGEST_PATTERN} bytes at most; {0:?} has {len}", len = .0.len())]
    TooLong(String),
    /// It has more than [`MOST_STARS`] runs of `*`.
    #[error("a pattern has {MOST_STARS} stars at most; {0:?} has more")]
    TooManyStars(String),
    /// `**` stands beside something else than a slash.
    #[error(
        "in {0:?}, ** must stand alone between slashes, such as docs/**; for characters without a slash write *"
    )]
    PartOfSegment(String),
    /// The patterns are too much to be matched together.
    #[error("the patterns are too many or too long: {0}")]
    TooMuch(#[from] regex::Error),
}

impl Default for Patterns {
    fn default() -> Self {
        Self {
            everything: false,
            exact: HashSet::new(),
            wild: RegexSet::empty(),
            heads: Vec::new(),
        }
    }
}

impl Patterns {
    /// Prepares patterns.
    ///
    /// # Errors
    ///
    /// What is wrong with the first that is none.
    pub fn new(patterns: impl IntoIterator<Item: AsRef<str>>) -> Result<Self, PatternError> {
        let mut prepared = Self::default();
        let mut wild = Vec::new();
        for pattern in patterns {
            let pattern = pattern.as_ref();
            check(pattern)?;
            match pattern.split_once('*') {
                _ if is_everything(pattern) => prepared.everything = true,
                None => drop(prepared.exact.insert(pattern.to_owned())),
                Some((head, _)) => {
                    wild.push(expression(pattern));
                    prepared.heads.push(head.to_owned());
                }
            }
        }
        prepared.wild = RegexSetBuilder::new(wild)
            .unicode(false)
            .dot_matches_new_line(true)
            .build()?;
        Ok(prepared)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        !self.everything && self.exact.is_empty() && self.heads.is_empty()
    }

    /// Whether one of them stands for this name.
    pub fn matches(&self, name: &str) -> bool {
        self.everything || self.exact.contains(name) || self.wild.is_match(name.as_bytes())
    }

    /// Whether one of them stands for this URI.
    ///
    /// A pattern with a `*` stands for what lies below its text, whichever way the handler reads a URI. So it must
    /// match it also with encoded slashes decoded, and stands for none with a segment `.` or `..`, which may lead
    /// elsewhere.
    pub fn matches_uri(&self, uri: &str) -> bool {
        if self.everything || self.exact.contains(uri) {
            return true;
        }
        uri.len() <= LONGEST_URI
            && self.wild.is_match(uri.as_bytes())
            && opened(uri).is_some_and(|opened| self.wild.is_match(opened.as_bytes()))
    }

    /// Whether one of them may stand for a URI that this template (RFC 6570) expands to: it begins as the template
    /// does, as far as both are fixed.
    pub fn may_match_template(&self, template: &str) -> bool {
        let Some((fixed, _)) = template.split_once('{') else {
            return self.matches_uri(template);
        };
        self.everything
            || self.exact.iter().any(|uri| uri.starts_with(fixed))
            || self
                .heads
                .iter()
                .any(|head| head.starts_with(fixed) || fixed.starts_with(head.as_str()))
    }
}

/// Whether a text is a pattern.
///
/// # Errors
///
/// What is wrong with it.
pub fn check(pattern: &str) -> Result<(), PatternError> {
    if pattern.is_empty() {
        return Err(PatternError::Empty);
    }
    if pattern.len() > LONGEST_PATTERN {
        return Err(PatternError::TooLong(pattern.to_owned()));
    }
    let runs = pattern.split(|character| character != '*');
    if runs.filter(|run| !run.is_empty()).count() > MOST_STARS {
        return Err(PatternError::TooManyStars(pattern.to_owned()));
    }
    let misplaced = |segment: &str| segment.contains("**") && segment != "**";
    if pattern.split('/').any(misplaced) {
        return Err(PatternError::PartOfSegment(pattern.to_owned()));
    }
    Ok(())
}

/// Whether a pattern stands for every name.
fn is_everything(pattern: &str) -> bool {
    matches!(pattern, "*" | "**")
}

/// A pattern with stars as a regular expression over bytes.
fn expression(pattern: &str) -> String {
    let mut expression = String::from(r"\A");
    let mut segments = pattern.split('/').peekable();
    while let Some(segment) = segments.next() {
        match (segment, segments.peek().is_none()) {
            ("**", false) => expression.push_str("(?:[^/?#]*/)*"),
            ("**", true) => expression.push_str(".*"),
            (segment, is_last) => {
                let texts: Vec<String> = segment.split('*').map(regex::escape).collect();
                expression.push_str(&texts.join("[^/?#]*"));
                expression.push_str(if is_last { "" } else { "/" });
            }
        }
    }
    expression.push_str(r"\z");
    expression
}

/// The URI with everything decoded that structures its path, and `\` for what some file systems take it; `None` when it
/// has dot segments, hides its path behind too many layers, or has characters that no URI has (RFC 3986, section 2):
/// parsers leave some of them out, and what stood around them may be a dot segment then.
fn opened(uri: &str) -> Option<Cow<'_, str>> {
    if uri.bytes().any(|byte| byte <= b' ' || byte == 0x7f) {
        return None;
    }
    let mut text = Cow::Borrowed(uri);
    for _ in 0..=MOST_LAYERS {
        match opened_once(&text) {
            Some(opened) => text = Cow::Owned(opened),
            None => {
                let mut segments = text.split(['/', '?', '#']);
                let leads_elsewhere = segments.any(|segment| matches!(segment, "." | ".."));
                return (!leads_elsewhere).then_some(text);
            }
        }
    }
    None
}

/// One layer less; `None` when there is none left.
fn opened_once(text: &str) -> Option<String> {
    if !text.contains(['%', '\\']) {
        return None;
    }
    let (mut opened, mut rest, mut changed) = (String::with_capacity(text.len()), text, false);
    while let Some(at) = rest.find(['%', '\\']) {
        let (before, from) = rest.split_at(at);
        opened.push_str(before);
        let code = from.as_bytes().first_chunk::<3>();
        let (length, replaced) = match code.map(|code| code.to_ascii_lowercase()).as_deref() {
            Some(b"%2f" | b"%5c") => (3, '/'),
            Some(b"%2e") => (3, '.'),
            Some(b"%25") => (3, '%'),
            _ if from.starts_with('\\') => (1, '/'),
            _ => (1, '%'),
        };
        changed |= !from.starts_with('%') || length == 3;
        opened.push(replaced);
        rest = &from[length..];
    }
    opened.push_str(rest);
    changed.then_some(opened)
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use proptest::prelude::*;

    use super::*;

    fn patterns(patterns: &[&str]) -> Patterns {
        Patterns::new(patterns).unwrap()
    }

    #[test]
    fn a_pattern_stands_for_whole_names() {
        for (pattern, name, expected) in [
            ("add", "add", true),
            ("add", "Add", false),
            ("add", "add2", false),
            ("add", "", false),
            ("report_*", "report_", true),
            ("report_*", "report_daily", true),
            ("report_*", "a_report_daily", false),
            ("report_*", "report_a/b", false),
            ("*_report", "daily_report", true),
            ("*", "anything at all", true),
            ("*", "a/b", true),
            ("**", "a/b", true),
            ("a?b", "a?b", true),
            ("a?b*", "axb", false),
            ("a[b]*", "a[b]c", true),
            ("a[b]*", "abc", false),
            ("a{b,c}*", "ab", false),
            ("a{b,c}*", "a{b,c}", true),
            (r"a\*", r"a\x", true),
            (r"a\*", "a*", false),
            ("é*", "ecole", false),
            ("é*", "école", true),
        ] {
            assert_eq!(
                patterns(&[pattern]).matches(name),
                expected,
                "{pattern} {name}"
            );
        }
    }

    #[test]
    fn one_star_stays_in_its_segment_and_two_do_not() {
        for (pattern, uri, expected) in [
            ("file:///docs/*", "file:///docs/a", true),
            ("file:///docs/*", "file:///docs/a/b", false),
            ("file:///docs/**", "file:///docs/a/b", true),
            ("file:///docs/**", "file:///docs/", true),
            ("file:///docs/**", "file:///docsets/a", false),
            ("file:///*/public", "file:///a/public", true),
            ("file:///*/public", "file:///a/b/public", false),
            ("file:///**/public", "file:///a/b/public", true),
            ("file:///**/public", "file:///a/b/private", false),
            ("notes://**", "notes://a/b", true),
            ("db://t?id=*", "db://t?id=7", true),
            ("db://t?id=*", "db://tx?id=7", false),
            ("http://[::1]/*", "http://[::1]/a", true),
            ("https://*.example.com/**", "https://a.example.com/x", true),
            (
                "https://*.example.com/**",
                "https://evil.com?.example.com/x",
                false,
            ),
            (
                "https://*.example.com/**",
                "https://evil.com#.example.com/x",
                false,
            ),
            ("https://**/x", "https://a?b/x", false),
        ] {
            let matched = patterns(&[pattern]).matches_uri(uri);
            assert_eq!(matched, expected, "{pattern} {uri}");
        }
    }

    #[test]
    fn a_uri_that_may_lead_elsewhere_matches_no_star() {
        for uri in [
            "file:///docs/../etc/passwd",
            "file:///docs/..",
            "file:///docs/./a",
            "file:///docs/%2e%2e/etc",
            "file:///docs/%2E./etc",
            "file:///docs/%252e%252e/etc",
            "file:///docs/%25252e%25252e%25252fetc",
            "file:///docs/..%2fetc",
            "file:///docs/..%5Cetc",
            r"file:///docs/..\etc",
            "file:///docs/..?x",
            "file:///docs/%2525252525252e",
            "file:///docs/.\t./.\n./etc/passwd",
            "file:///docs/.. ",
            "file:///docs/\u{7f}",
        ] {
            assert!(!patterns(&["file:///docs/**"]).matches_uri(uri), "{uri}");
            assert!(patterns(&[uri]).matches_uri(uri), "{uri}");
            assert!(patterns(&["*"]).matches_uri(uri), "{uri}");
        }
        for uri in [
            "file:///docs/a..b",
            "file:///docs/...",
            "file:///docs/%20a%",
            "file:///docs/100%25",
            "file:///docs/a%2Fb",
            "file:///docs/?q=..",
        ] {
            assert!(patterns(&["file:///docs/**"]).matches_uri(uri), "{uri}");
        }
        for uri in [
            "file:///docs/a%2Fb",
            r"file:///docs/a\b",
            "file:///docs/a%5cb",
        ] {
            assert!(!patterns(&["file:///docs/*"]).matches_uri(uri), "{uri}");
        }
    }

    #[test]
    fn a_template_is_matched_as_far_as_it_is_fixed() {
        for (pattern, template, expected) in [
            ("notes://a", "notes://{name}", true),
            ("notes://public/*", "notes://{folder}/{name}", true),
            ("notes://public/*", "notes://public/{name}", true),
            ("notes://**", "notes://public/{name}", true),
            ("notes://public/*", "notes://private/{name}", false),
            ("readme://a", "notes://{name}", false),
            ("notes://", "notes://private/{name}", false),
            ("*", "notes://{name}", true),
            ("notes://all", "notes://all", true),
            ("notes://all", "notes://others", false),
        ] {
            let matched = patterns(&[pattern]).may_match_template(template);
            assert_eq!(matched, expected, "{pattern} {template}");
        }
    }

    #[test]
    fn what_is_no_pattern_is_named() {
        let refused = |pattern: &str| Patterns::new([pattern]).unwrap_err().to_string();
        assert!(refused("").contains("empty"));
        assert!(refused("a**").contains("between slashes"));
        assert!(refused("a/***/b").contains("between slashes"));
        assert!(refused(&"a".repeat(LONGEST_PATTERN + 1)).contains("bytes at most"));
        assert!(refused(&"a*".repeat(MOST_STARS + 1)).contains("stars at most"));
        assert!(Patterns::new(["a".repeat(LONGEST_PATTERN)]).is_ok());
        assert!(Patterns::new(["a*".repeat(MOST_STARS)]).is_ok());
    }

    #[test]
    fn nothing_matches_no_patterns() {
        let none = Patterns::default();
        assert!(none.is_empty());
        assert!(!none.matches("") && !none.matches_uri("a://b"));
        assert!(!none.may_match_template("a://{b}"));
        assert!(!patterns(&["*"]).is_empty());
    }

    /// The time is no promise; what explodes would take years.
    #[test]
    fn hostile_patterns_and_names_take_no_time_to_speak_of() {
        let begun = Instant::now();
        let hostile: Vec<String> = (0..256)
            .map(|n| format!("{n}{}", "a*".repeat(MOST_STARS - 1)))
            .chain((0..32).map(|n| format!("{n}/**/").repeat(8)))
            .collect();
        let hostile = Patterns::new(&hostile).unwrap();
        let name = format!("7{}b", "a".repeat(50_000));
        assert!(!hostile.matches(&name.replace('a', "/")));
        hostile.matches(&name);
        assert!(!hostile.matches_uri(&format!("7/{}", "%25".repeat(50_000))));
        let docs = patterns(&["docs/**"]);
        assert!(!docs.matches_uri(&format!("docs/{}", "%€".repeat(1_000_000))));
        assert!(docs.matches_uri(&format!("docs/{}", "%€".repeat(LONGEST_URI / 4 - 2))));
        let taken = begun.elapsed();
        assert!(taken.as_secs() < 120, "{taken:?}");
    }

    /// What the module says of patterns, written down once more, slowly.
    fn stands_for(pattern: &str, name: &str) -> bool {
        if is_everything(pattern) {
            return true;
        }
        let pattern: Vec<&str> = pattern.split('/').collect();
        let name: Vec<&str> = name.split('/').collect();
        segments(&pattern, &name)
    }

    fn segments(pattern: &[&str], name: &[&str]) -> bool {
        match (pattern, name) {
            ([], []) => true,
            (["**"], _) => !name.is_empty(),
            (["**", rest @ ..], _) => {
                let skips = |skipped: usize| name[..skipped].iter().all(|part| !part.contains('?'));
                (0..=name.len()).any(|skipped| skips(skipped) && segments(rest, &name[skipped..]))
            }
            ([first, rest @ ..], [own, others @ ..]) => {
                one_segment(first, own) && segments(rest, others)
            }
            _ => false,
        }
    }

    fn one_segment(pattern: &str, name: &str) -> bool {
        match pattern.split_once('*') {
            None => pattern == name,
            Some((head, rest)) => name.strip_prefix(head).is_some_and(|name| {
                let end = name.find('?').unwrap_or(name.len());
                (0..=end).any(|at| one_segment(rest, &name[at..]))
            }),
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(500))]
        #[test]
        fn patterns_mean_what_is_said_of_them(
            pattern in "[ab/]{0,3}(\\*|/\\*\\*/|\\*\\*|/\\*\\*)?[ab/]{0,3}\\*?[ab?]{0,2}",
            name in "[ab?/]{0,8}",
        ) {
            if let Ok(patterns) = Patterns::new([&pattern]) {
                prop_assert_eq!(patterns.matches(&name), stands_for(&pattern, &name));
            }
        }

        #[test]
        fn no_text_is_too_strange(pattern in any::<String>(), name in any::<String>()) {
            if let Ok(patterns) = Patterns::new([&pattern]) {
                patterns.matches(&name);
                patterns.matches_uri(&name);
                patterns.may_match_template(&name);
            }
        }

        #[test]
        fn a_name_is_a_pattern_of_itself(name in "[^*]{1,64}") {
            let patterns = Patterns::new([&name]).unwrap();
            prop_assert!(patterns.matches(&name) && patterns.matches_uri(&name));
        }
    }
}
