//! One process, no Redis: what `cargo run` starts.

use prynai_test_harness::client::{RawClient, legacy, modern, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::server::RedisServer;
use serde_json::json;

#[tokio::test]
async fn one_process_serves_both_eras() {
    let mut process = Process::start("prynai-mcp", &["--listen", "127.0.0.1:0"]).await;
    let address = process.address().await;
    let url = format!("http://{address}/mcp");
    let client = RawClient::new();
    let session = client.open_session(&url).await;
    let call = tool("bump_counter", json!({}));
    let one = client
        .legacy(&url, &session, &legacy(1, "tools/call", call.clone()))
        .await;
    let two = client.modern(&url, &modern(2, "tools/call", call)).await;
    assert_eq!(
        one.response().await["result"]["structuredContent"]["value"],
        1
    );
    assert_eq!(
        two.response().await["result"]["structuredContent"]["value"],
        2
    );
    let said = process.log().join("\n");
    assert!(said.contains(&url) && said.contains("curl"), "{said}");
}

#[tokio::test]
async fn with_redis_its_state_outlives_the_process() {
    let redis = RedisServer::start().await;
    let args = ["--listen", "127.0.0.1:0", "--redis-url", &redis.url()];
    let client = RawClient::new();
    for expected in 1..=2 {
        let mut process = Process::start("prynai-mcp", &args).await;
        let url = format!("http://{}/mcp", process.address().await);
        let call = modern(1, "tools/call", tool("bump_counter", json!({})));
        let answer = client.modern(&url, &call).await.response().await;
        assert_eq!(answer["result"]["structuredContent"]["value"], expected);
        process.signal("-TERM");
        assert!(process.ended().await.success());
    }
}
