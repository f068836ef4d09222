//! Workers that stand still while Redis hands something to them, and those that stand still for too long.

use std::time::Duration;

use prynai_chaos::faults::time::BLOCK;
use prynai_chaos::tools::ledger::{LEDGER, Ledger};
use prynai_test_harness::client::{modern, tool};
use prynai_test_harness::cluster::{Cluster, ClusterPlan};
use prynai_test_redis::{LOOK_INTERVAL, assert_eventually};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

/// Longer than a lease of [`fleet`].
const BEYOND_LEASE: Duration = Duration::from_secs(3);

fn fleet(ledger: &Ledger) -> ClusterPlan {
    Cluster::new()
        .workers(2)
        .worker_binary("prynai-chaos-worker")
        .worker_args(&["--lease", "1s"])
        .env(LEDGER, ledger.path().to_str().expect("is text"))
}

fn call(cluster: &Cluster, name: &str, number: u64, ms: u64) -> JoinHandle<Value> {
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let call = tool(name, json!({ "call": number, "ms": ms }));
    let call = modern(number, "tools/call", call);
    tokio::spawn(async move { client.modern(&url, &call).await.response().await })
}

/// Makes calls until Redis gives one to a worker that stands still: its reads end every second. `halt` lets it stand
/// still, `go_on` ends that.
async fn given_to_one_that_stands_still(
    cluster: &mut Cluster,
    name: &str,
    halt: impl Fn(&mut Cluster),
    go_on: impl AsyncFn(&mut Cluster),
) -> JoinHandle<Value> {
    for number in 1.. {
        halt(cluster);
        let waiting = call(cluster, name, number, 10);
        let mut looks = 0..50;
        while cluster.owners().await.is_empty() && looks.next().is_some() {
            tokio::time::sleep(LOOK_INTERVAL).await;
        }
        if !cluster.owners().await.is_empty() {
            return waiting;
        }
        go_on(cluster).await;
        let answer = waiting.await.expect("does not panic");
        assert!(answer["result"].is_object(), "{answer}");
        cluster.assert_idle().await;
    }
    unreachable!("it goes on")
}

/// Another one runs it meanwhile.
#[tokio::test]
async fn what_a_halted_worker_was_given_is_not_begun_by_it_later() {
    let ledger = Ledger::open();
    let mut cluster = fleet(&ledger).start().await;
    cluster.worker_process(1).signal("-STOP");
    // What it waits for ends before the other one is halted.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let halt = |cluster: &mut Cluster| cluster.worker_process(0).signal("-STOP");
    let go_on = async |cluster: &mut Cluster| cluster.worker_process(0).signal("-CONT");
    let waiting = given_to_one_that_stands_still(&mut cluster, "look", halt, go_on).await;
    let before = ledger.begun();
    cluster.worker_process(1).signal("-CONT");
    let answer = waiting.await.expect("does not panic");
    assert!(answer["result"].is_object(), "{answer}");
    assert_eq!(ledger.begun(), before + 1);
    cluster.worker_process(0).signal("-CONT");
    cluster.assert_idle().await;
    // The halted one has gone on once it serves again.
    cluster.worker_process(1).kill().await;
    let answer = call(&cluster, "look", 1_000_000, 10).await;
    assert!(answer.expect("does not panic")["result"].is_object());
    assert_eq!(ledger.begun(), before + 2, "it was begun a second time");
}

/// A tool that may not run twice: taken over it would end as `outcome: unknown`.
#[tokio::test]
async fn what_lies_unread_at_a_blocked_runtime_stays_its_own() {
    let ledger = Ledger::open();
    let mut cluster = fleet(&ledger).env(BLOCK, "5000").start().await;
    cluster.worker_process(1).signal("-STOP");
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let halt = |cluster: &mut Cluster| cluster.worker_process(0).signal("-USR1");
    let go_on = async |_: &mut Cluster| {};
    let waiting = given_to_one_that_stands_still(&mut cluster, "pay", halt, go_on).await;
    cluster.worker_process(1).signal("-CONT");
    let answer = waiting.await.expect("does not panic");
    assert!(answer["result"].is_object(), "{answer}");
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_runtime_that_stands_still_for_too_long_is_given_up() {
    let ledger = Ledger::open();
    let mut cluster = fleet(&ledger).env(BLOCK, "3600000").start().await;
    cluster.worker_process(1).signal("-STOP");
    let waiting = call(&cluster, "look", 1, 1_000);
    assert_eventually!(ledger.begun() == 1);
    cluster.worker_process(0).signal("-USR1");
    cluster.worker_process(1).signal("-CONT");
    tokio::time::sleep(BEYOND_LEASE).await;
    assert_eq!(ledger.begun(), 1, "it is given up after one lease");
    assert_eventually!(ledger.begun() == 2, "it is never given up");
    let answer = waiting.await.expect("does not panic");
    assert!(answer["result"].is_object(), "{answer}");
    cluster.assert_idle().await;
}
