//! A fleet in which no worker ever ran: requests wait for the first one, and the queue shows that one is wanted.

use futures::future::join_all;
use prynai_test_harness::client::{Reply, legacy, modern, tool};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_redis::{PATIENCE, assert_eventually};
use serde_json::{Value, json};

/// What the one gateway says that has knocked.
const KNOCKED: &str =
    "no worker has ever announced what it serves; the queue shows now that one is wanted";

fn call(id: usize) -> Value {
    modern(id, "tools/call", tool("echo", json!({ "text": "x" })))
}

fn initialize() -> String {
    let params = json!({
        "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "a", "version": "1" },
    });
    legacy(0, "initialize", params).to_string()
}

/// Whether a gateway says that it is ready.
async fn is_ready(fleet: &Cluster, index: usize) -> bool {
    let url = format!("{}/readyz", fleet.origin(index));
    let reply = fleet.client.send(fleet.client.request("GET", &url)).await;
    reply.status().is_success()
}

async fn dead_letters(fleet: &Cluster) -> usize {
    let dead = QUEUE.replace("requests", "dead");
    fleet.redis.command(&["XLEN", &dead]).await
}

#[tokio::test]
async fn requests_wait_for_the_first_worker_behind_one_knock() {
    let mut fleet = Cluster::new().gateways(2).workers(0).start().await;
    let client = fleet.client.clone();
    let client = &client;
    let calls = (0..20).map(|id| {
        let url = fleet.gateway(id % 2);
        async move { client.modern(&url, &call(id)).await.response().await }
    });
    let opened = [0, 1].map(|index| {
        let url = fleet.gateway(index);
        async move {
            client
                .send(client.post(&url, initialize()))
                .await
                .json()
                .await
        }
    });
    let come = async {
        assert_eventually!(fleet.queued().await == 1);
        assert!(is_ready(&fleet, 0).await && is_ready(&fleet, 1).await);
        let mut worker = fleet.further_worker().await;
        worker.logged("ready").await;
        worker
    };
    let (answers, opened, _worker) = tokio::join!(join_all(calls), join_all(opened), come);
    for answer in answers {
        assert_eq!(answer["result"]["content"][0]["text"], "x", "{answer}");
    }
    for answer in opened {
        assert!(answer["result"]["capabilities"].is_object(), "{answer}");
    }
    fleet.assert_idle().await;
    assert_eq!(dead_letters(&fleet).await, 0);
    let knocked = [0, 1].map(|index| {
        let gateway = fleet.gateway_process(index);
        gateway.all_logged(KNOCKED).len()
    });
    assert_eq!(knocked.iter().sum::<usize>(), 1, "{knocked:?}");
}

/// The status, the reason and `Retry-After` of a refusal.
async fn refusal(reply: Reply) -> (u16, Value, String) {
    let status = reply.status().as_u16();
    let retry = reply.headers().get("retry-after").cloned();
    let retry = retry.map(|retry| retry.to_str().expect("ASCII").to_owned());
    let reason = reply.json().await["error"]["data"]["reason"].clone();
    (status, reason, retry.unwrap_or_default())
}

#[tokio::test]
async fn requests_that_wait_in_vain_are_refused_and_may_come_again() {
    let args = ["--worker-grace", "1s"];
    let fleet = Cluster::new().workers(0).gateway_args(&args).start().await;
    let (client, url) = (&fleet.client, fleet.gateway(0));
    let refused = (503, json!("no_workers"), "5".to_owned());
    let first = call(1);
    let (modern, legacy) = tokio::join!(
        client.modern(&url, &first),
        client.send(client.post(&url, initialize())),
    );
    assert_eq!(refusal(modern).await, refused);
    assert_eq!(refusal(legacy).await, refused);
    // Whoever starts workers still sees it, and whoever sends requests that nobody comes for them.
    assert_eq!(fleet.queued().await, 1);
    assert_eventually!(!is_ready(&fleet, 0).await);
    assert_eq!(refusal(client.modern(&url, &call(2)).await).await, refused);

    let mut worker = fleet.further_worker().await;
    worker.logged("ready").await;
    let answered = async || {
        let answer = client.modern(&url, &call(3)).await.response().await;
        answer["result"]["content"][0]["text"] == "x"
    };
    assert_eventually!(answered().await);
    assert_eventually!(is_ready(&fleet, 0).await);
    fleet.assert_idle().await;
    assert_eq!(dead_letters(&fleet).await, 0);
}

#[tokio::test]
async fn a_call_waits_no_longer_than_its_client_lets_it() {
    let fleet = Cluster::new().workers(0).start().await;
    let mut call = call(1);
    call["params"]["_meta"]["ai.prynai/timeoutMs"] = json!(300);
    let url = fleet.gateway(0);
    let reply = fleet.client.modern(&url, &call);
    let reply = tokio::time::timeout(PATIENCE, reply).await;
    let (status, reason, _) = refusal(reply.expect("is refused in time")).await;
    assert_eq!((status, reason), (503, json!("no_workers")));
}
