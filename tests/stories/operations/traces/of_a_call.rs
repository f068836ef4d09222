//! What belongs to one call is named by it: what its client says of the trace, and what its handler logs.

use prynai_test_fixtures::witness;
use prynai_test_harness::client::{long_running, modern, tool};
use prynai_test_redis::eventually;
use serde_json::json;

use super::receiver::Receiver;
use super::{span, traced, traceparent};

#[tokio::test]
async fn a_tracestate_is_handed_on_to_every_span_or_dropped_whole() {
    let receiver = Receiver::start().await;
    let endpoint = format!("http://{}", receiver.address);
    let fleet = traced(&endpoint, "grpc").start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    let mut call = modern(1, "tools/call", long_running(1, 10));
    call["params"]["_meta"]["traceparent"] = json!(traceparent("01"));
    call["params"]["_meta"]["tracestate"] = json!("rojo=00f067aa0ba902b7, congo=t61");
    let request = client.modern_request(&url, &call);
    let request = request.header("tracestate", "of=the-header");
    client.send(request).await.text().await;
    for (service, name) in [
        ("prynai-gateway", "tools/call long_running"),
        ("prynai-worker", "tools/call long_running"),
        ("prynai-worker", "step"),
    ] {
        let span = span(&receiver, service, name).await;
        let state = &span.span.trace_state;
        assert_eq!(state, "rojo=00f067aa0ba902b7,congo=t61", "{service} {name}");
    }

    let listed = modern(2, "tools/list", json!({}));
    let request = client.modern_request(&url, &listed);
    let request = request.header("traceparent", traceparent("01"));
    let request = request.header("tracestate", "good=1,BAD");
    client.send(request).await.text().await;
    for service in ["prynai-gateway", "prynai-worker"] {
        let span = span(&receiver, service, "tools/list").await;
        assert_eq!(span.span.trace_state, "");
        assert_eq!(span.span.trace_id, super::TRACE);
    }
}

#[tokio::test]
async fn the_lines_of_a_handler_name_its_call() {
    let receiver = Receiver::start().await;
    let endpoint = format!("http://{}", receiver.address);
    let mut fleet = traced(&endpoint, "grpc")
        .worker_binary("prynai-witness-worker")
        .start()
        .await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let mut call = modern("named", "tools/call", tool("echo", json!({ "text": "x" })));
    call["params"]["_meta"]["traceparent"] = json!(traceparent("01"));
    client.modern(&url, &call).await.response().await;
    let worker = fleet.worker_process(0);
    let run = worker.logged("run ended").await;
    let seen = eventually!({
        let mut seen = worker.all_logged(witness::SEEN);
        seen.retain(|line| line["call"] == "tools/call echo");
        seen.pop()
    });
    assert_eq!(seen["stream"], run["stream"], "{seen}");
    assert_eq!(seen["stream"].as_str().map(str::len), Some(32), "{seen}");
    assert_eq!(seen["trace_id"], "1".repeat(32), "{seen}");
    assert_eq!(run["trace_id"], seen["trace_id"]);
    // Lines beside the call name none.
    let ready = worker.all_logged("ready");
    assert!(ready[0].get("stream").is_none(), "{}", ready[0]);
}
