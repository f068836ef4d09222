//! With `--task-durability synced`, a client is told of a task only once it is on the disk of Redis.

use prynai_test_harness::client::{RawClient, long_running};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use serde_json::{Value, json};

use super::tasks::{begun, get, taking_tasks};

const SYNCED: [&str; 2] = ["--task-durability", "synced"];

/// Its calls become tasks after a second.
fn promptly() -> [&'static str; 2] {
    ["--task-after", "1s"]
}

async fn sync(server: &RedisServer, appendfsync: &str) {
    let set = ["CONFIG", "SET", "appendfsync", appendfsync];
    let _: String = server.command(&set).await;
}

/// Calls a tool whose task is not told, and gives the error.
async fn not_told(client: &RawClient, url: &str, call: Value) -> Value {
    let call = taking_tasks(1, "tools/call", call);
    let response = client.modern(url, &call).await.response().await;
    assert_eq!(
        response["error"]["data"]["reason"], "task_not_synced",
        "{response}"
    );
    response["error"].clone()
}

#[tokio::test]
async fn a_task_that_its_client_was_told_of_outlives_the_death_of_redis() {
    let mut cluster = Cluster::new()
        .with_waitaof()
        .gateway_args(&SYNCED)
        .worker_args(&promptly())
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let mut tasks = Vec::new();
    for _ in 0..3 {
        tasks.push(begun(&client, &url, long_running(1_000, 100)).await);
        cluster.redis.restart().await;
        for task in &tasks {
            assert_eventually!(get(&client, &url, task).await["status"] == "working");
        }
    }
}

#[tokio::test]
async fn a_task_that_is_not_on_disk_is_cancelled_and_not_told() {
    let mut cluster = Cluster::new()
        .with_waitaof()
        .gateways(2)
        .worker_args(&promptly())
        .start()
        .await;
    cluster.gateway_process(1).kill().await;
    let synced = ("PRYNAI_TASK_DURABILITY".to_owned(), "synced".to_owned());
    cluster.replace_gateway_as(1, &[synced]).await;
    let (as_set, synced) = (cluster.gateway(0), cluster.gateway(1));
    let client = cluster.client.clone();
    let told = begun(&client, &synced, long_running(1_000, 100)).await;
    assert_eq!(get(&client, &as_set, &told).await["status"], "working");

    // From now on nothing is written to the disk.
    sync(&cluster.redis, "no").await;
    let error = not_told(&client, &synced, long_running(1_000, 100)).await;
    assert_eq!(error["data"]["outcome"], "unknown", "{error}");
    let error = error["message"].as_str().expect("says why");
    assert!(error.contains("cancelled"), "{error}");
    assert_eventually!(
        cluster.queued().await == 1,
        "a task that nobody knows runs on"
    );

    // Another gateway tells of its tasks as soon as Redis has them. This one does not tell of them either.
    let mut call = long_running(1_000, 100);
    call["_meta"]["ai.prynai/idempotencyKey"] = json!("key");
    let task = begun(&client, &as_set, call.clone()).await;
    not_told(&client, &synced, call.clone()).await;
    assert_eq!(get(&client, &as_set, &task).await["status"], "working");

    sync(&cluster.redis, "everysec").await;
    let again = begun(&client, &synced, call).await;
    assert_eq!(again["taskId"], task["taskId"]);
}

#[tokio::test]
async fn a_gateway_says_what_its_redis_lacks() {
    let redis = RedisServer::start().await;
    let url = redis.url();
    let args = [
        &SYNCED[..],
        &["--redis-url", &url, "--listen", "127.0.0.1:0"],
    ]
    .concat();
    let ended = Process::run("prynai-gateway", &args).await;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
    assert!(ended.output.contains("appendonly yes"), "{}", ended.output);
    let ended = Process::run("prynai-mcp", &SYNCED).await;
    assert_eq!(ended.status.code(), Some(64), "{}", ended.output);
    assert!(ended.output.contains("--redis-url"), "{}", ended.output);
}
