//! Streams on which nothing happens: each costs a little memory, and gives it back.

use prynai_test_harness::client::{RawClient, modern};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::memory;
use prynai_test_redis::assert_eventually;
use serde_json::json;

const STREAMS: u32 = 1_500;

/// Far more than one costs; a build without optimisation needs more than a release.
const MOST_EACH: usize = 48 * 1024;

async fn open_and_close(cluster: &Cluster, pid: u32) -> usize {
    let client = RawClient::new();
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let mut open = Vec::new();
    for id in 0..STREAMS {
        let listen = modern(id, "subscriptions/listen", wanted.clone());
        let mut events = client.modern(&cluster.gateway(0), &listen).await.events();
        events
            .expect("notifications/subscriptions/acknowledged")
            .await;
        open.push(events);
    }
    memory(pid)
}

#[tokio::test]
async fn closed_streams_give_their_memory_back() {
    let mut cluster = Cluster::new()
        .gateway_args(&["--caller-streams", "10000", "--caller-limit", "10000"])
        .start()
        .await;
    let pid = cluster.gateway_process(0).pid();
    let before = memory(pid);
    for round in 0..2 {
        let open = open_and_close(&cluster, pid).await;
        let cost = open.saturating_sub(before);
        let each = cost / STREAMS as usize;
        assert!(each < MOST_EACH, "{each} bytes for each stream");
        assert_eventually!(
            memory(pid) < open - cost / 2,
            "round {round}: with the streams {open} bytes, before {before}, after they were closed {}",
            memory(pid)
        );
    }
    cluster.assert_idle().await;
}
