//! A list holds what its caller may see, in the log as well: that is what a client reads again when it resumes.

use prynai_bus::wire::visible::Visible;
use prynai_everything::Everything;
use serde_json::{Value, json};

use crate::passing_on::Attentive;
use crate::stage::{Stage, message};

fn visible(names: &[&str], read_only: &[&str]) -> Option<Visible> {
    let set = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    Some(Visible {
        names: set(names),
        read_only: set(read_only),
    })
}

/// The names by which the entries of a list are known.
fn names(list: &Value) -> Vec<&str> {
    let entries = list.as_array().expect("a list").iter();
    let name = |entry: &'_ Value| ["uriTemplate", "uri", "name"].map(|key| entry[key].is_string());
    entries
        .map(|entry| match name(entry) {
            [true, ..] => &entry["uriTemplate"],
            [_, true, _] => &entry["uri"],
            _ => &entry["name"],
        })
        .map(|name| name.as_str().expect("a string"))
        .collect()
}

#[tokio::test]
async fn every_list_is_shown_in_part_in_both_eras() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (method, member, shown, expected) in [
        (
            "tools/list",
            "tools",
            visible(&["echo", "book_*"], &[]),
            &["book_table", "echo"][..],
        ),
        (
            "tools/list",
            "tools",
            visible(&["bump_counter"], &["*"]),
            &[
                "add",
                "bump_counter",
                "echo",
                "long_running",
                "plan_trip",
                "show_counter",
                "summarize",
                "whoami",
            ],
        ),
        (
            "prompts/list",
            "prompts",
            visible(&["greet"], &[]),
            &["greet"],
        ),
        (
            "resources/list",
            "resources",
            visible(&["everything://readme", "x://**"], &[]),
            &["everything://readme"],
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            visible(&["everything://notes/retry"], &[]),
            &["everything://notes/{name}"],
        ),
        (
            "resources/templates/list",
            "resourceTemplates",
            visible(&["everything://readme"], &[]),
            &[],
        ),
    ] {
        for mut request in [
            stage.modern(method, json!({})),
            stage.legacy_with(method, &json!({}), &json!({})),
        ] {
            request.visible = shown.clone();
            let events = stage.run(&request).await;
            let [only] = events.as_slice() else {
                panic!("more than a response: {events:?}");
            };
            let response = message(only);
            let mut names = names(&response["result"][member]);
            names.sort_unstable();
            assert_eq!(names, expected, "{method} {shown:?}");
        }
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_page_may_be_empty_and_the_next_one_is_not() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Attentive);
    let mut found = Vec::new();
    let mut params = json!({});
    let mut pages = 0;
    loop {
        let mut request = stage.modern("tools/list", params);
        request.visible = visible(&["tool_*7", "tool_95"], &[]);
        let result = stage.response(&request).await["result"].clone();
        found.extend(names(&result["tools"]).into_iter().map(str::to_owned));
        pages += 1;
        match &result["nextCursor"] {
            Value::Null => break,
            cursor => params = json!({ "cursor": cursor }),
        }
    }
    assert_eq!(pages, 10);
    let mut expected: Vec<String> = (0..10)
        .map(|n| format!("tool_{n}7").replace("_0", "_"))
        .collect();
    expected.insert(9, "tool_95".to_owned());
    assert_eq!(found, expected);
    worker.stop(&stage).await;
}
