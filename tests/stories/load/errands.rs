//! What no worker sees but the bus counts to the share of its caller as well.

use futures::future::join_all;
use prynai_test_harness::client::legacy;
use prynai_test_harness::cluster::Cluster;
use serde_json::{Value, json};

#[tokio::test]
async fn pings_count_to_the_share_of_their_caller() {
    const SHARE: usize = 3;
    let limit = SHARE.to_string();
    let cluster = Cluster::new()
        .gateway_args(&["--caller-limit", &limit])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&url).await;
    // They end when their gateway gives up on Redis, so that they are under way together.
    cluster.redis.freeze();
    let pings = (0..4 * SHARE).map(async |id| {
        let ping = legacy(id as u64, "ping", json!({}));
        let answer = client.legacy(&url, &session, &ping).await.json().await;
        answer["error"]["data"]["reason"].clone()
    });
    let reasons = join_all(pings).await;
    cluster.redis.thaw();
    let is_busy = |reason: &Value| reason == "caller_limit";
    assert!(reasons.iter().any(is_busy), "{reasons:?}");
}
