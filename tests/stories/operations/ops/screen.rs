//! The live screen, at a real terminal.

use std::process::Command;

use prynai_test_harness::client::{long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::terminal::Terminal;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Map, Value, json};

use super::tasks::taking_tasks;

/// The task of a call of this tool, which is one from its beginning.
async fn begun(cluster: &Cluster, call: Value) -> String {
    super::tasks::begun(&cluster.client, &cluster.gateway(0), call).await
}

#[tokio::test]
async fn the_live_screen_says_how_far_tasks_are() {
    let cluster = Cluster::new()
        .worker_binary("prynai-conformance-worker")
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let mut top = top(&cluster).await;
    let none = "tasks 0 run, 0 queued, 0 wait for their clients";
    assert_eventually!(top.text().contains(none), "{}", top.text());
    let asking = begun(&cluster, tool("multi_input", json!({}))).await;
    let waits = "tasks 0 run, 0 queued, 1 waits for its client (oldest ";
    assert_eventually!(top.text().contains(waits), "{}", top.text());
    // The only worker has no room for what comes back.
    begun(&cluster, tool("slow_compute", json!({ "seconds": 600 }))).await;
    let keys = eventually!({
        let asked = taking_tasks("tasks/get", json!({ "taskId": asking }));
        let told = cluster
            .client
            .modern(&cluster.gateway(0), &asked)
            .await
            .response()
            .await;
        told["result"]["inputRequests"]
            .as_object()
            .map(|asked| asked.keys().cloned().collect::<Vec<_>>())
    });
    let answers: Map<_, _> = keys
        .into_iter()
        .map(|key| (key, json!({ "action": "decline" })))
        .collect();
    let update = taking_tasks(
        "tasks/update",
        json!({ "taskId": asking, "inputResponses": answers }),
    );
    cluster
        .client
        .modern(&cluster.gateway(0), &update)
        .await
        .response()
        .await;
    let queued = "tasks 1 runs, 1 queued, 0 wait for their clients (oldest ";
    assert_eventually!(top.text().contains(queued), "{}", top.text());
    top.press("q").await;
    is_given_back(top).await;
}

/// `prynai-ops top`, once it has the screen.
async fn top(cluster: &Cluster) -> Terminal {
    let url = cluster.redis.url();
    let top = Terminal::start("prynai-ops", &["--redis-url", &url, "top", "--every", "1s"]).await;
    assert_eventually!(top.is_taken(), "{}", top.text());
    assert_eventually!(!top.has_cursor(), "{}", top.text());
    top
}

/// Waits until the shell has the terminal again, as it was, and says so.
async fn is_given_back(top: Terminal) {
    assert_eventually!(top.text().contains("it ended with 0"), "{}", top.text());
    assert_eventually!(
        top.text().contains("the terminal is as it was"),
        "{}",
        top.text()
    );
    assert!(!top.is_taken() && top.has_cursor(), "{}", top.text());
    assert!(top.leave().await.success());
}

#[tokio::test]
async fn the_live_screen_shows_the_fleet_filters_and_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let (client, gateway) = (&cluster.client, cluster.gateway(0));
    let call = modern(1, "tools/call", long_running(1000, 100));
    let mut events = client.modern(&gateway, &call).await.events();
    events.expect("notifications/progress").await;
    let worker = cluster.owners().await.pop().expect("runs");

    let mut top = top(&cluster).await;
    let shows = |top: &Terminal, texts: &[&str]| texts.iter().all(|text| top.text().contains(text));
    let fleet = [
        "workers 2 alive",
        "gateways 2 alive",
        "long_running",
        &worker,
    ];
    assert_eventually!(shows(&top, &fleet), "{}", top.text());

    top.press("/no such tool").await;
    assert_eventually!(
        shows(&top, &["/no such tool", "Nothing here has this text."]),
        "{}",
        top.text()
    );
    assert!(!top.text().contains("long_running"), "{}", top.text());
    top.press("\u{1b}").await;
    assert_eventually!(shows(&top, &["long_running"]), "{}", top.text());
    top.press("/LONG_R\r").await;
    assert_eventually!(
        shows(&top, &["/LONG_R ", "tools/call long_running"]),
        "{}",
        top.text()
    );
    // The details of the call, which go on by themselves.
    top.press("\r").await;
    assert_eventually!(shows(&top, &["renewed its lease"]), "{}", top.text());
    top.press("2").await;
    assert_eventually!(shows(&top, &["HEARD AGO"]), "{}", top.text());

    top.press("q").await;
    is_given_back(top).await;
}

#[tokio::test]
async fn a_live_screen_that_is_told_to_end_leaves_the_terminal_as_it_was() {
    let cluster = Cluster::new().start().await;
    let mut interrupted = top(&cluster).await;
    interrupted.press("\u{3}").await;
    is_given_back(interrupted).await;

    let ended = top(&cluster).await;
    let pid = ended.program().to_string();
    let told = Command::new("kill").args(["-TERM", &pid]).status();
    assert!(told.expect("kill runs").success());
    is_given_back(ended).await;
}
