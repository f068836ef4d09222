//! Machines whose clocks differ: deadlines go by the clock of Redis.

use std::time::Duration;

use prynai_test_harness::client::{RawClient, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_harness::skew::skewed_by;
use serde_json::{Value, json};

/// Far more than a call of these tests may take by default, and an hour more.
const SKEWS: [&str; 4] = ["+300s", "-300s", "+3660s", "-3660s"];

const OFF: &str = "this machine's clock differs from that of Redis: deadlines go by the clock of Redis, the expiry of tokens by \
                   this one; set the clocks of both machines by the same time servers";

/// A call that may take so long.
async fn call(client: &RawClient, url: &str, timeout: Duration, arguments: Value) -> Value {
    let mut call = tool("long_running", arguments);
    call["_meta"]["ai.prynai/timeoutMs"] = json!(timeout.as_millis() as u64);
    client
        .modern(url, &modern(1, "tools/call", call))
        .await
        .response()
        .await
}

/// A call is served within its minute, and another one ends at its deadline.
async fn keeps_deadlines(cluster: &Cluster) {
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let minute = Duration::from_secs(60);
    let quick = json!({ "steps": 1, "delay_ms": 1 });
    let served = call(client, &url, minute, quick).await;
    assert!(served["result"].is_object(), "{served}");

    let endless = json!({ "steps": 100, "delay_ms": 1000 });
    let ended = call(client, &url, Duration::from_secs(2), endless).await;
    let expected = json!({ "reason": "deadline", "outcome": "unknown" });
    assert_eq!(ended["error"]["data"], expected, "{ended}");
}

/// It says by how much its clock is off, once.
async fn tells(process: &mut Process, skew: &str) {
    let told = process.logged(OFF).await;
    let ahead_s = told["ahead_s"].as_f64().expect("a number");
    let expected: f64 = skew.trim_end_matches('s').parse().expect("a number");
    assert!((ahead_s - expected).abs() < 3.0, "{told}");
    assert_eq!(process.all_logged(OFF).len(), 1);
}

#[tokio::test]
async fn a_worker_whose_clock_is_wrong_keeps_deadlines_and_says_so() {
    for skew in SKEWS {
        let plan = Cluster::new().worker_env(&skewed_by(skew));
        let mut cluster = plan.start().await;
        keeps_deadlines(&cluster).await;
        tells(cluster.worker_process(0), skew).await;
        assert!(cluster.gateway_process(0).all_logged(OFF).is_empty());
    }
}

#[tokio::test]
async fn a_gateway_whose_clock_is_wrong_keeps_deadlines_and_says_so() {
    for skew in SKEWS {
        let plan = Cluster::new().gateway_env(&skewed_by(skew));
        let mut cluster = plan.start().await;
        keeps_deadlines(&cluster).await;
        tells(cluster.gateway_process(0), skew).await;
        assert!(cluster.worker_process(0).all_logged(OFF).is_empty());
    }
}
