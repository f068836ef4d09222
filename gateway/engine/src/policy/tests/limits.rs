//! What counts against which limit, and what is said of limits that cannot be.

use prynai_bus::wire::principal::Principal;

use super::super::asked::Asked;
use super::super::limits::Request;
use super::*;

const ALLOW: &str = "[[allow]]\neverything = true\n\n[[limit]]\nname = \"few\"\nrate = \"10/s\"\n";

/// The limits and buckets that a request counts against.
fn counted(written: &str, principal: &Principal, method: &str, asked: &Asked) -> Vec<String> {
    let rules = rules(&format!("{ALLOW}{written}"));
    let request = Request {
        principal,
        method,
        asked,
        is_of_known_tool: asked != &Asked::Tool("made_up".to_owned()),
    };
    let limits = rules.limits.iter();
    let counted = limits.filter_map(|limit| limit.counts(&request));
    counted.map(|counted| counted.bucket.name).collect()
}

fn tool(name: &str) -> Asked {
    Asked::Tool(name.to_owned())
}

#[test]
fn every_mistake_is_told_with_its_line() {
    for (written, line, said) in [
        ("", "line 4", "the limit is for nothing"),
        (
            "everything = true\ntools = [\"a\"]",
            "line 4",
            "leaves nothing to name",
        ),
        ("tools = [\"a\"]\nany_role = []", "line 4", "for nobody"),
        (
            "tools = [\"a\"]\nburst = 0",
            "line 8",
            "burst must be 1 to 1000000",
        ),
        ("tools = [\"a\"]\nburst = -1", "line 8", "invalid value"),
        (
            "tools = [\"a\"]\nper = [\"tenant\"]",
            "line 8",
            "expected one of `principal`",
        ),
        ("tools = [\"a\", \"b**\"]", "line 7", "must stand alone"),
        (
            "tools = [\"a\"]\nlist = true",
            "line 8",
            "unknown field `list`",
        ),
        (
            "tools = [\"a\"]\n\n[[limit]]\nname = \"few\"\nrate = \"1/d\"\ntools = [\"b\"]",
            "line 9",
            "two limits with the name \"few\"",
        ),
        (
            "tools = [\"a\"]\n\n[[limit]]\nname = \"\\u001b\"\nrate = \"1/d\"\ntools = [\"b\"]",
            "line 10",
            "visible characters of ASCII",
        ),
    ] {
        let told = parse(&format!("{ALLOW}{written}")).expect_err(written);
        assert!(told.contains(line), "{written}\n{told}");
        assert!(told.contains(said), "{written}\n{told}");
    }
    for rate in [
        "10",
        "0/s",
        "-1/s",
        "10/w",
        "1000001/s",
        "ten/s",
        "/s",
        "1.5/s",
        "10/",
    ] {
        let text = ALLOW.replace("10/s", rate);
        let told = parse(&format!("{text}tools = [\"a\"]")).expect_err(rate);
        assert!(
            told.contains("line 6") && told.contains("is not a rate"),
            "{told}"
        );
    }
}

#[test]
fn a_file_has_a_bound_of_limits() {
    let limits = |count: usize| {
        let limit = |n| format!("[[limit]]\nname = \"{n}\"\nrate = \"1/s\"\ntools = [\"a\"]\n");
        let all: String = (0..count).map(limit).collect();
        format!("[[allow]]\neverything = true\n{all}")
    };
    assert!(parse(&limits(64)).is_ok());
    let told = parse(&limits(65)).expect_err("too many");
    assert!(told.contains("more than 64 limits"), "{told}");
}

#[test]
fn a_limit_counts_what_it_names() {
    let caller = anonymous();
    for (written, method, asked, counts) in [
        (
            "tools = [\"report_*\"]",
            "tools/call",
            tool("report_day"),
            true,
        ),
        ("tools = [\"report_*\"]", "tools/call", tool("echo"), false),
        (
            "tools = [\"*\"]",
            "prompts/get",
            Asked::Prompt("p".to_owned()),
            false,
        ),
        (
            "prompts = [\"*\"]",
            "prompts/get",
            Asked::Prompt("p".to_owned()),
            true,
        ),
        (
            "resources = [\"x://a/*\"]",
            "resources/read",
            Asked::Resource("x://a/b".to_owned()),
            true,
        ),
        (
            "methods = [\"tools/list\"]",
            "tools/list",
            Asked::Nothing,
            true,
        ),
        (
            "methods = [\"tools/call\"]",
            "tools/call",
            tool("echo"),
            true,
        ),
        (
            "methods = [\"initialize\"]",
            "tools/list",
            Asked::Nothing,
            false,
        ),
        (
            "methods = [\"acme/*\"]",
            "acme/do",
            Asked::Method("acme/do".to_owned()),
            true,
        ),
        ("everything = true", "ping", Asked::Nothing, true),
    ] {
        let counted = counted(written, &caller, method, &asked);
        assert_eq!(!counted.is_empty(), counts, "{written} {method}");
    }
}

#[test]
fn a_limit_is_for_those_whom_it_names() {
    let of = |written: &str, principal: &Principal| {
        let written = format!("tools = [\"*\"]\n{written}");
        !counted(&written, principal, "tools/call", &tool("echo")).is_empty()
    };
    assert!(of("", &anonymous()));
    assert!(of("to = \"apps\"", &app(&["A"])));
    assert!(!of("to = \"apps\"", &user(&[], &["A"])));
    assert!(of("any_role = [\"A\"]", &app(&["A", "B"])));
    assert!(!of("any_role = [\"A\"]", &app(&["B"])));
}

#[test]
fn each_has_a_bucket_of_its_own_as_the_limit_says() {
    let bucket = |per: &str, principal: &Principal, name: &str| {
        let written = format!("tools = [\"*\"]\nany_role = [\"A\", \"B\"]\nper = [{per}]");
        let mut counted = counted(&written, principal, "tools/call", &tool(name));
        assert_eq!(counted.len(), 1, "{per}");
        let bucket = counted.remove(0);
        assert!(
            bucket.starts_with("few:") && bucket.len() <= 128,
            "{bucket}"
        );
        bucket
    };
    let (alice, robot) = (user(&[], &["A"]), app(&["B"]));
    let other = Principal {
        subject: "other".to_owned(),
        ..alice.clone()
    };
    for (per, callers_differ, same_role_differs, tools_differ) in [
        ("", false, false, false),
        ("\"principal\"", true, true, false),
        ("\"client\"", false, false, false),
        ("\"role\"", true, false, false),
        ("\"tool\"", false, false, true),
        ("\"principal\", \"tool\"", true, true, true),
    ] {
        let first = bucket(per, &alice, "echo");
        assert_eq!(
            first != bucket(per, &robot, "echo"),
            callers_differ,
            "{per}"
        );
        assert_eq!(
            first != bucket(per, &other, "echo"),
            same_role_differs,
            "{per}"
        );
        assert_eq!(first != bucket(per, &alice, "add"), tools_differ, "{per}");
    }
    // Nobody makes buckets by making up tools.
    assert_eq!(
        bucket("\"tool\"", &alice, "made_up"),
        counted(
            "tools = [\"*\"]\nper = [\"tool\"]",
            &anonymous(),
            "prompts/get",
            &tool("made_up"),
        )[0]
    );
}
