use crate::metrics::names::{OTHER, PROMPTS_GET};

use super::*;

/// How often operations ended so, of this method and tool. The metrics are those of all tests of this process.
fn ended(method: &str, tool: &str, error: &str, version: &str) -> u64 {
    metrics()
        .operations
        .count(&[method, tool, "", error, version])
}

fn begun() -> Operation {
    let gateway = GatewayId::generate();
    Operation::begin(&gateway, &Principal::anonymous(), &Method::POST)
}

fn operation(method: &str, tool: Option<&str>, version: &str) -> Operation {
    let operation = begun();
    operation.asks(method, tool);
    operation.speaks(version);
    operation
}

#[test]
fn each_operation_is_counted_once_with_its_outcome() {
    metrics()
        .operations
        .tools
        .announced(["counted_once"].into_iter());
    let call = || operation(TOOLS_CALL, Some("counted_once"), "2026-07-28");
    let count = |error| ended(TOOLS_CALL, "counted_once", error, "2026-07-28");
    for (outcome, error) in [
        (Outcome::Success, ""),
        (Outcome::Error(-32602), "-32602"),
        (Outcome::Error(17), OTHER),
        (Outcome::ToolError, "tool_error"),
        (Outcome::Cancelled, "cancelled"),
    ] {
        let before = count(error);
        call().end(outcome);
        assert_eq!(count(error), before + 1, "{outcome:?}");
        let begun = call();
        let mut handed_over = begun.hand_over(true);
        drop(begun);
        assert_eq!(count(error), before + 1, "{outcome:?}");
        handed_over.end(outcome);
        handed_over.end(Outcome::Success);
        drop(handed_over);
        assert_eq!(count(error), before + 2, "{outcome:?}");
    }
}

#[test]
fn what_is_dropped_was_cancelled_unless_it_goes_on_elsewhere() {
    let count = || ended("completion/complete", "", "cancelled", "2025-06-18");
    let complete = || operation("completion/complete", Some("echo"), "2025-06-18");
    drop(complete());
    assert_eq!(count(), 1);
    drop(complete().hand_over(true));
    assert_eq!(count(), 2);
    drop(complete().hand_over(false));
    assert_eq!(count(), 2);
    // Nobody knows what it was.
    drop(begun());
    assert_eq!(count(), 2);
}

#[test]
fn what_a_client_makes_up_is_no_label() {
    operation("made/up", None, "3000-01-01").end(Outcome::Success);
    operation(TOOLS_CALL, Some("made_up_tool"), "\u{1b}").end(Outcome::Success);
    operation(PROMPTS_GET, Some("made_up_prompt"), "").end(Outcome::Success);
    let text = prynai_process::metrics::metrics().text();
    for made_up in [
        "made/up",
        "3000-01-01",
        "made_up_tool",
        "made_up_prompt",
        "\u{1b}",
    ] {
        assert!(!text.contains(made_up), "{made_up:?}");
    }
    assert!(ended(OTHER, "", "", "") > 0);
    assert!(ended(TOOLS_CALL, OTHER, "", "") > 0);
    let prompts = || {
        metrics()
            .operations
            .count(&[PROMPTS_GET, "", OTHER, "", ""])
    };
    assert!(prompts() > 0);
}

#[test]
fn a_prompt_and_a_tool_of_one_name_are_told_apart() {
    let operations = &metrics().operations;
    operations.tools.announced(["one_name"].into_iter());
    operations.prompts.announced(["one_name"].into_iter());
    operation(PROMPTS_GET, Some("one_name"), "2025-11-25").end(Outcome::Success);
    operation("resources/read", Some("one_name"), "2025-11-25").end(Outcome::Success);
    let count = |labels: [&str; 3]| {
        let [method, tool, prompt] = labels;
        operations.count(&[method, tool, prompt, "", "2025-11-25"])
    };
    assert_eq!(count([PROMPTS_GET, "", "one_name"]), 1);
    assert_eq!(count([TOOLS_CALL, "one_name", ""]), 0);
    assert_eq!(count(["resources/read", "", ""]), 1);
}
