//! What operators read of a fleet with Prometheus: every number is caused here, and then read.

mod losses;
mod reading;
mod tasks;

use prynai_test_harness::client::{
    LEGACY, MODERN, RawClient, Reply, legacy, long_running, modern, tool,
};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use serde_json::{Value, json};

use super::GUARDED;
use reading::{Scrape, becomes, scrape};

/// On a port of its own.
const ADMIN: [&str; 2] = ["--admin-listen", "127.0.0.1:0"];

const OPERATIONS: &str = "mcp_server_operation_duration_seconds_count";

/// A fleet whose processes all show their metrics.
fn shown() -> ClusterPlan {
    Cluster::new().gateway_args(&ADMIN).worker_args(&ADMIN)
}

fn echo(id: u32) -> Value {
    modern(id, "tools/call", tool("echo", json!({ "text": "x" })))
}

/// The labels of an operation of a modern client.
fn operation<'a>(method: &'a str, tool: &'a str, error: &'a str) -> [(&'a str, &'a str); 5] {
    [
        ("mcp_method_name", method),
        ("gen_ai_tool_name", tool),
        ("gen_ai_prompt_name", ""),
        ("error_type", error),
        ("mcp_protocol_version", MODERN),
    ]
}

async fn get(client: &RawClient, url: &str) -> Reply {
    client.send(client.request("GET", url)).await
}

#[tokio::test]
async fn calls_are_counted_by_tool_and_outcome_and_measured_in_each_stage() {
    let mut fleet = shown().start().await;
    let of_gateway = fleet.gateway_process(0).metrics_url().await;
    let of_worker = fleet.worker_process(0).metrics_url().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    for id in 0..3 {
        client.modern(&url, &echo(id)).await.response().await;
    }
    let too_large = tool("add", json!({ "a": f64::MAX, "b": f64::MAX }));
    let failed = modern(3, "tools/call", too_large);
    let failed = client.modern(&url, &failed).await.response().await;
    assert_eq!(failed["result"]["isError"], true, "{failed}");
    let listed = modern(4, "tools/list", json!({}));
    client.modern(&url, &listed).await.response().await;
    let prompt = modern(4, "prompts/get", tool("greet", json!({ "name": "Ada" })));
    client.modern(&url, &prompt).await.response().await;
    let session = client.open_session(&url).await;
    let add = legacy(5, "tools/call", tool("add", json!({ "a": 1, "b": 2 })));
    client.legacy(&url, &session, &add).await.response().await;
    becomes(client, &of_gateway, "prynai_sessions", &[], 1.0).await;
    assert_eq!(client.end_session(&url, &session).await, 204);
    becomes(client, &of_gateway, "prynai_sessions", &[], 0.0).await;

    let seen = scrape(client, &of_gateway).await;
    let count = |labels: &[(&str, &str)]| seen.value(OPERATIONS, labels);
    assert_eq!(count(&operation("tools/call", "echo", "")), Some(3.0));
    assert_eq!(
        count(&operation("tools/call", "add", "tool_error")),
        Some(1.0)
    );
    assert_eq!(count(&operation("tools/list", "", "")), Some(1.0));
    let mut greeted = operation("prompts/get", "", "");
    greeted[2].1 = "greet";
    assert_eq!(count(&greeted), Some(1.0), "{}", seen.text);
    for (method, tool) in [
        ("initialize", ""),
        ("notifications/initialized", ""),
        ("tools/call", "add"),
    ] {
        let mut labels = operation(method, tool, "");
        labels[4].1 = LEGACY;
        assert_eq!(count(&labels), Some(1.0), "{method}\n{}", seen.text);
    }
    assert_eq!(
        seen.value("prynai_gateway_sessions_opened_total", &[]),
        Some(1.0)
    );
    assert_eq!(
        seen.value("prynai_gateway_sessions_ended_total", &[]),
        Some(1.0)
    );
    assert_eq!(
        seen.value("prynai_call_admission_seconds_count", &[]),
        Some(7.0)
    );
    let legacy = [("mcp_protocol_version", LEGACY)];
    let durations = "mcp_server_session_duration_seconds_count";
    assert_eq!(seen.value(durations, &legacy), Some(1.0));
    for empty in ["waiting", "running", "dead_letters", "oldest_seconds"] {
        let name = format!("prynai_queue_{empty}");
        assert_eq!(seen.value(&name, &[]), Some(0.0), "{name}");
    }
    assert_eq!(seen.sum("prynai_gateway_streams"), 0.0, "{}", seen.text);
    assert_process(&seen, "prynai-gateway");

    // The notification runs in a handler and has no response.
    becomes(
        client,
        &of_worker,
        "prynai_call_deliver_seconds_count",
        &[],
        7.0,
    )
    .await;
    let seen = scrape(client, &of_worker).await;
    assert_eq!(seen.value("prynai_call_run_seconds_count", &[]), Some(7.0));
    assert_eq!(
        seen.value("prynai_call_queue_seconds_count", &[]),
        Some(8.0)
    );
    assert_eq!(seen.value("prynai_worker_requests", &[]), Some(0.0));
    assert_eq!(seen.value("prynai_worker_concurrency", &[]), Some(64.0));
    assert_process(&seen, "prynai-worker");
}

/// What every process says of itself and of its Redis.
fn assert_process(seen: &Scrape, program: &str) {
    let version = env!("CARGO_PKG_VERSION");
    let build = [("program", program), ("version", version)];
    assert_eq!(seen.value("prynai_build_info", &build), Some(1.0));
    for (name, least) in [
        ("process_resident_memory_bytes", 1e6),
        ("process_virtual_memory_bytes", 1e6),
        ("process_open_fds", 5.0),
        ("process_max_fds", 64.0),
        ("process_threads", 2.0),
        ("process_start_time_seconds", 1.7e9),
        ("prynai_redis_round_trip_seconds_count", 5.0),
        ("prynai_redis_gaps_total", 1.0),
    ] {
        let value = seen.value(name, &[]).unwrap_or(-1.0);
        assert!(value >= least, "{name} {value}");
    }
    for (name, value) in [
        ("prynai_redis_subscriptions_deaf", 0.0),
        ("prynai_redis_connections_lost_total", 0.0),
        ("prynai_redis_subscriptions_lost_total", 0.0),
    ] {
        assert_eq!(seen.value(name, &[]), Some(value), "{name}");
    }
    assert!(seen.value("process_cpu_seconds_total", &[]).is_some());
}

#[tokio::test]
async fn what_is_refused_is_counted_by_its_reason() {
    let mut fleet = shown().gateway_args(&["--caller-limit", "1"]).start().await;
    let metrics = fleet.gateway_process(0).metrics_url().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    let large = format!("\"{}\"", "x".repeat(5 * 1024 * 1024));
    client.send(client.post(&url, large)).await.text().await;
    client.send(client.post(&url, "{")).await.text().await;
    get(client, &fleet.origin(0)).await.text().await;
    // More than its share: the one call that it may have is under way.
    let busy = modern(1, "tools/call", long_running(1_000, 100));
    let mut events = client.modern(&url, &busy).await.events();
    events.expect("notifications/progress").await;
    assert_eq!(client.modern(&url, &echo(2)).await.status(), 429);
    let seen = scrape(client, &metrics).await;
    for reason in ["body_too_large", "not_json", "no_such_path", "caller_limit"] {
        let refused = seen.value("prynai_refusals_total", &[("reason", reason)]);
        assert_eq!(refused, Some(1.0), "{reason}");
    }
    let overloaded = operation("tools/call", "echo", "-32603");
    assert_eq!(seen.value(OPERATIONS, &overloaded), Some(1.0));
    assert_eq!(
        seen.value("prynai_gateway_streams", &[("kind", "call")]),
        Some(1.0)
    );
    assert_eq!(seen.value("prynai_queue_running", &[]), Some(1.0));
    let connections = "prynai_gateway_connections";
    assert!(seen.value(connections, &[]) >= Some(1.0), "{}", seen.text);
    // Its client is gone.
    drop(events);
    let gone = operation("tools/call", "long_running", "cancelled");
    becomes(client, &metrics, OPERATIONS, &gone, 1.0).await;
    becomes(client, &metrics, "prynai_queue_running", &[], 0.0).await;
    becomes(
        client,
        &metrics,
        "prynai_gateway_streams",
        &[("kind", "call")],
        0.0,
    )
    .await;
    // Whoever scrapes has no connection to the port of the clients.
    becomes(client, &metrics, connections, &[], 0.0).await;
}

#[tokio::test]
async fn no_client_can_add_a_series() {
    let mut fleet = shown().start().await;
    let metrics = fleet.gateway_process(0).metrics_url().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    let made_up = async |number: u32| {
        let call = modern(
            1,
            "tools/call",
            tool(&format!("made-up-{number}"), json!({})),
        );
        let unknown = client.modern(&url, &call).await.response().await;
        assert!(unknown["error"]["code"].is_i64(), "{unknown}");
        let named = tool(&format!("made-up-{number}"), json!({}));
        let prompt = modern(1, "prompts/get", named);
        let unknown = client.modern(&url, &prompt).await.response().await;
        assert!(unknown["error"]["code"].is_i64(), "{unknown}");
        let other = modern(1, &format!("made-up/{number}"), json!({}));
        client.modern(&url, &other).await.response().await;
        let version = client.post(&url, echo(1).to_string());
        let version = version.header("MCP-Protocol-Version", format!("3000-01-{number}"));
        client.send(version).await.text().await;
    };
    made_up(0).await;
    let before = scrape(client, &metrics).await.series();
    for number in 1..20 {
        made_up(number).await;
    }
    let unknown = operation("tools/call", "_OTHER", "-32602");
    becomes(client, &metrics, OPERATIONS, &unknown, 20.0).await;
    let seen = scrape(client, &metrics).await;
    assert_eq!(seen.series(), before, "{}", seen.text);
    assert!(!seen.text.contains("made-up") && !seen.text.contains("3000-01"));
    let mut prompt = operation("prompts/get", "", "-32602");
    prompt[2].1 = "_OTHER";
    assert_eq!(seen.value(OPERATIONS, &prompt), Some(20.0), "{}", seen.text);
    let method = operation("_OTHER", "", "-32601");
    assert_eq!(seen.value(OPERATIONS, &method), Some(20.0), "{}", seen.text);
}

#[tokio::test]
async fn refused_tokens_are_counted_by_what_is_wrong_with_them() {
    let args: Vec<&str> = [&ADMIN[..], &GUARDED, &["--listen", "127.0.0.1:0"]].concat();
    let mut process = Process::start("prynai-mcp", &args).await;
    let metrics = process.metrics_url().await;
    let url = format!("http://{}/mcp", process.address().await);
    let client = RawClient::new();
    assert_eq!(client.modern(&url, &echo(1)).await.status(), 401);
    let bearing = RawClient::bearing("no.jwt.at.all");
    assert_eq!(bearing.modern(&url, &echo(1)).await.status(), 401);
    let seen = scrape(&client, &metrics).await;
    for reason in ["absent", "malformed"] {
        let refused = seen.value("prynai_tokens_refused_total", &[("reason", reason)]);
        assert_eq!(refused, Some(1.0), "{reason}");
    }
    let refused = seen.value("prynai_refusals_total", &[("reason", "unauthorized")]);
    assert_eq!(refused, Some(2.0));
    let build = [
        ("program", "prynai-mcp"),
        ("version", env!("CARGO_PKG_VERSION")),
    ];
    assert_eq!(seen.value("prynai_build_info", &build), Some(1.0));
}

#[tokio::test]
async fn operators_and_clients_never_meet_at_one_port() {
    let token = "the token of the operators of this test";
    let mut fleet = shown().env("PRYNAI_ADMIN_TOKEN", token).start().await;
    let metrics = fleet.gateway_process(0).metrics_url().await;
    let client = &fleet.client;
    for path in ["metrics", "metrics/", "admin", "admin/metrics"] {
        let reply = get(client, &format!("{}/{path}", fleet.origin(0))).await;
        assert_eq!(reply.status(), 404, "{path}");
        assert!(!reply.text().await.contains("process_"));
    }
    let refused = get(client, &metrics).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(refused.headers()["www-authenticate"], "Bearer");
    let other = RawClient::bearing("the token of the operators of another");
    assert_eq!(get(&other, &metrics).await.status(), 401);
    let operator = RawClient::bearing(token);
    assert!(scrape(&operator, &metrics).await.series() > 20);
    let mcp = metrics.replace("/metrics", "/mcp");
    assert_eq!(operator.modern(&mcp, &echo(1)).await.status(), 405);
    assert_eq!(get(&operator, &mcp).await.status(), 404);
}

#[tokio::test]
async fn without_the_setting_there_is_no_port_and_beyond_the_machine_none_without_a_token() {
    let mut fleet = Cluster::new().start().await;
    for process in fleet.processes() {
        let listening = process.all_logged("listening for administration");
        assert!(listening.is_empty(), "{listening:?}");
    }
    for program in ["prynai-gateway", "prynai-worker", "prynai-mcp"] {
        let ended = Process::run(program, &["--admin-listen", "0.0.0.0:0"]).await;
        assert_eq!(ended.status.code(), Some(64), "{program}: {}", ended.output);
        assert!(ended.output.contains("--admin-token"), "{}", ended.output);
    }
}

#[tokio::test]
async fn a_reader_that_stops_reading_costs_nobody_anything() {
    let mut fleet = shown().start().await;
    let metrics = fleet.gateway_process(0).metrics_url().await;
    let address = metrics
        .trim_start_matches("http://")
        .trim_end_matches("/metrics");
    // Fewer than there are places, so that others still have some.
    let mut silent = Vec::new();
    for _ in 0..20 {
        silent.push(tokio::net::TcpStream::connect(address).await.unwrap());
    }
    let (client, url) = (&fleet.client, fleet.gateway(0));
    client.modern(&url, &echo(1)).await.response().await;
    let scrapes = (0..8).map(|_| scrape(client, &metrics));
    for seen in futures::future::join_all(scrapes).await {
        let echoes = operation("tools/call", "echo", "");
        assert_eq!(seen.value(OPERATIONS, &echoes), Some(1.0));
    }
    drop(silent);
}

#[tokio::test]
async fn a_scrape_ends_while_redis_is_away_and_says_so() {
    let mut fleet = shown().start().await;
    let metrics = fleet.gateway_process(0).metrics_url().await;
    let client = fleet.client.clone();
    let seen = async |name: &str| scrape(&client, &metrics).await.value(name, &[]);
    assert_eq!(seen("prynai_queue_running").await, Some(0.0));
    // It takes commands and answers none.
    fleet.redis.freeze();
    assert_eventually!(
        seen("prynai_queue_running").await.is_none(),
        "what is not known is told"
    );
    fleet.redis.thaw();
    becomes(&client, &metrics, "prynai_queue_running", &[], 0.0).await;
    let failed = scrape(&client, &metrics).await;
    assert!(failed.sum("prynai_redis_failures_total") > 0.0);

    fleet.redis.stop();
    let deaf = "prynai_redis_subscriptions_deaf";
    assert_eventually!(
        seen(deaf).await > Some(0.0),
        "nobody sees that the gateway is deaf"
    );
    assert_eventually!(seen("prynai_queue_running").await.is_none());
    fleet.redis.restart().await;
    becomes(&client, &metrics, deaf, &[], 0.0).await;
    becomes(&client, &metrics, "prynai_queue_running", &[], 0.0).await;
    assert!(seen("prynai_redis_subscriptions_lost_total").await > Some(0.0));
    assert!(seen("prynai_redis_connections_lost_total").await > Some(0.0));
}
