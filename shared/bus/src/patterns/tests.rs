//! What patterns match, and what they are never taken to match.

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
