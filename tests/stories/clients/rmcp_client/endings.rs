//! What a client in a session is refused, or left without an answer to, and must outlive.

use std::time::Duration;

use prynai_test_harness::client::{legacy, tool};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_harness::policy_file::PolicyFile;
use prynai_test_redis::assert_eventually;
use rmcp::model::ReadResourceRequestParams;
use rmcp::service::ClientLifecycleMode;
use serde_json::json;

use super::scene::{NOTE, Scene};

const MODE: ClientLifecycleMode = ClientLifecycleMode::Initialize;

/// Clients are told to wait for half a second.
const LONGER_THAN_A_RETRY: Duration = Duration::from_secs(4);

#[tokio::test]
async fn policy() {
    let rules = "[[allow]]\ntools = [\"*\"]\nresources = [\"everything://readme\"]";
    let policy = PolicyFile::mounted(rules);
    let plan = Cluster::new()
        .gateways(2)
        .gateway_args(&["--policy", policy.path()]);
    let scene = Scene::on(plan, MODE).await;
    let closed = ReadResourceRequestParams::new("everything://counter");
    let refused = scene.client.read_resource(closed).await;
    assert!(refused.is_err(), "{refused:?}");
    scene.lives().await;
    scene.close().await;
}

#[tokio::test]
async fn too_large() {
    let scene = Scene::open(MODE).await;
    let text = "x".repeat(5 << 20);
    scene.is_refused("echo", json!({ "text": text })).await;
    scene.lives().await;
    scene.close().await;
}

#[tokio::test]
async fn queue_full() {
    let limits = ["--queue-limit", "4", "--caller-limit", "4"];
    let plan = Cluster::new().gateways(2).gateway_args(&limits);
    let scene = Scene::on(plan, MODE).await;
    let (other, url) = (&scene.cluster.client, scene.cluster.proxy());
    let endless = json!({ "steps": 1_000, "delay_ms": 100 });
    let mut fillers = Vec::new();
    // In a row: each gateway had its turn. What ends soon, and would leave room, is not counted.
    let (mut begun, mut refused) = (0, 0);
    while begun < 4 || refused < 4 {
        let session = other.open_session(&url).await;
        let call = legacy(1, "tools/call", tool("long_running", endless.clone()));
        let reply = other.legacy(&url, &session, &call).await;
        if reply.is_event_stream() {
            (begun, refused) = (begun + 1, 0);
        } else {
            refused += 1;
        }
        fillers.push((session, reply));
    }
    scene.is_refused("echo", json!({ "text": "x" })).await;
    for (session, _) in fillers {
        other.end_session(&url, &session).await;
    }
    scene.is_idle().await;
    scene.lives_again().await;
    scene.close().await;
}

#[tokio::test]
async fn share() {
    let limits = ["--caller-limit", "2"];
    let plan = Cluster::new().gateways(2).gateway_args(&limits);
    let scene = Scene::on(plan, MODE).await;
    let endless = json!({ "steps": 1_000, "delay_ms": 100 });
    let mut calls = Vec::new();
    // Two at each gateway.
    for _ in 0..4 {
        calls.push(scene.begin("long_running", endless.clone()).await);
    }
    let redis = &scene.cluster.redis;
    assert_eventually!(redis.command::<i64>(&["XLEN", QUEUE]).await == 4);
    scene.is_refused("echo", json!({ "text": "x" })).await;
    for call in calls {
        call.cancel(None).await.expect("cancelled");
    }
    scene.is_idle().await;
    scene.lives_again().await;
    scene.close().await;
}

#[tokio::test]
async fn deadline() {
    let plan = Cluster::new().gateway_args(&["--request-timeout", "1s"]);
    let scene = Scene::on(plan, MODE).await;
    let endless = json!({ "steps": 1_000, "delay_ms": 100 });
    scene.is_refused("long_running", endless).await;
    scene.lives().await;
    scene.close().await;
}

#[tokio::test]
async fn large_result() {
    let plan = Cluster::new().worker_args(&["--max-result", "64KiB"]);
    let scene = Scene::on(plan, MODE).await;
    let text = "x".repeat(80 << 10);
    scene.is_refused("echo", json!({ "text": text })).await;
    scene.lives().await;
    scene.close().await;
}

#[tokio::test]
async fn away() {
    let scene = Scene::open(MODE).await;
    scene.lives().await;
    scene.cluster.redis.freeze();
    scene.is_refused("echo", json!({ "text": "x" })).await;
    scene.cluster.redis.thaw();
    scene.lives_again().await;
    scene.close().await;
}

#[tokio::test]
async fn late_answer() {
    let scene = Scene::open(MODE).await;
    scene.may_answer.send_replace(false);
    let call = scene.begin("summarize", json!({ "text": "x" })).await;
    assert_eventually!(scene.may_answer.receiver_count() > 1, "nobody asked");
    call.cancel(None).await.expect("cancelled");
    scene.is_idle().await;
    scene.may_answer.send_replace(true);
    assert_eventually!(scene.may_answer.receiver_count() == 1, "nobody answered");
    scene.lives().await;
    scene.close().await;
}

#[tokio::test]
async fn cancelled_stream() {
    let mut scene = Scene::open(MODE).await;
    super::hears_updates_of_a_session(&mut scene).await;
    let endless = json!({ "steps": 1_000, "delay_ms": 100 });
    let call = scene.begin("long_running", endless).await;
    scene.progress.recv().await.expect("progress");
    call.cancel(None).await.expect("cancelled");
    scene.is_idle().await;
    // If it resumes, it is told that nothing follows, and does not come again.
    tokio::time::sleep(LONGER_THAN_A_RETRY).await;
    let resumes = scene.cluster.resumes();
    assert!(resumes <= 1, "it came {resumes} times");
    // Neither the client nor the stream of its session has suffered.
    scene.touch().await;
    assert_eq!(scene.updates.recv().await.as_deref(), Some(NOTE));
    scene.close().await;
}
