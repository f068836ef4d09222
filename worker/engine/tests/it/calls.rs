use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::message::RawJson;
use prynai_everything::Everything;
use serde_json::{Value, json};

use crate::probe::probe;
use crate::stage::{Stage, message, raw, soon, text};

#[tokio::test]
async fn a_call_is_answered_in_both_eras() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let modern = stage.modern_call("echo", json!({"text": "hello"}));
    let response = stage.response(&modern).await;
    assert_eq!(text(&response), "hello");
    assert_eq!(response["result"]["resultType"], "complete");
    let params = json!({"name": "echo", "arguments": {"text": "hello"}});
    let legacy = stage.legacy_with("tools/call", &params, &json!({}));
    let response = stage.response(&legacy).await;
    assert_eq!(text(&response), "hello");
    assert_eq!(response["result"].get("resultType"), None);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn structured_results_keep_whole_numbers() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (a, b, sum) in [("1", "2", "3"), ("0.5", "0.25", "0.75"), ("-1", "1", "0")] {
        let mut request = stage.modern_call("add", json!({}));
        let message = request.message.as_str();
        let arguments = format!(r#""arguments":{{"a":{a},"b":{b}}}"#);
        let message = message.replace(r#""arguments":{}"#, &arguments);
        request.message = RawJson::parse(message).expect("JSON");
        let response = stage.response(&request).await;
        assert_eq!(
            response["result"]["structuredContent"]["sum"].to_string(),
            sum
        );
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn ids_come_back_as_they_were_sent() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for id in [
        "9007199254740993",
        "-1",
        "0",
        r#""7""#,
        r#""\u00e9 \"x\"""#,
        "18446744073709551615",
    ] {
        let mut request = stage.modern_call("echo", json!({"text": "x"}));
        let message = request
            .message
            .as_str()
            .replace(r#""id":7"#, &format!(r#""id":{id}"#));
        request.message = RawJson::parse(message).expect("JSON");
        request.request_id = Some(RawJson::parse(id).expect("JSON"));
        let events = stage.run(&request).await;
        let response = events[0].message.as_ref().expect("a message").as_str();
        assert!(response.contains(&format!(r#""id":{id},"#)), "{response}");
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn progress_and_logs_come_before_the_result_and_in_order() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let params = json!({"name": "long_running", "arguments": {"steps": 3, "delay_ms": 1},
        "_meta": {"progressToken": "p"}});
    let request = stage.legacy_with("tools/call", &params, &json!({}));
    let events = stage.run(&request).await;
    let offsets: Vec<u64> = events.iter().map(|event| event.offset).collect();
    assert_eq!(offsets, (1..=7).collect::<Vec<_>>());
    let said: Vec<Value> = events.iter().map(message).collect();
    for step in 0..3 {
        let progress = &said[2 * step];
        assert_eq!(progress["method"], "notifications/progress");
        assert_eq!(progress["params"]["progressToken"], "p");
        assert_eq!(progress["params"]["progress"], (step + 1) as f64);
        assert_eq!(progress["params"]["total"], 3.0);
        assert_eq!(said[2 * step + 1]["method"], "notifications/message");
    }
    assert_eq!(text(&said[6]), "done after 3 steps");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn modern_requests_get_logs_only_on_demand() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (meta, logs) in [
        (json!({}), 0),
        (json!({"io.modelcontextprotocol/logLevel": "info"}), 2),
        (json!({"io.modelcontextprotocol/logLevel": "warning"}), 0),
    ] {
        let params = json!({"name": "long_running", "arguments": {"steps": 2, "delay_ms": 1}, "_meta": meta});
        let request = stage.modern("tools/call", params);
        let events = stage.run(&request).await;
        assert_eq!(events.len(), logs + 1, "{meta}");
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_full_log_drops_notifications_but_not_the_result() {
    let limits = BusLimits {
        log_events: 3,
        ..BusLimits::default()
    };
    let mut stage = Stage::with_limits(limits).await;
    let worker = stage.serve(Everything::new());
    // More than may wait to be written: the last ones have room with the result.
    let params = json!({"name": "long_running", "arguments": {"steps": 500, "delay_ms": 0}});
    let request = stage.legacy_with("tools/call", &params, &json!({}));
    let events = stage.run(&request).await;
    assert_eq!(events.len(), 4);
    assert_eq!(text(&message(&events[3])), "done after 500 steps");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_panic_is_an_error_of_that_call_only() {
    prynai_worker_engine::hush_handler_panics();
    let mut stage = Stage::new().await;
    let (probe, _watch) = probe();
    let worker = stage.serve_at_once(probe, 1);
    for _ in 0..3 {
        let request = stage.modern_call("panic", json!({}));
        let response = stage.response(&request).await;
        assert_eq!(response["error"]["code"], -32603, "{response}");
        let said = response["error"]["message"].as_str().expect("a message");
        assert!(
            said.contains("panicked") && !said.contains("as asked"),
            "{said}"
        );
    }
    let request = stage.modern_call("anything", json!({}));
    assert_eq!(text(&stage.response(&request).await), "done");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn malformed_parameters_and_unknown_methods_are_told_apart() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (method, params, code) in [
        ("tools/call", json!({"name": 7}), -32602),
        ("tools/call", json!({}), -32602),
        ("tools/call", json!({"name": "no_such_tool"}), -32602),
        ("resources/read", json!({}), -32602),
        (
            "completion/complete",
            json!({"ref": {"type": "ref/other"}}),
            -32602,
        ),
        ("no/such/method", json!({}), -32601),
        ("initialize", json!({}), -32601),
    ] {
        let request = stage.modern(method, params.clone());
        let response = stage.response(&request).await;
        assert_eq!(
            response["error"]["code"], code,
            "{method} {params}: {response}"
        );
        assert_eq!(response["id"], 7);
    }
    let mut request = stage.modern("tools/call", json!({}));
    request.message = raw(&json!({"jsonrpc": "2.0", "id": 7, "method": "tools/call"}));
    let response = stage.response(&request).await;
    assert_eq!(response["error"]["code"], -32602, "{response}");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_request_past_its_deadline_is_not_begun() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let mut request = stage.modern_call("anything", json!({}));
    request.deadline_ms = Some(1);
    let response = stage.response(&request).await;
    assert_eq!(response["error"]["code"], -32603);
    assert_eq!(response["error"]["data"]["reason"], "deadline");
    worker.stop(&stage).await;
    assert!(watch.begun.recv().await.is_none(), "was begun");
}

#[tokio::test]
async fn the_handler_knows_who_calls() {
    let mut stage = Stage::new().await;
    let (probe, _watch) = probe();
    let worker = stage.serve(probe);
    let request = stage.modern_call("who", json!({}));
    let response = stage.response(&request).await;
    assert_eq!(text(&response), r#"alice None POST /mcp "r-1" None"#);
    let params = json!({"name": "who"});
    let request = stage.legacy_with("tools/call", &params, &json!({}));
    let response = stage.response(&request).await;
    assert_eq!(
        text(&response),
        r#"alice Some("2025-11-25") POST /mcp "r-1" Some("test")"#
    );
    worker.stop(&stage).await;
}

#[tokio::test]
async fn no_more_calls_run_at_once_than_allowed() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve_at_once(probe, 2);
    let mut open = Vec::new();
    for _ in 0..6 {
        let request = stage.modern_call("hold", json!({}));
        stage.enqueue(&request).await;
        open.push(request.stream);
    }
    for _ in 0..2 {
        soon("a call", watch.begun.recv()).await;
    }
    while !open.is_empty() {
        watch.release.add_permits(1);
        let event = stage.event().await;
        assert_eq!(event.kind, EventKind::Final);
        open.retain(|stream| *stream != event.stream);
    }
    assert_eq!(
        watch.most_at_once.load(std::sync::atomic::Ordering::SeqCst),
        2
    );
    worker.stop(&stage).await;
}

#[tokio::test]
async fn counters_live_in_the_state_store() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    for (arguments, value) in [
        (json!({}), 1),
        (json!({}), 2),
        (json!({"name": "other"}), 1),
        (json!({}), 3),
    ] {
        let request = stage.modern_call("bump_counter", arguments);
        let response = stage.response(&request).await;
        assert_eq!(response["result"]["structuredContent"]["value"], value);
        assert_eq!(text(&response), value.to_string());
    }
    let request = stage.modern("resources/read", json!({"uri": "everything://counter"}));
    let response = stage.response(&request).await;
    assert_eq!(response["result"]["contents"][0]["text"], "3");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn an_unknown_resource_is_named() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    let params = json!({"uri": "everything://nothing"});
    let modern = stage.modern("resources/read", params.clone());
    let response = stage.response(&modern).await;
    assert_eq!(response["error"]["code"], -32602);
    assert_eq!(response["error"]["data"]["uri"], "everything://nothing");
    let legacy = stage.legacy_with("resources/read", &params, &json!({}));
    let response = stage.response(&legacy).await;
    assert_eq!(response["error"]["code"], -32002);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_copy_of_a_running_call_becomes_a_dead_letter() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let request = stage.modern_call("hold", json!({}));
    stage.begin(&request, &mut watch).await;
    let copy = stage.enqueue(&request).await;
    let dead_letter = async {
        while stage.bus.dead_letters().is_empty() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the dead letter", dead_letter).await;
    let letters = stage.bus.dead_letters();
    assert_eq!(letters[0].claim.entry, copy.entry);
    assert!(letters[0].reason.contains("copy"), "{letters:?}");

    watch.release.add_permits(2);
    let events = stage.rest_of(request.stream).await;
    assert_eq!(text(&message(&events[0])), "released");
    worker.stop(&stage).await;
    assert_eq!(watch.begun.recv().await, None, "it was begun twice");
}

#[tokio::test]
async fn a_task_that_comes_back_while_it_still_runs_here_is_no_copy() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let request = stage.modern_call("hold", json!({}));
    stage.begin(&request, &mut watch).await;
    let mut back = request.clone();
    back.again = true;
    stage.enqueue(&back).await;
    // Claims come in order, so it was claimed before this one.
    let other = stage.modern_call("hold", json!({}));
    stage.begin(&other, &mut watch).await;
    assert_eq!(stage.bus.dead_letters().len(), 0);

    watch.release.add_permits(2);
    for stream in [request.stream, other.stream] {
        let events = stage.rest_of(stream).await;
        assert_eq!(text(&message(&events[0])), "released");
    }
    let all_ended = async {
        while stage.bus.queue_depth() != (0, 0) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon("the end of what came back", all_ended).await;
    worker.stop(&stage).await;
    assert_eq!(stage.bus.dead_letters().len(), 0);
    assert_eq!(watch.begun.recv().await, None, "it was begun twice");
}
