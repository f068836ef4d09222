//! A replay is watched to its end, whatever happens to Redis or to the program that watches it.

use prynai_test_harness::client::{long_running, modern};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_harness::process::Process;
use prynai_test_redis::{assert_eventually, eventually};

use super::ops_json;

const DEAD: &str = "prynai:{main.0}:dead";

fn plan() -> ClusterPlan {
    Cluster::new().durable()
}

/// A dead letter whose call takes as many steps of a tenth of a second. Its request is one of this fleet.
async fn put_aside(cluster: &Cluster, steps: u32) -> String {
    let call = modern(1, "tools/call", long_running(steps, 100));
    let mut events = cluster
        .client
        .modern(&cluster.gateway(0), &call)
        .await
        .events();
    events.expect("notifications/progress").await;
    let queue = "prynai:{main.0}:requests";
    let entries: Vec<(String, Vec<String>)> =
        cluster.redis.command(&["XRANGE", queue, "-", "+"]).await;
    let (entry, fields) = &entries[0];
    let mut add = vec!["XADD", DEAD, "*", "entry", entry, "reason", "of a test"];
    add.extend(fields.iter().map(String::as_str));
    let letter: String = cluster.redis.command(&add).await;
    // Its client is gone, so it is cancelled.
    drop(events);
    cluster.assert_idle().await;
    letter
}

/// Begins a replay that is watched, and has begun to run.
async fn replaying(cluster: &Cluster, letter: &str) -> Process {
    let url = cluster.redis.url();
    let args = ["--redis-url", &url, "dead", "replay", letter, "--yes"];
    let watching = Process::start("prynai-ops", &args).await;
    said(&watching, "queued as").await;
    assert_eventually!(!cluster.owners().await.is_empty(), "it does not run");
    watching
}

/// Waits until the program says this.
async fn said(watching: &Process, what: &str) {
    eventually!(
        {
            let log = watching.log();
            log.iter().any(|line| line.contains(what)).then_some(())
        },
        "{what:?} was never said: {:?}",
        watching.log()
    );
}

#[tokio::test]
async fn a_replay_outlives_an_outage_of_redis() {
    let mut cluster = plan().start().await;
    let letter = put_aside(&cluster, 150).await;
    let mut watching = replaying(&cluster, &letter).await;
    cluster.redis.stop();
    said(&watching, "cannot be reached").await;
    cluster.redis.restart().await;
    let status = watching.ended().await;
    assert!(status.success(), "{:?}", watching.log());
    said(&watching, "ended with a result").await;
    cluster.assert_idle().await;
}

#[tokio::test]
async fn whoever_ends_the_program_in_order_cancels_the_call() {
    for signal in ["-TERM", "-INT", "-HUP"] {
        let cluster = plan().start().await;
        let letter = put_aside(&cluster, 1000).await;
        let mut watching = replaying(&cluster, &letter).await;
        watching.signal(signal);
        let status = watching.ended().await;
        assert!(status.success(), "{signal}: {:?}", watching.log());
        said(&watching, "was cancelled").await;
        cluster.assert_idle().await;
        let left = ops_json(&cluster.redis.url(), &["dead", "list"]).await;
        assert_eq!(left["letters"].as_array().map(Vec::len), Some(0), "{left}");
    }
}
