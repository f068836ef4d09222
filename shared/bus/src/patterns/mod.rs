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
mod tests;
