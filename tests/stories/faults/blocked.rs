//! Handlers that block: their runtime, or a thread that is there for it.

use std::time::Duration;

use prynai_chaos::faults::time::BLOCK;
use prynai_chaos::tools::ledger::{Deed, LEDGER, Ledger};
use prynai_test_harness::client::{modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::assert_eventually;
use serde_json::{Value, json};

const STANDS: &str = "handlers block the runtime: no other call of this worker goes on, and none is cancelled or ends at its \
                      deadline; let blocking work run in tokio::task::spawn_blocking";

const STAYS: &str = "the process does not end by itself: a thread is blocked, perhaps by a handler's spawn_blocking; \
                     ending it";

/// Far longer than any test waits.
const FOR_EVER: u64 = 3_600_000;

fn call(name: &str, number: u64, ms: u64) -> Value {
    modern(
        number,
        "tools/call",
        tool(name, json!({ "call": number, "ms": ms })),
    )
}

#[tokio::test]
async fn a_worker_whose_runtime_is_blocked_keeps_its_calls_and_says_so() {
    let ledger = Ledger::open();
    let mut cluster = Cluster::new()
        .workers(2)
        .worker_binary("prynai-chaos-worker")
        .worker_args(&["--lease", "1s", "--concurrency", "1"])
        .env(LEDGER, ledger.path().to_str().expect("is text"))
        .env(BLOCK, "5000")
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    // Each worker has room for one.
    let calls = [call("look", 1, 3000), call("look", 2, 3000)];
    let answers = async {
        futures::join!(
            async { client.modern(&url, &calls[0]).await.response().await },
            async { client.modern(&url, &calls[1]).await.response().await },
        )
    };
    let block = async {
        assert_eventually!(ledger.begun() == 2);
        cluster.worker_process(0).signal("-USR1");
        cluster.worker_process(0).logged(STANDS).await;
        cluster
            .worker_process(0)
            .logged("the runtime goes on")
            .await;
    };
    let ((one, two), ()) = futures::join!(answers, block);
    for answer in [one, two] {
        assert!(answer["result"].is_object(), "{answer}");
    }
    cluster.assert_idle().await;
    drop(cluster);
    let deeds = ledger.close().await;
    let begun = deeds
        .values()
        .flatten()
        .filter(|entry| entry.deed == Deed::Begun);
    assert_eq!(begun.count(), 2, "{deeds:?}");
}

/// Whatever its handler does, a process that was told to end does.
async fn ends(process: &mut Process) {
    process.signal("-TERM");
    process.ended().await;
    assert_eq!(process.all_logged("stopping").len(), 1);
    // What it wrote last may still be on its way.
    assert_eventually!(process.all_logged(STAYS).len() == 1);
}

#[tokio::test]
async fn a_worker_ends_though_a_handler_sits_in_spawn_blocking() {
    let ledger = Ledger::open();
    let mut cluster = Cluster::new()
        .worker_binary("prynai-chaos-worker")
        .worker_args(&["--drain-timeout", "1s"])
        .env(LEDGER, ledger.path().to_str().expect("is text"))
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let sit = call("sit", 1, FOR_EVER);
    let _sitting = tokio::spawn(async move { client.modern(&url, &sit).await.response().await });
    assert_eventually!(ledger.begun() == 1);
    ends(cluster.worker_process(0)).await;
    assert_eq!(cluster.worker_process(0).all_logged("stopped").len(), 1);
}

#[tokio::test]
async fn a_worker_ends_though_its_runtime_is_blocked() {
    let ledger = Ledger::open();
    let mut cluster = Cluster::new()
        .worker_binary("prynai-chaos-worker")
        .worker_args(&["--drain-timeout", "1s"])
        .env(LEDGER, ledger.path().to_str().expect("is text"))
        .env(BLOCK, &FOR_EVER.to_string())
        .start()
        .await;
    cluster.worker_process(0).signal("-USR1");
    cluster.worker_process(0).logged(STANDS).await;
    ends(cluster.worker_process(0)).await;
}

#[tokio::test]
async fn a_standalone_server_ends_though_a_handler_blocks() {
    for blocks_runtime in [false, true] {
        let ledger = Ledger::open();
        let ledger_path = ledger.path().to_str().expect("is text").to_owned();
        let env = [
            (LEDGER.to_owned(), ledger_path),
            (BLOCK.to_owned(), FOR_EVER.to_string()),
        ];
        let args = ["--listen", "127.0.0.1:0", "--drain-timeout", "1s"];
        let mut process = Process::start_with("prynai-chaos-standalone", &args, &env).await;
        let url = format!("http://{}/mcp", process.address().await);
        let client = prynai_test_harness::client::RawClient::new();
        let sit = call("sit", 1, FOR_EVER);
        let _sitting =
            tokio::spawn(async move { client.modern(&url, &sit).await.response().await });
        assert_eventually!(ledger.begun() == 1);
        if blocks_runtime {
            process.signal("-USR1");
            process.logged(STANDS).await;
        }
        ends(&mut process).await;
    }
}

/// What it runs outlasts the time in which the process stood still.
#[tokio::test]
async fn a_standalone_server_that_was_halted_takes_nothing_over_from_itself() {
    let ledger = Ledger::open();
    let ledger_path = ledger.path().to_str().expect("is text").to_owned();
    let args = ["--listen", "127.0.0.1:0", "--lease", "1s"];
    let env = [(LEDGER.to_owned(), ledger_path)];
    let mut process = Process::start_with("prynai-chaos-standalone", &args, &env).await;
    let url = format!("http://{}/mcp", process.address().await);
    let client = prynai_test_harness::client::RawClient::new();
    let pay = call("pay", 1, 4000);
    let paying = tokio::spawn(async move { client.modern(&url, &pay).await.response().await });
    assert_eventually!(ledger.begun() == 1);
    process.signal("-STOP");
    // Three leases: nobody else is there to tell when they have ended.
    tokio::time::sleep(Duration::from_secs(3)).await;
    process.signal("-CONT");
    let answer = paying.await.expect("does not panic");
    assert!(answer["result"].is_object(), "{answer}");
}
