//! A Redis in which there is no fleet, or one that cannot be read.

use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_redis::server::{RedisServer, free_port};

use super::{ops, ops_json};

#[tokio::test]
async fn a_redis_without_this_fleet_says_so() {
    let cluster = Cluster::new().start().await;
    let url = cluster.redis.url();
    let other = ops(&url, &["--key-prefix", "other:", "queue"]).await;
    assert_eq!(other.status.code(), Some(4), "{}", other.output);
    let told = "there are fleets with --key-prefix \"prynai:\"";
    assert!(other.output.contains(told), "{}", other.output);
    assert_eq!(other.stdout, "");
    let keys: Vec<String> = cluster.redis.command(&["KEYS", "other:*"]).await;
    assert!(keys.is_empty(), "{keys:?}");

    let port = free_port();
    let away = ops(&format!("redis://127.0.0.1:{port}"), &["status"]).await;
    assert_eq!(away.status.code(), Some(5), "{}", away.output);
    let wrong = format!("redis://nobody:geheim@127.0.0.1:{}", cluster.redis.port());
    let wrong = ops(&wrong, &["status"]).await;
    assert_eq!(wrong.status.code(), Some(64), "{}", wrong.output);
    assert!(!wrong.output.contains("geheim"), "{}", wrong.output);
    let nothing = ops(&url, &["--redis-url", "http://geheim", "status"]).await;
    assert_eq!(nothing.status.code(), Some(64), "{}", nothing.output);
    assert!(!nothing.output.contains("geheim"), "{}", nothing.output);
}

#[tokio::test]
async fn what_a_newer_release_queued_is_told_as_such() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let stream = "01a229839be3752ab3bd06ca80e030a4";
    let add = [
        "XADD",
        QUEUE,
        "*",
        "v",
        "99",
        "stream",
        stream,
        "method",
        "tools/new",
    ];
    let _: String = redis.command(&add).await;
    let shown = ops(&url, &["queue"]).await;
    assert!(shown.stdout.contains("unreadable"), "{}", shown.output);
    assert!(shown.stdout.contains("newest release"), "{}", shown.output);
    let entry = ops_json(&url, &["queue"]).await["entries"][0]["entry"].clone();
    let call = ops(&url, &["call", entry.as_str().expect("text")]).await;
    assert!(call.stdout.contains("format 99"), "{}", call.output);
}

#[tokio::test]
async fn a_reader_that_has_seen_enough_is_no_failure() {
    use prynai_test_harness::process::Process;
    use std::process::Stdio;
    let (reader, writer) = std::io::pipe().expect("a pipe");
    drop(reader);
    let output: [Stdio; 2] = [writer.into(), Stdio::null()];
    let args = ["completion", "bash"];
    let mut ended = Process::start_writing_to("prynai-ops", &args, &[], output).await;
    assert!(ended.ended().await.success());
}
