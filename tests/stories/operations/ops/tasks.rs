//! Tasks as operators see and cancel them, with the Redis users of `docs/security.md`.

use prynai_test_harness::client::{RawClient, modern_with, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::eventually;
use serde_json::{Value, json};

use super::super::redis_setup::documented_user::{acl_log, documented};
use super::{ops, ops_json};

const EXTENSIONS: &str = r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#;

/// A request of a client that takes tasks.
pub(in super::super) fn taking_tasks(method: &str, params: Value) -> Value {
    let takes = serde_json::from_str(EXTENSIONS).expect("JSON");
    modern_with(1, method, params, takes)
}

/// Calls a tool whose calls are always tasks, and gives the name of the task.
pub(in super::super) async fn begun(client: &RawClient, url: &str, call: Value) -> String {
    let call = taking_tasks("tools/call", call);
    let response = client.modern(url, &call).await.response().await;
    let task = response["result"]["taskId"].as_str();
    task.unwrap_or_else(|| panic!("no task: {response}"))
        .to_owned()
}

/// The URL of a user of `docs/security.md`.
async fn user(cluster: &Cluster, name: &str) -> String {
    let rules = documented(name);
    let set = ["ACL", "SETUSER", name].into_iter();
    let set: Vec<&str> = set.chain(rules.iter().map(String::as_str)).collect();
    let _: String = cluster.redis.command(&set).await;
    format!("redis://{name}:PASSWORD@127.0.0.1:{}", cluster.redis.port())
}

/// The tasks that are told, each with its state.
async fn tasks(url: &str, question: &[&str]) -> Vec<(String, String)> {
    let told = ops_json(url, &[&["tasks"], question].concat()).await;
    let text = |task: &Value, name: &str| task[name].as_str().expect("text").to_owned();
    let tasks = told["tasks"].as_array().expect("a list").iter();
    tasks
        .map(|task| (text(task, "task"), text(task, "status")))
        .collect()
}

#[tokio::test]
async fn operators_see_each_task_and_cancel_those_that_have_not_ended() {
    let cluster = Cluster::new()
        .worker_binary("prynai-conformance-worker")
        .start()
        .await;
    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    let watcher = user(&cluster, "watcher").await;
    let call = |name: &str, arguments: Value| begun(&client, &gateway, tool(name, arguments));
    let asking = call("multi_input", json!({})).await;
    let working = call("slow_compute", json!({ "seconds": 600 })).await;
    let failed = call("protocol_error_job", json!({})).await;
    let of = |task: &String, status: &str| (task.clone(), status.to_owned());
    let all = [
        of(&asking, "input_required"),
        of(&working, "working"),
        of(&failed, "failed"),
    ];
    let mut sorted = all.to_vec();
    sorted.sort();
    // Those that have ended make room sooner, and are told first.
    eventually!({
        let mut told = tasks(&watcher, &[]).await;
        told.sort();
        (told == sorted).then_some(())
    });

    let waits = tasks(&watcher, &["--state", "input_required"]).await;
    assert_eq!(waits, all[..1]);
    let slow = ["--tool", "slow_compute", "--principal", "anonymous"];
    assert_eq!(tasks(&watcher, &slow).await, all[1..2]);
    assert_eq!(tasks(&watcher, &["--older-than", "1h"]).await, []);
    let status = ops_json(&watcher, &["status"]).await;
    let counted = json!({ "working": 1, "input_required": 1, "kept": 3 });
    assert_eq!(status["overview"]["tasks"], counted);

    let show = async |task: &str| ops_json(&watcher, &["tasks", "show", task, "--message"]).await;
    let shown = show(&asking).await;
    assert_eq!(
        shown["explanation"]["state"], "waits for its client",
        "{shown}"
    );
    assert_eq!(shown["task"]["awaited"], 2, "{shown}");
    assert!(
        shown["task"]["worker"].is_null() && shown["entry"].is_null(),
        "{shown}"
    );
    let shown = show(&working).await;
    assert_eq!(shown["explanation"]["state"], "runs", "{shown}");
    assert_eq!(shown["entry"]["lease"]["worker"], shown["task"]["worker"]);
    let shown = show(&failed).await;
    assert_eq!(shown["audit"][0]["outcome"], "error", "{shown}");
    assert_eq!(shown["audit"][0]["stream"], json!(failed));
    let words = ops(&watcher, &["tasks", "show", &asking]).await.stdout;
    assert!(words.contains("status        input_required"), "{words}");

    // Who only looks cancels nothing.
    let refused = ops(&watcher, &["cancel", &asking, "--yes"]).await;
    assert_eq!(refused.status.code(), Some(64), "{}", refused.output);
    let _: String = cluster.redis.command(&["ACL", "LOG", "RESET"]).await;
    let operator = user(&cluster, "operator").await;
    for task in [&asking, &working] {
        let cancelled = ops_json(&operator, &["cancel", task, "--yes"]).await;
        assert_eq!(cancelled["is_removed"], true, "{cancelled}");
        let asked = taking_tasks("tasks/get", json!({ "taskId": task }));
        let told = client.modern(&gateway, &asked).await.response().await;
        assert_eq!(told["result"]["status"], "cancelled", "{told}");
        let again = ops(&operator, &["cancel", task, "--yes"]).await;
        assert_eq!(again.status.code(), Some(3), "{}", again.output);
    }
    let status = ops_json(&watcher, &["status"]).await;
    let counted = json!({ "working": 0, "input_required": 0, "kept": 3 });
    assert_eq!(status["overview"]["tasks"], counted);
    cluster.assert_idle().await;
    let denied = acl_log(&cluster.redis).await;
    assert!(denied.is_empty(), "{denied:?}");
}
