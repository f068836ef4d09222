//! Who may do what by which rule.

use super::super::asked::{Asked, List, asked};
use super::*;
use crate::message::envelope::Message;
use crate::message::params::Params;
use crate::refusal::RequestError;

fn tool(name: &str) -> Asked {
    Asked::Tool(name.to_owned())
}

fn prompt(name: &str) -> Asked {
    Asked::Prompt(name.to_owned())
}

fn resource(uri: &str) -> Asked {
    Asked::Resource(uri.to_owned())
}

fn method(name: &str) -> Asked {
    Asked::Method(name.to_owned())
}

fn allowed(rules: &Rules, principal: &Principal, asked: &Asked) -> bool {
    rules.allows(principal, asked, false)
}

/// What a token would need, as scopes and roles; `None` when none would help.
fn missing(
    rules: &Rules,
    principal: &Principal,
    asked: &Asked,
) -> Option<(Vec<String>, Vec<String>)> {
    match rules.refusal(principal, asked, false) {
        RequestError::InsufficientScope { missing } => Some((missing.scopes, missing.roles)),
        RequestError::NotAllowed(_) => None,
        other => panic!("{other:?}"),
    }
}

fn visible(rules: &Rules, principal: &Principal, list: List) -> Vec<String> {
    let visible = rules.visible(principal, list);
    assert!(visible.read_only.is_empty());
    visible.names.into_iter().collect()
}

#[test]
fn what_no_rule_allows_is_refused() {
    let rules =
        rules("[[allow]]\ntools = [\"add\"]\nprompts = [\"greet\"]\nresources = [\"x://a/*\"]");
    let caller = user(&["any"], &["any"]);
    for (asked, expected) in [
        (tool("add"), true),
        (tool("addition"), false),
        (tool("greet"), false),
        (prompt("greet"), true),
        (prompt("add"), false),
        (resource("x://a/b"), true),
        (resource("x://a/b/c"), false),
        (resource("x://a/../b"), false),
        (Asked::Nothing, true),
    ] {
        assert_eq!(allowed(&rules, &caller, &asked), expected, "{asked:?}");
        assert_eq!(allowed(&rules, &anonymous(), &asked), expected, "{asked:?}");
    }
}

#[test]
fn everything_is_every_name_and_method() {
    let rules = rules("[[allow]]\neverything = true\nany_role = [\"Admin\"]");
    for asked in [
        tool("a/b"),
        prompt("p"),
        resource("x://../y"),
        method("x/y"),
    ] {
        assert!(allowed(&rules, &app(&["Admin"]), &asked), "{asked:?}");
        assert!(!allowed(&rules, &app(&["admin"]), &asked), "{asked:?}");
        assert!(!allowed(&rules, &anonymous(), &asked), "{asked:?}");
    }
}

#[test]
fn a_rule_is_for_users_for_apps_or_for_anyone() {
    let callers = [user(&[], &[]), app(&[]), anonymous()];
    for (to, expected) in [
        ("users", [true, false, false]),
        ("apps", [false, true, false]),
        ("anyone", [true, true, true]),
    ] {
        let rules = rules(&format!("[[allow]]\ntools = [\"a\"]\nto = \"{to}\""));
        let is_allowed = |caller: &Principal| allowed(&rules, caller, &tool("a"));
        assert_eq!(callers.each_ref().map(is_allowed), expected, "{to}");
    }
}

#[test]
fn one_scope_and_one_role_of_those_named_are_needed() {
    let rules = rules(
        "[[allow]]\ntools = [\"a\"]\nany_scope = [\"s1\", \"s2\"]\nany_role = [\"r1\", \"r2\"]",
    );
    for (caller, expected) in [
        (user(&["s2", "other"], &["r1"]), true),
        (user(&["s1"], &["r2", "r1"]), true),
        (user(&["s1"], &[]), false),
        (user(&[], &["r1"]), false),
        (user(&["r1"], &["s1"]), false),
        (user(&["S1"], &["r1"]), false),
        (app(&["r1"]), false),
        (anonymous(), false),
    ] {
        assert_eq!(allowed(&rules, &caller, &tool("a")), expected, "{caller:?}");
    }
}

#[test]
fn a_qualified_scope_is_the_short_one_of_the_token() {
    let rules = rules("[[allow]]\ntools = [\"a\"]\nany_scope = [\"api://app/mcp.call\"]");
    for (scope, expected) in [
        ("mcp.call", true),
        ("api://app/mcp.call", true),
        ("api://other/mcp.call", false),
        ("app/mcp.call", false),
        ("call", false),
    ] {
        let caller = user(&[scope], &[]);
        assert_eq!(allowed(&rules, &caller, &tool("a")), expected, "{scope}");
    }
}

#[test]
fn a_qualified_name_is_not_accepted_for_a_short_one() {
    let rules = rules("[[allow]]\ntools = [\"a\"]\nany_scope = [\"mcp.call\"]\n");
    assert!(!allowed(
        &rules,
        &user(&["api://other/mcp.call"], &[]),
        &tool("a")
    ));
}

#[test]
fn rules_add_up() {
    let rules = rules(
        "[[allow]]\ntools = [\"a\"]\nany_scope = [\"s\"]\n[[allow]]\ntools = [\"b\"]\nany_role = [\"r\"]",
    );
    let both = user(&["s"], &["r"]);
    assert!(allowed(&rules, &both, &tool("a")) && allowed(&rules, &both, &tool("b")));
    assert_eq!(visible(&rules, &both, List::Tools), ["a", "b"]);
    assert_eq!(visible(&rules, &user(&["s"], &[]), List::Tools), ["a"]);
    assert!(visible(&rules, &user(&[], &[]), List::Tools).is_empty());
    assert!(visible(&rules, &both, List::Prompts).is_empty());
}

#[test]
fn listing_and_calling_can_be_kept_apart() {
    let rules = rules(
        "[[allow]]\ntools = [\"shown\"]\ncall = false\n[[allow]]\ntools = [\"hidden\"]\nlist = false",
    );
    let caller = anonymous();
    assert!(!allowed(&rules, &caller, &tool("shown")));
    assert!(allowed(&rules, &caller, &tool("hidden")));
    assert_eq!(visible(&rules, &caller, List::Tools), ["shown"]);
}

#[test]
fn tools_that_only_read_can_be_allowed_together() {
    let rules = rules(
        "[[allow]]\ntools = [\"r_*\"]\nread_only = true\n[[allow]]\ntools = [\"w\"]\nresources = [\"x\"]",
    );
    assert!(rules.ask_what_tools_are());
    let caller = anonymous();
    let may = |name, reads| rules.allows(&caller, &tool(name), reads);
    assert!(may("r_1", true) && !may("r_1", false));
    assert!(may("w", false) && may("w", true));
    assert!(!may("x_1", true));
    let shown = rules.visible(&caller, List::Tools);
    assert!(shown.names.iter().eq(["w"]) && shown.read_only.iter().eq(["r_*"]));
    let shown = rules.visible(&caller, List::Resources);
    assert!(shown.names.iter().eq(["x"]) && shown.read_only.is_empty());
}

#[test]
fn methods_of_extensions_are_open_until_a_rule_speaks_of_them() {
    let open = rules("[[allow]]\ntools = [\"a\"]");
    assert!(allowed(&open, &anonymous(), &method("x/y")));
    let closed = rules("[[allow]]\nmethods = [\"x/*\"]\nany_role = [\"r\"]");
    for (caller, asked, expected) in [
        (app(&["r"]), method("x/y"), true),
        (app(&[]), method("x/y"), false),
        (anonymous(), method("x/y"), false),
        (anonymous(), method("y/x"), true),
        (anonymous(), Asked::Nothing, true),
    ] {
        assert_eq!(
            allowed(&closed, &caller, &asked),
            expected,
            "{caller:?} {asked:?}"
        );
    }
}

#[test]
fn a_refusal_names_what_would_help() {
    let rules = rules(concat!(
        "[[allow]]\ntools = [\"a\"]\nany_scope = [\"s1\", \"s2\"]\n",
        "[[allow]]\ntools = [\"a\"]\nto = \"apps\"\nany_role = [\"r1\"]\n",
        "[[allow]]\ntools = [\"a\"]\nany_scope = [\"s2\", \"s3\"]\n",
        "[[allow]]\ntools = [\"a\", \"b\"]\nto = \"users\"\nany_scope = [\"s4\"]\nany_role = [\"r2\"]\n",
        "[[allow]]\ntools = [\"c\"]\nto = \"apps\"\n",
        "[[allow]]\ntools = [\"d\"]\ncall = false\nany_scope = [\"s5\"]",
    ));
    let strings = |names: &[&str]| {
        names
            .iter()
            .map(|&name| name.to_owned())
            .collect::<Vec<_>>()
    };
    for (caller, name, scopes, roles) in [
        (user(&[], &[]), "a", &["s1", "s2", "s3"][..], &["r2"][..]),
        (user(&[], &["r2"]), "b", &["s4"], &[]),
        (user(&["s4"], &[]), "b", &[], &["r2"]),
        (app(&[]), "a", &["s1", "s2", "s3"], &["r1"]),
    ] {
        let expected = Some((strings(scopes), strings(roles)));
        assert_eq!(
            missing(&rules, &caller, &tool(name)),
            expected,
            "{caller:?} {name}"
        );
    }
    for (caller, name) in [
        (user(&[], &[]), "c"),
        (user(&[], &[]), "d"),
        (user(&[], &[]), "unknown"),
        (app(&[]), "b"),
        (anonymous(), "a"),
    ] {
        assert_eq!(
            missing(&rules, &caller, &tool(name)),
            None,
            "{caller:?} {name}"
        );
    }
}

fn params(json: &str) -> Params {
    let body = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"m","params":{json}}}"#);
    match Message::parse(&body) {
        Ok(Message::Request(request)) => request.params,
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_message_asks_for_what_its_handler_will_take_it_for() {
    for (name, json, expected) in [
        ("tools/call", r#"{"name":"\u0061","uri":"u"}"#, tool("a")),
        ("prompts/get", r#"{"name":"a"}"#, prompt("a")),
        ("resources/read", r#"{"uri":"u","name":"a"}"#, resource("u")),
        ("resources/subscribe", r#"{"uri":"u"}"#, resource("u")),
        ("resources/directory/read", r#"{"uri":"u"}"#, resource("u")),
        ("skills/get", r#"{"uri":"u"}"#, resource("u")),
        ("skills/list", "{}", Asked::Nothing),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"a","uri":"u"}}"#,
            prompt("a"),
        ),
        (
            "completion/complete",
            r#"{"ref":{"uri":"u/{v}","type":"ref/resource","name":"a"}}"#,
            resource("u/{v}"),
        ),
        ("resources/unsubscribe", "{}", Asked::Nothing),
        ("tools/list", "{}", Asked::Nothing),
        ("notifications/initialized", "{}", Asked::Nothing),
        ("tasks/get", "{}", Asked::Nothing),
        ("tasks/other", "{}", method("tasks/other")),
        ("Tools/call", r#"{"name":"a"}"#, method("Tools/call")),
    ] {
        assert_eq!(
            asked(name, &params(json)).unwrap(),
            expected,
            "{name} {json}"
        );
    }
}

#[test]
fn what_does_not_say_what_it_asks_for_is_refused() {
    for (name, json) in [
        ("tools/call", "{}"),
        ("tools/call", r#"{"name":7}"#),
        ("tools/call", r#"{"name":"a","name":"b"}"#),
        ("resources/read", r#"{"uri":null}"#),
        ("skills/get", r#"{"name":"a"}"#),
        ("completion/complete", "{}"),
        ("completion/complete", r#"{"ref":["ref/resource","a","b"]}"#),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","uri":"a"}}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/tool","name":"a"}}"#,
        ),
        (
            "completion/complete",
            r#"{"ref":{"type":"ref/prompt","name":"a","name":"b"}}"#,
        ),
    ] {
        let refused = asked(name, &params(json));
        assert!(
            matches!(refused, Err(RequestError::InvalidParams(_))),
            "{name} {json}: {refused:?}"
        );
    }
}
