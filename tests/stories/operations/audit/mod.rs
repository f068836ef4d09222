//! Who called what, as the audit has it: on the bus, in files, and as logs over OTLP.

mod otlp;

use prynai_test_harness::client::{
    LEGACY, RawClient, legacy, long_running, modern, modern_with, tool,
};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::policy_file::PolicyFile;
use prynai_test_harness::process::Process;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

const POLICY: &str = r#"
[[allow]]
name = "the basics"
tools = ["echo", "add", "long_running"]

[[allow]]
tools = ["book_table"]
"#;

/// The records that `prynai-ops tail` shows with these filters.
async fn records(url: &str, filter: &[&str]) -> Vec<Value> {
    let tail = ["--redis-url", url, "tail", "--json", "--no-follow"];
    let args = [&tail[..], &["--last", "500"], filter].concat();
    let ended = Process::run("prynai-ops", &args).await;
    assert!(ended.status.success(), "{}", ended.output);
    let read = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    ended.stdout.lines().map(read).collect()
}

/// The only record with these filters, once it is there.
async fn the_record(url: &str, filter: &[&str]) -> Value {
    let mut found = eventually!({
        let found = records(url, filter).await;
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found.len(), 1, "{found:?}");
    found.remove(0)
}

/// What is told of a call once the bus knows it no more.
async fn told_when_over(url: &str, stream: &str) -> String {
    let args = ["--redis-url", url, "call", stream];
    eventually!({
        let ended = Process::run("prynai-ops", &args).await;
        assert!(ended.status.success(), "{}", ended.output);
        let is_over = ended.stdout.contains("state         over");
        is_over.then_some(ended.stdout)
    })
}

async fn call(client: &RawClient, url: &str, params: Value) -> Value {
    let reply = client.modern(url, &modern(1, "tools/call", params)).await;
    reply.json().await
}

fn lines(file: &str) -> Vec<Value> {
    let text = std::fs::read_to_string(file).unwrap_or_default();
    let read = |line: &str| serde_json::from_str(line).expect("a line of JSON");
    text.lines().map(read).collect()
}

/// The records without their time, which each of them must have.
fn untimed(records: &[Value]) -> Vec<Value> {
    let mut records = records.to_vec();
    for record in &mut records {
        let time = record["timestamp"].take();
        assert!(
            time.as_str().is_some_and(|time| time.ends_with('Z')),
            "{record}"
        );
    }
    records
}

#[tokio::test]
async fn every_end_and_every_refusal_leaves_a_record() {
    let policy = PolicyFile::mounted(POLICY);
    let (of_gateway, of_worker) = (
        format!("{}.gateway.jsonl", policy.path()),
        format!("{}.worker.jsonl", policy.path()),
    );
    let cluster = Cluster::new()
        .gateway_args(&["--policy", policy.path(), "--audit-file", &of_gateway])
        .worker_args(&["--audit-file", &of_worker])
        .start()
        .await;
    let (client, gateway, url) = (&cluster.client, cluster.gateway(0), cluster.redis.url());
    call(client, &gateway, tool("echo", json!({ "text": "secret" }))).await;
    let session = client.open_session_with(&gateway, LEGACY, json!({})).await;
    for id in 0..5 {
        let hostile = legacy(id, "tools/call", tool("get_weather\u{1b}[2J", json!({})));
        client
            .legacy(&gateway, &session, &hostile)
            .await
            .json()
            .await;
    }
    let ask = legacy(
        9,
        "tools/call",
        tool("book_table", json!({ "restaurant": "Roma", "people": 2 })),
    );
    client
        .legacy(&gateway, &session, &ask)
        .await
        .response()
        .await;
    let gone = modern("gone", "tools/call", long_running(1000, 20));
    let mut running = client.modern(&gateway, &gone).await.events();
    running.expect("notifications/progress").await;
    drop(running);

    let ok = the_record(&url, &["--outcome", "ok", "--tool", "echo"]).await;
    for (field, value) in [
        ("method", json!("tools/call")),
        ("name", json!("echo")),
        ("principal", json!("anonymous")),
        ("rule", json!("the basics")),
        ("attempt", json!(1)),
    ] {
        assert_eq!(ok[field], value, "{ok}");
    }
    assert!(
        ok["duration_ms"].is_number() && ok["queue_ms"].is_number(),
        "{ok}"
    );
    assert_eq!(ok["stream"].as_str().map(str::len), Some(32), "{ok}");
    let stream = ok["stream"].as_str().expect("text");
    let same = the_record(&url, &["--call", stream]).await;
    assert_eq!(same, ok);
    let told = told_when_over(&url, stream).await;
    for part in [
        "what          tools/call echo",
        "outcome       ok",
        "state         over",
        "what the audit has of it",
    ] {
        assert!(told.contains(part), "{part}: {told}");
    }
    let booked = the_record(&url, &["--session", &session.id]).await;
    // Its client has nobody to ask.
    assert_eq!(booked["outcome"], "tool_error");
    assert_eq!(booked["rule"], "allow 2");
    assert_eq!(
        booked["arguments"],
        json!({ "restaurant": "Roma", "people": 2 })
    );
    let cancelled = the_record(&url, &["--outcome", "cancelled"]).await;
    assert_eq!(cancelled["name"], "long_running");

    // They may fall into two seconds.
    let counted = async || -> u64 {
        let refused = records(&url, &["--outcome", "refused"]).await;
        let count = |record: &Value| record["count"].as_u64().unwrap_or(1);
        refused.iter().map(count).sum()
    };
    assert_eventually!(counted().await == 5);
    let refused = records(&url, &["--outcome", "refused"]).await.remove(0);
    assert_eq!(refused["reason"], "policy");
    assert_eq!(refused["name"], r"get_weather\u{1b}[2J");

    let all = records(&url, &[]).await;
    let text = format!("{all:?}");
    assert!(
        !text.contains("secret") && !text.contains(&session.id),
        "{text}"
    );
    // The file has them with the time at which the process knew of them.
    let of = |records: &[Value], is_refused: bool| -> Vec<Value> {
        let mut records = untimed(records);
        records.retain(|record| (record["outcome"] == "refused") == is_refused);
        records
    };
    assert_eventually!(untimed(&lines(&of_worker)) == of(&all, false));
    assert_eventually!(untimed(&lines(&of_gateway)) == of(&all, true));
}

#[tokio::test]
async fn a_fleet_without_an_audit_keeps_none() {
    let off = ["--audit-records", "0"];
    let cluster = Cluster::new()
        .gateway_args(&off)
        .worker_args(&off)
        .start()
        .await;
    let (client, gateway, url) = (&cluster.client, cluster.gateway(0), cluster.redis.url());
    let answer = call(client, &gateway, tool("echo", json!({ "text": "x" }))).await;
    assert_eq!(answer["result"]["isError"], false, "{answer}");
    call(client, &gateway, tool("x", json!({}))).await;
    assert_eq!(records(&url, &[]).await, [Value::Null; 0]);
    let keys: Vec<String> = cluster.redis.command(&["KEYS", "*:audit"]).await;
    assert_eq!(keys, [""; 0]);
}

#[tokio::test]
async fn a_task_that_ends_while_it_waits_has_its_record_in_the_file() {
    let policy = PolicyFile::mounted(POLICY);
    let file = format!("{}.gateway.jsonl", policy.path());
    let cluster = Cluster::new()
        .gateway_args(&["--audit-records", "0", "--audit-file", &file])
        .worker_args(&["--audit-records", "0", "--audit-file", "/dev/null"])
        .worker_binary("prynai-conformance-worker")
        .start()
        .await;
    let (client, gateway) = (&cluster.client, cluster.gateway(0));
    let ask = async |method: &str, params: Value| {
        let can = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
        let message = modern_with(1, method, params, can);
        let answer = client.modern(&gateway, &message).await.response().await;
        answer["result"].clone()
    };
    let delete = tool("confirm_delete", json!({ "filename": "a" }));
    let task = ask("tools/call", delete).await["taskId"].clone();
    assert_eventually!(
        ask("tasks/get", json!({ "taskId": task })).await["status"] == "input_required"
    );
    ask("tasks/cancel", json!({ "taskId": task })).await;
    assert_eventually!(!lines(&file).is_empty());
    let [record] = &lines(&file)[..] else {
        panic!("{:?}", lines(&file));
    };
    assert_eq!(record["outcome"], "cancelled", "{record}");
    assert_eq!(record["name"], "confirm_delete");
    assert_eq!(record["stream"], task);
    let keys: Vec<String> = cluster.redis.command(&["KEYS", "*:audit"]).await;
    assert_eq!(keys, [""; 0], "Redis is to have none");
}

#[tokio::test]
async fn a_file_that_cannot_be_written_is_refused_at_the_start() {
    let ended = Process::run("prynai-mcp", &["--audit-file", "/proc/nowhere/audit"]).await;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
    assert!(
        ended.output.contains("--audit-file /proc/nowhere/audit"),
        "{}",
        ended.output
    );
}
