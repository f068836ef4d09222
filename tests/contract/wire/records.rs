//! Events, changes, signals, catalogs and sessions.

use std::time::Duration;

use prynai_bus::wire::catalog::{CatalogRecord, CatalogTool, TaskUse};
use prynai_bus::wire::change::{Change, ChangeEntry};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::session::Session;
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::wire::task::TaskBirth;

use crate::{SAMPLES, Wire, passes, raw, session, session_id, stream};

#[test]
fn events() {
    let message = concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","#,
        r#""params":{"progressToken":12345678901234567890,"progress":0.5}}"#
    );
    let response = concat!(
        r#"{"jsonrpc":"2.0","id":"call-7","#,
        r#""result":{"content":[{"type":"text","text":"done"}]}}"#
    );
    let task = concat!(
        r#"{"jsonrpc":"2.0","id":"call-7","result":{"resultType":"task","#,
        r#""taskId":"0198c5f2a7b47c3e9d10b2f4c6e8a012","status":"working"}}"#
    );
    let event = |offset, kind, text| StreamEvent::new(stream(), offset, kind, raw(text));
    passes("event_message", &event(1, EventKind::Message, message));
    passes("event_final", &event(2, EventKind::Final, response));
    let sealed = StreamEvent {
        failed: true,
        ..event(2, EventKind::Final, r#""sealed""#)
    };
    passes("event_final_sealed", &sealed);
    passes("event_task", &event(2, EventKind::Task, task));
    passes("event_cancelled", &StreamEvent::cancelled(stream(), 3));
    passes("event_pause", &StreamEvent::pause(stream(), 2));
    passes("event_see_log", &StreamEvent::see_log(stream()));
}

#[test]
fn changes() {
    let session = session_id();
    let uri = "test://static/1".to_owned();
    for (name, change) in [
        ("change_tools_list_changed", Change::ToolsListChanged),
        ("change_prompts_list_changed", Change::PromptsListChanged),
        (
            "change_resources_list_changed",
            Change::ResourcesListChanged,
        ),
        ("change_resource_updated", Change::ResourceUpdated { uri }),
        ("change_catalog_changed", Change::CatalogChanged),
        (
            "change_session_listening",
            Change::SessionListening {
                session: session.clone(),
                listener: stream(),
            },
        ),
        (
            "change_session_changed",
            Change::SessionChanged {
                session: session.clone(),
            },
        ),
        ("change_session_ended", Change::SessionEnded { session }),
    ] {
        passes(name, &ChangeEntry::new(change));
    }
}

#[test]
fn signals() {
    let signal = |kind, drain| Signal {
        v: 1,
        stream: stream(),
        kind,
        drain,
    };
    passes("signal_cancel", &signal(SignalKind::Cancel, false));
    passes("signal_mail", &signal(SignalKind::Mail, false));
    passes("signal_drain", &signal(SignalKind::Mail, true));
}

#[test]
fn a_catalog() {
    let echo = CatalogTool {
        repeatable: true,
        read_only: false,
        header_params: [(
            "Region".to_owned(),
            vec!["where".to_owned(), "region".to_owned()],
        )]
        .into(),
        audit: Vec::new(),
        downstream: Vec::new(),
        tasks: TaskUse::AfterATime,
    };
    let versions = ["2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28"];
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "everything", "version": "0.1.0"}"#),
        capabilities: raw(r#"{"tools": {"listChanged": true}, "resources": {"subscribe": true}}"#),
        instructions: Some("Try echo first.".to_owned()),
        protocol_versions: versions.map(str::to_owned).into(),
        tools: [
            ("book_table".to_owned(), CatalogTool::default()),
            ("echo".to_owned(), echo),
        ]
        .into(),
        prompts: Default::default(),
    };
    passes("catalog", &expected);
}

#[test]
fn a_catalog_with_a_tool_that_only_reads() {
    let read_report = CatalogTool {
        repeatable: true,
        read_only: true,
        header_params: Default::default(),
        audit: Vec::new(),
        downstream: Vec::new(),
        tasks: TaskUse::AfterATime,
    };
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "reports", "version": "0.2.0"}"#),
        capabilities: raw(r#"{"tools": {}}"#),
        instructions: None,
        protocol_versions: vec!["2025-11-25".to_owned(), "2026-07-28".to_owned()],
        tools: [
            ("delete_report".to_owned(), CatalogTool::default()),
            ("read_report".to_owned(), read_report),
        ]
        .into(),
        prompts: Default::default(),
    };
    passes("catalog_read_only", &expected);
}

#[test]
fn a_catalog_with_prompts() {
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "letters", "version": "0.3.0"}"#),
        capabilities: raw(r#"{"prompts": {}}"#),
        instructions: None,
        protocol_versions: vec!["2026-07-28".to_owned()],
        tools: Default::default(),
        prompts: ["greeting".to_owned(), "reminder".to_owned()].into(),
    };
    passes("catalog_prompts", &expected);
}

#[test]
fn a_catalog_with_a_tool_that_is_audited() {
    let pay = CatalogTool {
        audit: vec!["account".to_owned(), "amount".to_owned()],
        ..CatalogTool::default()
    };
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "bank", "version": "0.3.0"}"#),
        capabilities: raw(r#"{"tools": {}}"#),
        instructions: None,
        protocol_versions: vec!["2026-07-28".to_owned()],
        tools: [("pay".to_owned(), pay)].into(),
        prompts: Default::default(),
    };
    passes("catalog_audited", &expected);
}

#[test]
fn a_catalog_with_a_tool_that_acts_at_another_api() {
    let my_records = CatalogTool {
        downstream: vec!["api://other/records.read".to_owned()],
        ..CatalogTool::default()
    };
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "records", "version": "0.3.0"}"#),
        capabilities: raw(r#"{"tools": {}}"#),
        instructions: None,
        protocol_versions: vec!["2026-07-28".to_owned()],
        tools: [("my_records".to_owned(), my_records)].into(),
        prompts: Default::default(),
    };
    passes("catalog_downstream", &expected);
}

#[test]
fn a_catalog_with_tools_whose_calls_are_tasks() {
    let tool = |tasks| CatalogTool {
        tasks,
        ..CatalogTool::default()
    };
    let expected = CatalogRecord {
        v: 1,
        server_info: raw(r#"{"name": "mill", "version": "0.4.0"}"#),
        capabilities: raw(r#"{"tools": {}}"#),
        instructions: None,
        protocol_versions: vec!["2026-07-28".to_owned()],
        tools: [
            ("count".to_owned(), tool(TaskUse::Never)),
            ("grind".to_owned(), tool(TaskUse::Always)),
            ("rebuild".to_owned(), tool(TaskUse::Required)),
        ]
        .into(),
        prompts: Default::default(),
    };
    passes("catalog_tasks", &expected);
}

#[test]
fn the_birth_of_a_task() {
    let birth = TaskBirth::new(1_785_000_000_000, Duration::from_secs(2));
    passes("task_birth", &birth);
    let named = birth.of_tool(Some("report".to_owned()));
    passes("task_birth_named", &named);
}

#[test]
fn a_session() {
    let expected = Session {
        client_info: raw(r#"{"name": "inspector", "version": "0.17.0"}"#),
        capabilities: raw(r#"{"sampling": {}, "elicitation": {}}"#),
        ..session()
    };
    passes("session_alone", &expected);
    // What a session subscribed to was a part of it once, which never left its gateway.
    let (_, text) = SAMPLES
        .iter()
        .find(|(name, _)| *name == "session")
        .expect("it");
    assert_eq!(Session::read(text).expect("is read"), expected);
}
