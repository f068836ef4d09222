//! A fleet that lets callers do some things only so often.

use prynai_test_harness::client::{RawClient, legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::policy_file::PolicyFile;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use reqwest::StatusCode;
use serde_json::{Value, json};

const POLICY: &str = r#"
[[allow]]
everything = true

[[limit]]
name = "few echoes"
tools = ["echo"]
rate = "20/h"

[[limit]]
name = "sessions"
methods = ["initialize"]
rate = "1/d"
burst = 3

[[limit]]
name = "many of all"
everything = true
rate = "10000/s"
"#;

/// The most that may get through beyond the limit: one for each gateway.
const GATEWAYS: usize = 2;

async fn echo(client: &RawClient, url: &str) -> (StatusCode, Option<String>, Value) {
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    let reply = client.modern(url, &call).await;
    let after = reply.headers().get("retry-after");
    let after = after.map(|after| after.to_str().expect("text").to_owned());
    (reply.status(), after, reply.json().await)
}

/// How many records of refusals by this limit the audit counts.
async fn refusals(url: &str, rule: &str) -> u64 {
    let tail = [
        "--redis-url",
        url,
        "tail",
        "--json",
        "--no-follow",
        "--last",
        "500",
    ];
    let ended = Process::run("prynai-ops", &tail).await;
    let records = ended
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).expect("JSON"));
    let of_rule = |record: &Value| record["outcome"] == "refused" && record["rule"] == rule;
    let records = records.filter(of_rule);
    records
        .map(|record| record["count"].as_u64().unwrap_or(1))
        .sum()
}

#[tokio::test]
async fn a_flood_is_refused_at_all_gateways_together_and_nobody_else_is() {
    let policy = PolicyFile::mounted(POLICY);
    let cluster = Cluster::new().gateways(GATEWAYS).workers(2);
    let mut cluster = cluster
        .gateway_args(&["--policy", policy.path(), "--log-requests", "all"])
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.redis.url());
    let client = &client;
    let mut answered = 0;
    let mut refused = 0;
    for number in 0..100 {
        let (status, after, answer) = echo(client, &cluster.gateway(number % GATEWAYS)).await;
        if status == StatusCode::OK {
            answered += 1;
            continue;
        }
        refused += 1;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
        let error = &answer["error"];
        let seconds: u64 = after.expect("a header").parse().expect("seconds");
        assert!((1..=180).contains(&seconds), "{seconds}");
        assert_eq!(error["data"]["retryAfterSeconds"], seconds, "{error}");
        assert_eq!(error["data"]["reason"], "rate_limit");
        assert_eq!(error["data"]["rule"], "few echoes");
        assert_eq!(error["data"]["rate"], "20/h");
        assert_eq!(answer["id"], 1);
    }
    assert!((20..=20 + GATEWAYS).contains(&answered), "{answered}");
    assert_eventually!(refusals(&url, "few echoes").await == refused);
    let mut lines = cluster
        .gateway_process(0)
        .all_logged("request ended")
        .into_iter();
    let line = lines.find(|line| line["reason"] == "rate_limit");
    let line = line.expect("at each gateway some were refused");
    assert_eq!(line["rule"], "few echoes", "{line}");

    // Another tool has no limit but the wide one, and another caller its own tokens.
    let add = modern(2, "tools/call", tool("add", json!({ "a": 1, "b": 2 })));
    let reply = client.modern(&cluster.gateway(0), &add).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let other = RawClient::from([127, 0, 0, 9].into());
    assert_eq!(echo(&other, &cluster.gateway(0)).await.0, StatusCode::OK);

    // In a session one call is refused in its answer, and the session goes on.
    let session = client.open_session(&cluster.gateway(1)).await;
    let call = legacy(3, "tools/call", tool("echo", json!({ "text": "x" })));
    let reply = client.legacy(&cluster.gateway(1), &session, &call).await;
    assert_eq!(reply.status(), StatusCode::OK);
    let answer = reply.json().await;
    assert_eq!(answer["error"]["data"]["rule"], "few echoes", "{answer}");
    let ping = legacy(4, "ping", json!({}));
    let pong = client
        .legacy(&cluster.gateway(0), &session, &ping)
        .await
        .json()
        .await;
    assert_eq!(pong["result"], json!({}));

    // More tokens count at once.
    policy.exchange(&POLICY.replace(
        "20/h",
        "20/h\"\nburst = 40\nper = [\"principal\", \"tool\"]\n#\"",
    ));
    assert_eventually!(echo(client, &cluster.gateway(0)).await.0 == StatusCode::OK);
}

#[tokio::test]
async fn methods_of_mcp_have_limits_as_well() {
    let policy = PolicyFile::mounted(POLICY);
    let cluster = Cluster::new()
        .gateway_args(&["--policy", policy.path()])
        .start()
        .await;
    let (client, gateway) = (&cluster.client, cluster.gateway(0));
    for _ in 0..3 {
        client.open_session(&gateway).await;
    }
    let initialize = json!({
        "protocolVersion": "2025-11-25", "capabilities": {},
        "clientInfo": { "name": "x", "version": "1" },
    });
    let body = legacy(1, "initialize", initialize).to_string();
    let mut statuses = Vec::new();
    for _ in 0..2 {
        let reply = client.send(client.post(&gateway, body.clone())).await;
        statuses.push(reply.status());
    }
    // The first one may have been let through before the gateway knew better.
    assert_eq!(statuses[1], StatusCode::TOO_MANY_REQUESTS, "{statuses:?}");
}

#[tokio::test]
async fn a_policy_is_tried_on_what_the_audit_has() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.redis.url());
    for _ in 0..30 {
        echo(client, &cluster.gateway(0)).await;
    }
    let add = modern(2, "tools/call", tool("add", json!({ "a": 1, "b": 2 })));
    client.modern(&cluster.gateway(0), &add).await.json().await;
    let tried = async |policy: &str| {
        let policy = PolicyFile::mounted(policy);
        let args = ["--redis-url", &url, "--dry-run", "--policy", policy.path()];
        Process::run("prynai-gateway", &args).await
    };
    let same = tried("[[allow]]\neverything = true").await;
    assert_eq!(same.status.code(), Some(0), "{}", same.output);
    assert!(
        same.stdout.contains("31 calls and refusals"),
        "{}",
        same.output
    );
    assert!(same.stdout.contains("alike"), "{}", same.output);
    let fewer = tried(&POLICY.replace("everything = true\n\n", "tools = [\"echo\"]\n\n")).await;
    assert_eq!(fewer.status.code(), Some(1), "{}", fewer.output);
    for expected in [
        "10  tools/call echo  of anonymous  refused: over the limit \"few echoes\"",
        "1  tools/call add  of anonymous  refused: no rule allows it",
    ] {
        assert!(fewer.stdout.contains(expected), "{}", fewer.output);
    }
}
