//! What the log says of each request and each run.

use std::collections::BTreeSet;

use prynai_test_harness::client::{
    LEGACY, MODERN, RawClient, legacy, long_running, modern, notification, tool,
};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::process::Process;
use prynai_test_redis::server::free_port;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

const REQUEST: &str = "request ended";
const RUN: &str = "run ended";

const OF_META: &str = "00-11111111111111111111111111111111-2222222222222222-01";
const OF_HEADER: &str = "00-33333333333333333333333333333333-4444444444444444-00";

/// A fleet that writes all lines.
fn told() -> ClusterPlan {
    let all = ["--log-requests", "all"];
    Cluster::new().gateway_args(&all).worker_args(&all)
}

/// The only line with this message that the predicate holds for, once it is there.
async fn the_line(process: &Process, message: &str, is_it: impl Fn(&Value) -> bool) -> Value {
    let mut found = eventually!({
        let mut lines = process.all_logged(message);
        lines.retain(|line| is_it(line));
        (!lines.is_empty()).then_some(lines)
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

async fn line_of(process: &Process, message: &str, request_id: &str) -> Value {
    the_line(process, message, |line| line["request_id"] == request_id).await
}

#[tokio::test]
async fn a_request_and_its_run_are_one_line_each_with_the_same_ids() {
    let mut fleet = told().start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let mut call = modern(
        "of-meta",
        "tools/call",
        tool("echo", json!({ "text": "x" })),
    );
    call["params"]["_meta"]["traceparent"] = json!(OF_META);
    let request = client.modern_request(&url, &call);
    let reply = client.send(request.header("traceparent", OF_HEADER)).await;
    assert_eq!(reply.status(), 200);
    let session = client.open_session(&url).await;
    let add = legacy(2, "tools/call", tool("add", json!({ "a": 1, "b": 2 })));
    client.legacy(&url, &session, &add).await.response().await;

    let request = line_of(fleet.gateway_process(0), REQUEST, "of-meta").await;
    let run = line_of(fleet.worker_process(0), RUN, "of-meta").await;
    for (field, value) in [
        ("level", json!("INFO")),
        ("method", json!("tools/call")),
        ("name", json!("echo")),
        ("principal", json!("anonymous")),
        ("version", json!(MODERN)),
        ("outcome", json!("ok")),
        ("trace_id", json!("1".repeat(32))),
        ("span_id", json!("2".repeat(16))),
    ] {
        assert_eq!(request[field], value, "{request}");
        assert_eq!(run[field], value, "{run}");
    }
    assert_eq!(
        (&request["status"], &run["attempt"]),
        (&json!(200), &json!(1))
    );
    assert_eq!(request["stream"].as_str().map(str::len), Some(32));
    for field in ["stream", "gateway"] {
        assert_eq!(request[field], run[field], "{field}");
    }
    assert!(
        run["worker"]
            .as_str()
            .is_some_and(|id| id.starts_with("wk-"))
    );
    assert!(request["duration_ms"].as_f64() >= run["duration_ms"].as_f64());
    assert!(run["queue_ms"].is_number());

    let request = line_of(fleet.gateway_process(0), REQUEST, "2").await;
    let run = line_of(fleet.worker_process(0), RUN, "2").await;
    for line in [&request, &run] {
        assert_eq!(line["session"].as_str(), Some(&session.id[..12]), "{line}");
        assert_eq!(line["version"], LEGACY);
        assert!(line.get("trace_id").is_none(), "nobody named one: {line}");
    }
}

#[tokio::test]
async fn every_end_of_a_request_is_told() {
    let mut fleet = told().start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let too_large = tool("add", json!({ "a": f64::MAX, "b": f64::MAX }));
    let failed = modern("failed", "tools/call", too_large);
    client.modern(&url, &failed).await.response().await;
    let unknown = modern("unknown", "made/up", json!({}));
    client.modern(&url, &unknown).await.text().await;
    let reply = client.modern(&url, &modern("old", "ping", json!({}))).await;
    assert_eq!(reply.status(), 404);
    let session = client.open_session(&url).await;
    let stream = client.stream(&url, &session, None).await;
    assert_eq!(client.end_session(&url, &session).await, 204);
    drop(stream);
    let late = legacy("late", "tools/list", json!({}));
    assert_eq!(client.legacy(&url, &session, &late).await.status(), 404);
    let body = client.post(&url, "{").send().await.expect("is answered");
    assert_eq!(body.status(), 400);

    let gateway = fleet.gateway_process(0);
    let refused = line_of(gateway, REQUEST, "late").await;
    assert_eq!(refused["reason"], "session_unknown", "{refused}");
    assert_eq!(refused["session"].as_str(), Some(&session.id[..12]));
    for (id, outcome, code) in [
        ("failed", "tool_error", None),
        ("unknown", "error", Some(-32601)),
        ("old", "error", Some(-32601)),
        ("late", "error", Some(-32600)),
    ] {
        let line = line_of(gateway, REQUEST, id).await;
        assert_eq!(line["outcome"], outcome, "{line}");
        assert_eq!(line["code"].as_i64(), code, "{line}");
        assert_eq!(line["level"], "INFO");
    }
    for (http_method, status) in [("GET", 200), ("DELETE", 204)] {
        let is_it = |line: &Value| line["http_method"] == http_method;
        let line = the_line(gateway, REQUEST, is_it).await;
        assert_eq!(
            (&line["status"], &line["outcome"]),
            (&json!(status), &json!("ok"))
        );
    }
    let is_it = |line: &Value| line["reason"] == "not_json";
    let unreadable = the_line(gateway, REQUEST, is_it).await;
    assert_eq!(unreadable["status"], 400);
    let noted = |line: &Value| line["method"] == "notifications/initialized";
    assert_eq!(the_line(gateway, REQUEST, noted).await["status"], 202);

    let run = line_of(fleet.worker_process(0), RUN, "failed").await;
    assert_eq!(run["outcome"], "tool_error");
    let run = line_of(fleet.worker_process(0), RUN, "unknown").await;
    assert_eq!(
        (&run["outcome"], &run["code"]),
        (&json!("error"), &json!(-32601))
    );
}

#[tokio::test]
async fn a_client_that_goes_away_leaves_a_line() {
    let mut fleet = told().start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let session = client.open_session(&url).await;
    let call = legacy("detached", "tools/call", long_running(1, 300));
    let stream = client.legacy_stream(&url, &session, &call).await;
    assert!(stream.is_event_stream());
    drop(stream);
    let line = line_of(fleet.gateway_process(0), REQUEST, "detached").await;
    assert_eq!(line["outcome"], "detached", "{line}");
    let run = line_of(fleet.worker_process(0), RUN, "detached").await;
    assert_eq!(run["outcome"], "ok", "it goes on: {run}");
    let call = legacy("taken-back", "tools/call", long_running(1000, 100));
    let stream = client.legacy_stream(&url, &session, &call).await;
    let cancel = notification(
        "notifications/cancelled",
        json!({ "requestId": "taken-back" }),
    );
    client.legacy(&url, &session, &cancel).await;
    let request = line_of(fleet.gateway_process(0), REQUEST, "taken-back").await;
    let run = line_of(fleet.worker_process(0), RUN, "taken-back").await;
    for line in [request, run] {
        assert_eq!(line["outcome"], "cancelled", "{line}");
    }
    drop(stream);
}

#[tokio::test]
async fn what_a_client_chose_is_made_visible_and_has_a_bound() {
    for format in ["json", "text"] {
        let address = format!("127.0.0.1:{}", free_port());
        let args = [
            ["--log-format", format],
            ["--log-requests", "all"],
            ["--listen", &address],
        ];
        let alone = Process::start("prynai-mcp", args.as_flattened()).await;
        let (client, url) = (RawClient::new(), format!("http://{address}/mcp"));
        let ready = client.request("GET", &format!("http://{address}/readyz"));
        let ready = async || ready.try_clone().expect("has no body").send().await;
        assert_eventually!(ready().await.is_ok_and(|answer| answer.status() == 200));
        let session = client.open_session(&url).await;
        let evil = "\u{1b}[31m\u{202e}\r\n\u{9b}";
        let name = format!("{evil}{}", "n".repeat(1000));
        let mut call = legacy(evil, "tools/call", tool(&name, json!({})));
        call["params"]["_meta"] = json!({ "traceparent": format!("{OF_META}{evil}") });
        client.legacy(&url, &session, &call).await.response().await;
        let call = legacy(1, &format!("m{evil}"), json!({}));
        client.legacy(&url, &session, &call).await.response().await;
        let read = json!({ "uri": "x://a?key=hidden#hidden" });
        let read = legacy("read", "resources/read", read);
        client.legacy(&url, &session, &read).await.response().await;
        let lines = eventually!({
            let mut log = alone.log();
            log.retain(|line| line.contains(REQUEST) || line.contains(RUN));
            let read = log.iter().filter(|line| line.contains("x://a"));
            (read.count() == 2).then_some(log)
        });
        for line in &lines {
            assert!(!line.chars().any(char::is_control), "{line:?}");
            let hidden = ["\u{202e}", "hidden", "trace_id"];
            assert!(!hidden.iter().any(|text| line.contains(text)), "{line:?}");
            assert!(line.len() < 1000, "{line:?}");
        }
        let shown = lines.iter().filter(|line| line.contains("u{1b}[31m"));
        assert_eq!(shown.count(), 4, "{lines:?}");
    }
}

#[tokio::test]
async fn an_operator_may_have_only_the_failures_or_none() {
    for (which, chosen, expected) in [
        ("failed", "info", ["", "WARN"]),
        ("none", "info", ["", ""]),
        ("all", "info", ["INFO", "WARN"]),
        ("none", "info,request=info,run=info", ["INFO", "WARN"]),
    ] {
        let args = ["--log-requests", which];
        let fleet = Cluster::new().gateway_args(&args).worker_args(&args);
        let mut fleet = fleet.env("RUST_LOG", chosen).start().await;
        let (client, url) = (fleet.client.clone(), fleet.gateway(0));
        let good = modern("good", "tools/call", tool("echo", json!({ "text": "x" })));
        client.modern(&url, &good).await.response().await;
        let mut bad = modern("bad", "tools/call", long_running(1000, 100));
        bad["params"]["_meta"]["ai.prynai/timeoutMs"] = json!(300);
        let answer = client.modern(&url, &bad).await.response().await;
        assert_eq!(answer["error"]["code"], -32603, "{answer}");
        for process in fleet.processes() {
            process.signal("-TERM");
            process.ended().await;
            let lines = [process.all_logged(REQUEST), process.all_logged(RUN)].concat();
            for (id, level) in ["good", "bad"].into_iter().zip(expected) {
                let line = lines.iter().find(|line| line["request_id"] == id);
                let found = line.and_then(|line| line["level"].as_str());
                assert_eq!(
                    found.unwrap_or_default(),
                    level,
                    "{which}, {chosen}: {lines:?}"
                );
            }
        }
    }
}

#[tokio::test]
async fn the_page_names_every_field_of_these_lines() {
    let page = include_str!("../../../docs/logging.md");
    let (_, table) = page.split_once("## Fields").expect("a table");
    let rows = table.lines().filter_map(|row| row.strip_prefix("| "));
    let cells = rows.filter_map(|row| row.split(" |").next());
    let known: BTreeSet<&str> = cells.flat_map(|cell| cell.split('`')).collect();
    let mut fleet = told().start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let session = client.open_session(&url).await;
    let list = legacy("list", "tools/list", json!({}));
    client.legacy(&url, &session, &list).await.response().await;
    line_of(fleet.gateway_process(0), REQUEST, "list").await;
    line_of(fleet.worker_process(0), RUN, "list").await;
    for process in fleet.processes() {
        for line in process.log() {
            let line: Value = serde_json::from_str(&line).expect("is JSON");
            let line = line.as_object().expect("an object").clone();
            for field in line.keys() {
                assert!(known.contains(&**field), "{field} of {line:?}");
            }
        }
    }
}
