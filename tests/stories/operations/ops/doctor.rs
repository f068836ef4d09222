//! What is set up wrongly, or went wrong unnoticed.

use prynai_test_harness::client::{legacy, long_running};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_harness::process::Process;
use prynai_test_harness::skew::skewed_by;
use prynai_test_redis::assert_eventually;
use serde_json::Value;

use super::{GATEWAYS, ops};

/// The exit code, and what was found about a thing: `good`, `note`, `wrong` or `unknown`, and in words.
async fn found(url: &str, about: &str) -> (i32, Vec<(String, String)>) {
    let ended = ops(url, &["doctor", "--json"]).await;
    let read = serde_json::from_str::<Value>(&ended.stdout);
    let read = read.unwrap_or_else(|error| panic!("{error}: {}", ended.output));
    let findings = read["findings"].as_array().expect("is a list").iter();
    let text = |value: &Value| value.as_str().expect("text").to_owned();
    let findings = findings.filter(|finding| finding["about"] == about);
    let findings = findings.map(|found| (text(&found["verdict"]), text(&found["said"])));
    (ended.status.code().expect("ends"), findings.collect())
}

/// Whether that is what a thing is like, in a word of what is said.
async fn is(url: &str, about: &str, verdict: &str, word: &str) -> bool {
    let (_, found) = found(url, about).await;
    found
        .iter()
        .any(|(is, said)| is == verdict && said.contains(word))
}

#[tokio::test]
async fn each_thing_that_is_wrong_is_named_with_what_to_do() {
    let mut cluster = Cluster::new().start().await;
    let (redis, url) = (&cluster.redis, cluster.redis.url());
    assert_eventually!(is(&url, "versions", "good", env!("CARGO_PKG_VERSION")).await);
    let (code, fleet) = found(&url, "fleet").await;
    assert_eq!(code, 0, "{:?}", ops(&url, &["doctor"]).await.output);
    assert_eq!(fleet[0].0, "good");
    assert!(is(&url, "persistence", "note", "appendonly no").await);
    assert!(is(&url, "memory", "note", "no limit").await);

    for (setting, wrong, about, word) in [
        ("maxmemory-policy", "allkeys-lru", "eviction", "noeviction"),
        ("maxmemory", "1", "memory", "Give it more"),
    ] {
        let before: Vec<String> = redis.command(&["CONFIG", "GET", setting]).await;
        let _: String = redis.command(&["CONFIG", "SET", setting, wrong]).await;
        assert!(is(&url, about, "wrong", word).await, "{setting}");
        let (code, _) = found(&url, about).await;
        assert_eq!(code, 6);
        let _: String = redis.command(&["CONFIG", "SET", setting, &before[1]]).await;
    }

    // A gateway of an earlier release.
    let old = ["SET", "prynai:{main.0}:alive:gw-old", "0.0.1"];
    let _: String = redis.command(&old).await;
    let note = ["ZADD", GATEWAYS, "9999999999999", "gw-old"];
    let _: i64 = redis.command(&note).await;
    assert!(is(&url, "versions", "note", "0.0.1 (1)").await);
    let _: i64 = redis.command(&["DEL", old[1]]).await;

    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    let session = client.open_session(&gateway).await;
    let call = legacy(7, "tools/call", long_running(1000, 100));
    let mut events = client.legacy(&gateway, &session, &call).await.events();
    events.expect("notifications/progress").await;
    let entry = cluster
        .redis
        .command::<Vec<(String, Vec<String>)>>(&["XRANGE", QUEUE, "-", "+"])
        .await;
    let entry = entry[0].0.clone();
    cluster.worker_process(0).kill().await;
    let stuck = [
        "XCLAIM", QUEUE, "workers", "wk-lost", "0", &entry, "IDLE", "3600000",
    ];
    let _: Vec<redis::Value> = cluster.redis.command(&stuck).await;
    assert!(is(&url, "leases", "wrong", &entry).await);
    cluster.gateway_process(0).kill().await;
    assert_eventually!(is(&url, "streams", "note", "gateway that is gone").await);
    assert!(is(&url, "versions", "unknown", "no gateway lives").await);
    let _: i64 = cluster
        .redis
        .command(&["DEL", "prynai:{feed}:catalog"])
        .await;
    assert!(is(&url, "catalog", "wrong", "start a worker").await);
    let shown = ops(&url, &["doctor"]).await.stdout;
    assert!(shown.contains("catalog: WRONG."), "{shown}");
}

#[tokio::test]
async fn a_clock_that_is_wrong_is_found() {
    let cluster = Cluster::new().start().await;
    let url = cluster.redis.url();
    let args = ["--redis-url", &url, "doctor"];
    let mut ops = Process::start_with("prynai-ops", &args, &skewed_by("+300s")).await;
    assert_eq!(ops.ended().await.code(), Some(6));
    assert_eventually!(ops.log().join(" ").contains("clock: WRONG."));
    let told = ops.log().join(" ");
    assert!(told.contains("ahead of Redis"), "{told}");
}
