//! The ten lines of `docs/redis.md` show what they say.

use std::process::Command;

use prynai_test_harness::client::{legacy, long_running};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;

const PAGE: &str = include_str!("../../../../docs/redis.md");

const QUEUE: &str = "prynai:{main.0}:requests";

#[tokio::test]
async fn each_of_the_ten_lines_shows_something() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&url).await;
    let forever = legacy(1, "tools/call", long_running(1_000, 100));
    let mut running = client.legacy(&url, &session, &forever).await.events();
    running.expect("notifications/progress").await;
    let redis = &cluster.redis;
    let junk = ["XADD", QUEUE, "*", "what", "is this?"];
    let _: String = redis.command(&junk).await;
    let dead = async || -> usize { redis.command(&["XLEN", "prynai:{main.0}:dead"]).await };
    assert_eventually!(dead().await == 1);
    let logs: Vec<String> = redis.command(&["KEYS", "prynai:{main.0}:log:*"]).await;
    let stream = logs[0].rsplit_once(':').expect("has a stream").1;
    let gateways = ["ZRANGE", "prynai:{main.0}:gateways", "0", "0"];
    let gateways: Vec<String> = redis.command(&gateways).await;

    let lines = PAGE.lines().filter(|line| line.starts_with("redis-cli "));
    let mut shown = Vec::new();
    for line in lines {
        let line = line
            .replace("STREAM", stream)
            .replace("GATEWAY", &gateways[0])
            .replace(":ID", &format!(":{}", session.id));
        let mut shell = Command::new("sh");
        let output = shell.args(["-c", &line]).env("URL", redis.url()).output();
        let output = output.expect("there is a shell");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success(), "{line}: {output:?}");
        assert!(
            !text.trim().is_empty() && !text.contains("ERR"),
            "{line}: {text}"
        );
        shown.push(text);
    }
    assert_eq!(shown.len(), 10);
    for (number, expected) in [
        (0, "lag"),
        (1, "long_running"),
        (2, "wk-"),
        (3, "wk-"),
        (4, "gw-"),
        (5, "is this?"),
        (6, "long_running"),
        (7, "notifications/progress"),
        (8, "\n1"),
        (9, "protocol_version"),
    ] {
        assert!(
            shown[number].contains(expected),
            "{number}: {}",
            shown[number]
        );
    }
    drop(running);
}
