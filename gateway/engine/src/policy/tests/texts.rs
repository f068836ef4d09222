//! What may stand in a policy file, and what is said of what may not.

use super::*;

fn refused(text: &str) -> String {
    parse(text).expect_err(text)
}

#[test]
fn every_mistake_is_told_with_its_line() {
    for (text, line, said) in [
        (
            "[[allow]]\ntool = [\"a\"]",
            "line 2",
            "unknown field `tool`, expected one of",
        ),
        ("[[allow]]\ntools = \"a\"", "line 2", "expected a sequence"),
        (
            "[[allow]]\ntools = [\"a\"]\nto = \"everyone\"",
            "line 3",
            "expected one of `users`, `apps`, `anyone`",
        ),
        (
            "[[permit]]\ntools = [\"a\"]",
            "line 1",
            "unknown field `permit`, expected `allow` or `limit`",
        ),
        ("[[allow]]\ntools = [\"a\"", "line 2", "TOML parse error"),
        (
            "[[allow]]\ntools = [\"a\"]\ntools = [\"b\"]",
            "line 3",
            "duplicate key",
        ),
        ("\n[[allow]]\n", "line 2", "the rule allows nothing"),
        ("[[allow]]\ntools = []", "line 1", "the rule allows nothing"),
        (
            "[[allow]]\neverything = true\n\n[[allow]]\ntools = [\"a\"]\neverything = true",
            "line 4",
            "leaves nothing to name",
        ),
        (
            "[[allow]]\ntools = [\n  \"a\",\n  \"b**\",\n]",
            "line 4",
            "** must stand alone between slashes",
        ),
        (
            "[[allow]]\nresources = [\"a\", \"\"]",
            "line 2",
            "a pattern is empty",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nlist = false\ncall = false",
            "line 1",
            "neither to list nor to call",
        ),
        (
            "[[allow]]\nprompts = [\"a\"]\nread_only = true",
            "line 1",
            "read_only chooses among tools",
        ),
        (
            "[[allow]]\neverything = true\nread_only = true",
            "line 1",
            "read_only chooses among tools",
        ),
        (
            "[[allow]]\nmethods = [\"a/b\"]\ncall = false",
            "line 1",
            "methods can only be called",
        ),
        (
            "[[allow]]\nmethods = [\"tools/call\"]",
            "line 2",
            "tools/call is a method of MCP itself",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nany_scope = []",
            "line 1",
            "any_scope is empty",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nany_role = []",
            "line 1",
            "any_role is empty",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nany_scope = [\n\"a\", \"b c\"]",
            "line 4",
            "one name in each pair of quotes",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nany_scope = [\"\"]",
            "line 3",
            "is not the name",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nany_role = ['a\"']",
            "line 3",
            "is not the name",
        ),
        (
            "[[allow]]\ntools = [\"a\"]\nany_scope = [\"api://a/\"]",
            "line 3",
            "is not the name",
        ),
    ] {
        let told = refused(text);
        assert!(told.contains(line), "{text}\n{told}");
        assert!(told.contains(said), "{text}\n{told}");
    }
}

#[test]
fn a_policy_that_would_allow_nothing_is_a_mistake() {
    for text in ["", "\n# nothing\n", "allow = []"] {
        assert!(refused(text).contains("write [[allow]]"), "{text}");
    }
}

#[test]
fn a_policy_has_bounds() {
    let rule = "[[allow]]\ntools = [\"a\"]\n";
    assert!(parse(&rule.repeat(256)).is_ok());
    assert!(refused(&rule.repeat(257)).contains("more than 256 rules"));
    let patterns = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("\"tool_{n}_*\"")).collect();
        format!("[[allow]]\ntools = [{}]\n", names.join(", "))
    };
    assert!(parse(&patterns(2048)).is_ok());
    assert!(refused(&patterns(2049)).contains("more than 2048 patterns"));
}

#[test]
fn rules_that_fit_alone_must_fit_together() {
    let rule = |first: usize| {
        let written = (first..first + 600).map(|n| format!("\"{n}{}*\"", "x".repeat(490)));
        let tools = written.collect::<Vec<_>>().join(", ");
        format!("[[allow]]\ntools = [{tools}]\n")
    };
    assert!(parse(&rule(1_000)).is_ok());
    let both = rule(1_000) + &rule(2_000);
    assert!(refused(&both).starts_with("all rules together: the patterns are too many"));
}

#[test]
fn the_example_of_the_documentation_is_a_policy() {
    let page = include_str!("../../../../../docs/policy.md");
    let examples: Vec<&str> = page
        .split("```toml\n")
        .skip(1)
        .map(|rest| rest.split("```").next().expect("an end"))
        .collect();
    assert!(examples.len() > 1);
    for example in examples {
        assert!(parse(example).is_ok(), "{example}");
    }
}
