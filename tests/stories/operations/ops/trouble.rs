//! What is wrong with a fleet is named, with what to do.

use prynai_test_harness::client::{modern, tool};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::json;

use super::{attention, ops, ops_json, why};

#[tokio::test]
async fn a_lost_worker_a_dead_gateway_and_a_dead_letter_are_named() {
    let mut cluster = Cluster::new()
        .gateways(2)
        .worker_args(&["--lease", "30s"])
        .start()
        .await;
    let url = cluster.redis.url();
    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    let mut slow = tool("long_running", json!({ "steps": 1000, "delay_ms": 100 }));
    slow["_meta"]["progressToken"] = json!(1);
    let slow = modern(1, "tools/call", slow);
    let mut events = client.modern(&gateway, &slow).await.events();
    events.expect("notifications/progress").await;
    let queue = ops_json(&url, &["queue"]).await;
    let call = queue["entries"][0]["stream"].as_str().expect("text");

    cluster.worker_process(0).signal("-STOP");
    // Its lease of 30 s has not ended, so it still counts as living, but nobody hears it.
    let worker = eventually!({
        let workers = ops_json(&url, &["workers"]).await;
        let heard = workers["workers"][0]["heard_ms_ago"].as_u64();
        (heard > Some(2_000)).then_some(workers)
    });
    assert_eq!(worker["workers"][0]["running"], 1, "{worker}");
    cluster.worker_process(0).kill().await;
    let deaf = "hears neither cancels nor answers";
    assert_eventually!(attention(&url).await.contains(deaf));
    let told = why(&url, call).await;
    assert!(told.contains("deaf"), "{told}");

    // Another worker, which is heard of, and one that was lost long ago.
    let old = ["XCLAIM", QUEUE, "workers", "wk-lost", "0"];
    let entry = queue["entries"][0]["entry"].as_str().expect("text");
    let _: Vec<redis::Value> = cluster.redis.command(&[&old[..], &[entry]].concat()).await;
    let lease = ["HSET", "prynai:{main.0}:leases", "wk-lost", "1000"];
    let _: i64 = cluster.redis.command(&lease).await;
    let lost = eventually!({
        let found = attention(&url).await;
        found.contains("wk-lost was last heard of").then_some(found)
    });
    assert!(lost.contains("has 1 request"), "{lost}");
    let told = why(&url, call).await;
    assert!(told.contains("lost its worker"), "{told}");
    let filtered = ops_json(&url, &["queue", "--worker", "wk-lost"]).await;
    assert_eq!(filtered["entries"][0]["entry"], entry, "{filtered}");
    assert_eq!(filtered["lost"][0]["worker"], "wk-lost", "{filtered}");
    let told = ops(&url, &["queue"]).await.stdout;
    for part in ["lost its worker", "worker wk-lost was last heard of"] {
        assert!(told.contains(part), "{told}");
    }

    cluster.gateway_process(0).kill().await;
    assert_eventually!(why(&url, call).await.contains("is gone"));
    let gateways = ops_json(&url, &["gateways"]).await;
    assert_eq!(gateways["gateways"][0]["is_alive"], true, "{gateways}");
    assert_eq!(gateways["gateways"][1]["is_alive"], false, "{gateways}");

    let dead = ["XADD", "prynai:{main.0}:dead", "*", "entry", "12-0"];
    let rest = [
        "reason",
        "because of a test",
        "v",
        "1",
        "method",
        "tools/call",
    ];
    let _: String = cluster.redis.command(&[&dead[..], &rest].concat()).await;
    let told = ops(&url, &["call", "12-0"]).await.stdout;
    assert!(told.contains("because of a test"), "{told}");
    assert!(
        attention(&url)
            .await
            .contains("1 request could not be served")
    );
}

#[tokio::test]
async fn a_worker_that_stands_still_is_named_instead_of_asking_for_more() {
    let mut cluster = Cluster::new().worker_args(&["--lease", "1s"]).start().await;
    let url = cluster.redis.url();
    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    let ready = cluster.worker_process(0).logged("ready").await;
    let worker = ready["worker"].as_str().expect("text");
    cluster.worker_process(0).signal("-STOP");
    // A read that it had begun is over by then, so nothing is handed out to it.
    assert_eventually!(
        ops_json(&url, &["workers"]).await["workers"][0]["heard_ms_ago"].as_u64() > Some(10_500)
    );
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    let waits = tokio::spawn(async move { client.modern(&gateway, &call).await.status() });
    let named = format!("worker {worker} claims nothing although requests wait");
    let found = eventually!({
        let found = attention(&url).await;
        found.contains(&named).then_some(found)
    });
    assert!(found.contains("restart it"), "{found}");
    assert!(!found.contains("start more"), "{found}");
    let told = ops_json(&url, &["workers"]).await;
    assert_eq!(told["workers"][0]["is_silent"], true, "{told}");
    let told = ops(&url, &["workers"]).await.stdout;
    assert!(told.contains("silent"), "{told}");
    let queue = ops_json(&url, &["queue", "--state", "waits"]).await;
    let stream = queue["entries"][0]["stream"].as_str().expect("text");
    let told = why(&url, stream).await;
    assert!(told.contains("silent: restart it"), "{told}");
    assert!(!told.contains("--concurrency"), "{told}");

    cluster.worker_process(0).signal("-CONT");
    assert_eq!(waits.await.expect("is answered"), 200);
    assert_eventually!(!attention(&url).await.contains(worker));
}

#[tokio::test]
async fn a_fleet_without_workers_and_one_without_its_group_are_named() {
    let mut cluster = Cluster::new().start().await;
    let url = cluster.redis.url();
    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    cluster.worker_process(0).signal("-TERM");
    cluster.worker_process(0).ended().await;
    let _: i64 = cluster
        .redis
        .command(&["XGROUP", "DESTROY", QUEUE, "workers"])
        .await;
    let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
    let waits = tokio::spawn(async move { client.modern(&gateway, &call).await.status() });
    let found = eventually!({
        let found = attention(&url).await;
        found
            .contains("no worker lives, and 1 request waits")
            .then_some(found)
    });
    assert!(found.contains("consumer group"), "{found}");
    let queue = ops_json(&url, &["queue"]).await;
    let stream = queue["entries"][0]["stream"].as_str().expect("text");
    let told = why(&url, stream).await;
    assert!(told.contains("start workers"), "{told}");
    // Looking has not made the group.
    let groups: Vec<redis::Value> = cluster.redis.command(&["XINFO", "GROUPS", QUEUE]).await;
    assert!(groups.is_empty());
    waits.abort();
}
