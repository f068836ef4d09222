//! Traces as a receiver gets them: one from the client through gateway, queue and worker into the handler.

mod of_a_call;
pub(super) mod receiver;
mod session_ids;
mod tls;

use std::collections::BTreeSet;

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use prynai_test_harness::client::{MODERN, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::process::Process;
use prynai_test_redis::eventually;
use prynai_test_redis::server::free_port;
use receiver::{Received, Receiver};
use serde_json::{Value, json};

const TRACE: [u8; 16] = [0x11; 16];
const CLIENT_SPAN: [u8; 8] = [0x22; 8];

fn traceparent(flags: &str) -> String {
    format!("00-{}-{}-{flags}", "1".repeat(32), "2".repeat(16))
}

fn traced(endpoint: &str, protocol: &str) -> ClusterPlan {
    let args = [
        ["--otlp-endpoint", endpoint],
        ["--otlp-protocol", protocol],
        ["--log-requests", "all"],
    ];
    Cluster::new()
        .gateway_args(args.as_flattened())
        .worker_args(args.as_flattened())
        .env(
            "OTEL_EXPORTER_OTLP_HEADERS",
            "authorization=Bearer%20s3cret",
        )
}

/// The one span of this service with this name, once it has come.
async fn span(receiver: &Receiver, service: &str, name: &str) -> Received {
    let mut found = eventually!({
        let mut spans = receiver.spans();
        spans.retain(|span| span.service == service && span.span.name == name);
        (!spans.is_empty()).then_some(spans)
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[tokio::test]
async fn one_trace_leads_from_the_client_into_the_handler() {
    for protocol in ["grpc", "http/protobuf"] {
        let receiver = Receiver::start().await;
        let endpoint = format!("http://{}", receiver.address);
        let mut fleet = traced(&endpoint, protocol).start().await;
        let (client, url) = (fleet.client.clone(), fleet.gateway(0));
        let mut call = modern("traced", "tools/call", long_running(1, 10));
        call["params"]["_meta"]["traceparent"] = json!(traceparent("01"));
        client.modern(&url, &call).await.response().await;

        let name = "tools/call long_running";
        let gateway = span(&receiver, "prynai-gateway", name).await;
        let worker = span(&receiver, "prynai-worker", name).await;
        let step = span(&receiver, "prynai-worker", "step").await;
        for received in [&gateway, &worker, &step] {
            assert_eq!(received.span.trace_id, TRACE, "{protocol}: {received:?}");
            assert_eq!(received.authorization, "Bearer s3cret");
        }
        assert_eq!(gateway.span.parent_span_id, CLIENT_SPAN);
        assert_eq!(worker.span.parent_span_id, gateway.span.span_id);
        assert_eq!(step.span.parent_span_id, worker.span.span_id);
        assert_eq!(gateway.span.kind, SpanKind::Server as i32);
        assert_eq!(worker.span.kind, SpanKind::Consumer as i32);
        assert_eq!(worker.span.links[0].span_id, gateway.span.span_id);
        for (key, value) in [
            ("mcp.method.name", "tools/call"),
            ("gen_ai.tool.name", "long_running"),
            ("gen_ai.operation.name", "execute_tool"),
            ("jsonrpc.request.id", "traced"),
            ("mcp.protocol.version", MODERN),
        ] {
            assert_eq!(gateway.attribute(key), value, "{gateway:?}");
            assert_eq!(worker.attribute(key), value, "{worker:?}");
        }
        assert_eq!(gateway.attribute("network.transport"), "tcp");
        assert_eq!(worker.attribute("prynai.attempt"), "1");
        assert!(!worker.attribute("prynai.queue.duration").is_empty());
        for received in [&gateway, &worker] {
            assert_eq!(received.attribute("error.type"), "");
            let status = received
                .span
                .status
                .as_ref()
                .map_or(0, |status| status.code);
            assert_eq!(status, StatusCode::Unset as i32);
            assert!(received.span.end_time_unix_nano > received.span.start_time_unix_nano);
        }

        // The lines of the log name the spans.
        let logged = |process: &Process, message: &str| {
            let mut lines = process.all_logged(message);
            lines.retain(|line| line["request_id"] == "traced");
            lines.pop()
        };
        let request = eventually!(logged(fleet.gateway_process(0), "request ended"));
        assert_eq!(request["span_id"], hex(&gateway.span.span_id), "{request}");
        assert_eq!(request["trace_id"], "1".repeat(32));
        the_page_names(&[gateway, worker]);
    }
}

#[tokio::test]
async fn failures_are_marked_and_what_the_client_does_not_record_is_not_sent() {
    let receiver = Receiver::start().await;
    let endpoint = format!("http://{}", receiver.address);
    let mut fleet = traced(&endpoint, "grpc").start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let mut unsampled = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    unsampled["params"]["_meta"]["traceparent"] = json!(traceparent("00"));
    client.modern(&url, &unsampled).await.response().await;
    let session = client.open_session(&url).await;
    let too_large = tool("add", json!({ "a": f64::MAX, "b": f64::MAX }));
    let failed = legacy(2, "tools/call", too_large);
    client
        .legacy(&url, &session, &failed)
        .await
        .response()
        .await;
    let unknown = legacy(3, "resources/read", json!({ "uri": "x://y?key=hidden" }));
    client
        .legacy(&url, &session, &unknown)
        .await
        .response()
        .await;
    let refused = modern(4, "ping", json!({}));
    client.modern(&url, &refused).await.text().await;

    for service in ["prynai-gateway", "prynai-worker"] {
        let failed = span(&receiver, service, "tools/call add").await;
        assert_eq!(failed.attribute("error.type"), "tool_error");
        assert_eq!(failed.attribute("rpc.response.status_code"), "");
        assert_eq!(failed.attribute("mcp.session.id"), session.id[..12]);
        let unknown = span(&receiver, service, "resources/read").await;
        assert_eq!(unknown.attribute("error.type"), "-32002");
        assert_eq!(unknown.attribute("rpc.response.status_code"), "-32002");
        assert_eq!(unknown.attribute("mcp.resource.uri"), "x://y");
        for received in [failed, unknown] {
            let status = received.span.status.expect("has one");
            assert_eq!(status.code, StatusCode::Error as i32);
        }
    }
    let refused = span(&receiver, "prynai-gateway", "ping").await;
    assert_eq!(refused.attribute("error.type"), "-32601");
    // At its end a process sends what it still has.
    let last = modern(5, "tools/list", json!({}));
    client.modern(&url, &last).await.response().await;
    for process in fleet.processes() {
        process.signal("-TERM");
        assert!(process.ended().await.success());
    }
    let spans = receiver.spans();
    let count = |name: &str| spans.iter().filter(|span| span.span.name == name).count();
    assert_eq!(count("tools/list"), 2);
    assert_eq!(count("tools/call echo"), 0, "it is not recorded");
    assert_eq!(count("initialize"), 1);
}

#[tokio::test]
async fn a_receiver_that_cannot_be_reached_slows_nothing_and_is_told_once() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let mut fleet = traced(&endpoint, "grpc").start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    for id in 0..50 {
        let call = modern(id, "tools/call", tool("echo", json!({ "text": "x" })));
        assert_eq!(client.modern(&url, &call).await.status(), 200);
    }
    let message = "the receiver of traces takes no spans; they are lost until it does";
    for process in fleet.processes() {
        process.logged(message).await;
        process.signal("-TERM");
        assert!(process.ended().await.success());
        assert_eq!(process.all_logged(message).len(), 1);
        assert!(!process.log().join("").contains("s3cret"));
    }
}

#[tokio::test]
async fn wrong_settings_of_traces_are_refused_without_the_secret() {
    for (args, told) in [
        (
            ["--otlp-endpoint", "127.0.0.1:4317"],
            "--otlp-endpoint is a URL",
        ),
        (["--otlp-headers", "s3cret"], "--otlp-headers is name=value"),
        (["--otlp-sampler-arg", "2"], "from 0 to 1"),
        (["--otlp-protocol", "http/json"], "http/protobuf"),
    ] {
        let ended = Process::run("prynai-mcp", &args).await;
        assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
        assert!(ended.output.contains(told), "{}", ended.output);
        assert!(!ended.output.contains("s3cret"), "{}", ended.output);
    }
}

/// The page of traces has each attribute, and no other.
fn the_page_names(spans: &[Received]) {
    let page = include_str!("../../../../docs/tracing.md");
    let rows = page.lines().filter_map(|row| row.strip_prefix("| `"));
    let cells = rows.filter_map(|row| row.split('`').next());
    let named: BTreeSet<&str> = cells.filter(|cell| cell.contains('.')).collect();
    for span in spans {
        for attribute in &span.span.attributes {
            let key = &*attribute.key;
            let is_of_tracing = ["target", "busy_ns", "idle_ns"].contains(&key);
            assert!(named.contains(key) || is_of_tracing, "{key}");
        }
    }
    let source: Value = json!([
        include_str!("../../../../shared/traces/src/span.rs"),
        include_str!("../../../../gateway/engine/src/operation/request_line.rs"),
        include_str!("../../../../worker/engine/src/call/run_line.rs"),
    ]);
    for key in named {
        assert!(source.to_string().contains(key), "{key} is of no span");
    }
}
