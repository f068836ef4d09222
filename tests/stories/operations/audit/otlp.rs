//! The audit as logs over OTLP.

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use opentelemetry_proto::tonic::common::v1::any_value::Value as Any;
use opentelemetry_proto::tonic::logs::v1::SeverityNumber;
use prynai_test_harness::client::{LEGACY, RawClient, legacy, modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::policy_file::PolicyFile;
use prynai_test_harness::process::Process;
use prynai_test_redis::eventually;
use prynai_test_redis::server::free_port;
use serde_json::{Value, json};

use super::super::traces::receiver::{Logged, Receiver};
use super::{POLICY, call, records};

const TRACE: &str = "11111111111111111111111111111111";

/// What each field of a record is called there; but for those that are of the record itself.
const NAMES: [(&str, &str); 19] = [
    ("outcome", "prynai.outcome"),
    ("method", "mcp.method.name"),
    ("name", "gen_ai.tool.name"),
    ("principal", "user.id"),
    ("client", "prynai.client.id"),
    ("kind", "prynai.caller.kind"),
    ("address", "client.address"),
    ("scopes", "prynai.token.scopes"),
    ("roles", "user.roles"),
    ("session", "mcp.session.id"),
    ("rule", "prynai.policy.rule"),
    ("reason", "prynai.reason"),
    ("code", "rpc.response.status_code"),
    ("stream", "prynai.stream.id"),
    ("gateway", "prynai.gateway.id"),
    ("worker", "prynai.worker.id"),
    ("attempt", "prynai.attempt"),
    ("arguments", "gen_ai.tool.call.arguments"),
    ("count", "prynai.count"),
];

fn sending(endpoint: &str, protocol: &str) -> ClusterPlan {
    let args = [
        &["--audit-otlp", "--otlp-protocol", protocol][..],
        &["--otlp-logs-endpoint", endpoint],
    ]
    .concat();
    Cluster::new().gateway_args(&args).worker_args(&args).env(
        "OTEL_EXPORTER_OTLP_HEADERS",
        "authorization=Bearer%20s3cret",
    )
}

/// A record of the log as `prynai-ops tail --json` has it.
fn as_told(logged: &Logged) -> Value {
    let record = &logged.record;
    let value = |key: &str| {
        let found = record.attributes.iter().find(|a| a.key == key)?;
        Some(match found.value.as_ref()?.value.as_ref()? {
            Any::StringValue(text) => json!(text),
            Any::IntValue(number) => json!(number),
            Any::DoubleValue(number) => json!(number),
            other => panic!("{key}: {other:?}"),
        })
    };
    let mut told = serde_json::Map::from_iter([("v".to_owned(), json!(1))]);
    for (field, key) in NAMES {
        let Some(value) = value(key) else {
            continue;
        };
        let value = match (field, value.as_str()) {
            ("code" | "arguments", Some(text)) => serde_json::from_str(text).expect("is JSON"),
            _ => value,
        };
        told.insert(field.to_owned(), value);
    }
    for (field, key) in [
        ("queue_ms", "prynai.queue.duration"),
        ("duration_ms", "prynai.run.duration"),
    ] {
        if let Some(seconds) = value(key).and_then(|seconds| seconds.as_f64()) {
            // To a thousandth, as the record has it.
            told.insert(field.to_owned(), json!((seconds * 1e6).round() / 1e3));
        }
    }
    if !record.trace_id.is_empty() {
        let digits = record.trace_id.iter().map(|byte| format!("{byte:02x}"));
        told.insert("trace_id".to_owned(), digits.collect::<String>().into());
    }
    Value::Object(told)
}

/// The names of all attributes.
fn keys(logged: &Logged) -> Vec<&str> {
    let keys = logged.record.attributes.iter();
    keys.map(|attribute| attribute.key.as_str()).collect()
}

/// Records by what was called and how it ended, without their time.
fn by_end(records: impl IntoIterator<Item = Value>) -> BTreeMap<String, Value> {
    let timeless = records.into_iter().map(|mut record| {
        record.as_object_mut().expect("is one").remove("timestamp");
        let key = format!("{} {}", record["name"], record["outcome"]);
        (key, record)
    });
    timeless.collect()
}

#[tokio::test]
async fn logs_over_otlp_have_the_fields_of_every_record() {
    for protocol in ["grpc", "http/protobuf"] {
        let receiver = Receiver::start().await;
        let endpoint = match protocol {
            "grpc" => format!("http://{}", receiver.address),
            _ => format!("http://{}/v1/logs", receiver.address),
        };
        let policy = PolicyFile::mounted(POLICY);
        let fleet = sending(&endpoint, protocol)
            .gateway_args(&["--policy", policy.path()])
            .start()
            .await;
        let (client, gateway, url) = (&fleet.client, fleet.gateway(0), fleet.redis.url());
        let mut echo = tool("echo", json!({ "text": "secret" }));
        echo["_meta"]["traceparent"] = json!(format!("00-{TRACE}-{}-01", "2".repeat(16)));
        call(client, &gateway, echo).await;
        call(client, &gateway, tool("add", json!({ "a": "no number" }))).await;
        let session = client.open_session_with(&gateway, LEGACY, json!({})).await;
        let table = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
        let table = legacy(9, "tools/call", table);
        client
            .legacy(&gateway, &session, &table)
            .await
            .response()
            .await;
        let hostile = tool("get_weather\u{1b}[2J", json!({}));
        let hostile = legacy(10, "tools/call", hostile);
        client
            .legacy(&gateway, &session, &hostile)
            .await
            .json()
            .await;

        let logged = eventually!({
            let logged = receiver.logged();
            (logged.len() == 4).then_some(logged)
        });
        let told = records(&url, &[]).await;
        assert_eq!(
            by_end(logged.iter().map(as_told)),
            by_end(told),
            "{protocol}"
        );
        for logged in &logged {
            let record = &logged.record;
            let is_refused = record.event_name == "prynai.request.refused";
            let service = if is_refused {
                "prynai-gateway"
            } else {
                "prynai-worker"
            };
            assert_eq!(logged.service, service);
            assert_eq!(logged.authorization, "Bearer s3cret");
            let age = Duration::from_nanos(record.time_unix_nano);
            let age = SystemTime::UNIX_EPOCH + age;
            assert!(
                age.elapsed()
                    .is_ok_and(|age| age < Duration::from_secs(600))
            );
            let told = as_told(logged);
            let (failed, severity) = match told["outcome"].as_str() {
                Some("refused" | "error") => (true, SeverityNumber::Warn),
                Some(outcome) => (outcome != "ok", SeverityNumber::Info),
                None => panic!("{told}"),
            };
            assert_eq!(record.severity_number, severity as i32, "{told}");
            assert_eq!(keys(logged).contains(&"error.type"), failed, "{told}");
            the_page_names(logged);
        }
        let text = format!("{logged:?}");
        assert!(
            !text.contains("secret\"") && !text.contains(&session.id),
            "{text}"
        );
        assert!(!text.contains('\u{1b}'), "{text}");
    }
}

/// The page of the audit has each attribute.
fn the_page_names(logged: &Logged) {
    let page = include_str!("../../../../docs/audit.md");
    for key in keys(logged) {
        assert!(
            page.contains(&format!("`{key}`")),
            "{key} is not in docs/audit.md"
        );
    }
}

#[tokio::test]
async fn records_wait_for_a_receiver_that_is_away_and_slow_nothing() {
    let address = format!("127.0.0.1:{}", free_port());
    let endpoint = format!("http://{address}");
    let mut fleet = sending(&endpoint, "grpc").start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let away = "the receiver of logs takes no records of the audit; each batch of them is tried for a minute, and then lost";
    let echo = async |client: &RawClient, id: u32| {
        let call = modern(id, "tools/call", tool("echo", json!({ "text": "x" })));
        assert_eq!(client.modern(&url, &call).await.status(), 200);
    };
    for id in 0..50 {
        echo(&client, id).await;
    }
    let worker = fleet.worker_process(0);
    worker.logged(away).await;
    let receiver = Receiver::start_on(&address).await;
    eventually!((receiver.logged().len() == 50).then_some(()));
    worker
        .logged("the receiver of logs takes records of the audit again")
        .await;
    assert_eq!(worker.all_logged(away).len(), 1);
    // What is there at the end is sent.
    echo(&client, 50).await;
    worker.signal("-TERM");
    assert!(worker.ended().await.success());
    assert_eq!(receiver.logged().len(), 51);
    assert!(!worker.log().join("").contains("s3cret"));
}

#[tokio::test]
async fn a_process_ends_in_time_though_the_receiver_is_away() {
    let endpoint = format!("http://127.0.0.1:{}", free_port());
    let mut fleet = sending(&endpoint, "http/protobuf").start().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let echo = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    client.modern(&url, &echo).await.response().await;
    let worker = fleet.worker_process(0);
    worker.signal("-TERM");
    assert!(worker.ended().await.success());
}

#[tokio::test]
async fn what_is_sent_needs_a_receiver() {
    for (args, told) in [
        (&["--audit-otlp"][..], "--audit-otlp needs a receiver"),
        (
            &["--audit-otlp", "--otlp-logs-endpoint", "collector"],
            "--otlp-logs-endpoint is a URL",
        ),
    ] {
        let ended = Process::run("prynai-mcp", args).await;
        assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
        assert!(ended.output.contains(told), "{}", ended.output);
    }
}
