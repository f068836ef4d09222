//! Somebody who has read only `docs/operations.md` finds each fault of a running fleet, and mends it.

mod reading;

use prynai_test_harness::client::{RawClient, Reply, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::Process;
use prynai_test_redis::{assert_eventually, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use reading::Operator;

/// Places in the queue.
const ROOM: usize = 8;

/// A fleet of two gateways and two workers with two places each.
struct Fleet {
    cluster: Cluster,
    /// Whose user of Redis is its own.
    second: Process,
    operator: Operator,
}

impl Fleet {
    async fn start() -> Self {
        let limit = ROOM.to_string();
        let cluster = Cluster::new()
            .workers(2)
            .worker_args(&["--concurrency", "2", "--lease", "2s", "--max-attempts", "2"])
            .gateway_args(&["--queue-limit", &limit, "--caller-limit", &limit])
            .start()
            .await;
        let rights = ["on", ">PASSWORD", "~*", "&*", "+@all"];
        let user = [&["ACL", "SETUSER", "second"], &rights[..]].concat();
        let _: String = cluster.redis.command(&user).await;
        let operator = Operator {
            redis: cluster.redis.url(),
        };
        Self {
            second: second_gateway(&cluster).await,
            cluster,
            operator,
        }
    }

    /// The number of the worker that has the one request.
    async fn owner(&mut self) -> usize {
        let cluster = &mut self.cluster;
        let owners = eventually!({
            let owners = cluster.owners().await;
            (owners.len() == 1).then_some(owners)
        });
        let first = cluster.worker_process(0).logged("ready").await;
        usize::from(first["worker"] != owners[0].as_str())
    }

    /// A call of somebody else is answered, so there is room.
    async fn serves(&self) {
        let other = RawClient::from([127, 0, 0, 99].into());
        let reply = other.modern(&self.cluster.gateway(0), &echo()).await;
        assert_eq!(reply.status(), StatusCode::OK);
        reply.response().await;
    }

    /// Cancels all that `queue` shows when it is asked so.
    async fn cancel_all(&self, filter: &[&str]) {
        let listed = self.operator.table(&[&["queue"], filter].concat()).await;
        for entry in listed.column("ENTRY") {
            self.operator.run(&["cancel", entry, "--yes"]).await;
        }
    }
}

async fn second_gateway(cluster: &Cluster) -> Process {
    let redis = format!("redis://second:PASSWORD@127.0.0.1:{}", cluster.redis.port());
    let args = ["--redis-url", &redis, "--listen", "127.0.0.1:0"];
    let mut gateway = Process::start("prynai-gateway", &args).await;
    gateway.address().await;
    gateway
}

fn echo() -> Value {
    modern(1, "tools/call", tool("echo", json!({ "text": "x" })))
}

/// A call that does not end by itself, and says nothing.
fn stuck() -> Value {
    modern(1, "tools/call", long_running(1_000, 60_000))
}

#[tokio::test]
async fn whoever_has_read_the_page_finds_and_mends_each_fault() {
    let mut fleet = Fleet::start().await;
    assert_eventually!(fleet.operator.concerns().await.is_empty());
    a_stuck_tool_fills_the_queue(&fleet).await;
    a_caller_floods(&fleet).await;
    a_request_kills_its_workers(&mut fleet).await;
    a_gateway_is_deaf(&mut fleet).await;
    assert_eventually!(fleet.operator.concerns().await.is_empty());
    fleet.serves().await;
}

/// "A call that does not end", and PrynaiCallersRefused.
async fn a_stuck_tool_fills_the_queue(fleet: &Fleet) {
    let (operator, url) = (&fleet.operator, fleet.cluster.gateway(0));
    let (refuse, mut refused) = mpsc::channel(1);
    let mut callers = JoinSet::new();
    // A gateway that saw a short queue may let in a few more than there is room for.
    let mut told: Option<Value> = None;
    for number in 0..u8::try_from(4 * ROOM).unwrap() {
        let caller = RawClient::from([127, 0, 0, 10 + number].into());
        let (url, refuse) = (url.clone(), refuse.clone());
        callers.spawn(async move {
            let reply = caller.modern(&url, &stuck()).await;
            if reply.status() == StatusCode::SERVICE_UNAVAILABLE {
                let _ = refuse.try_send(reply.response().await);
            }
        });
        let queued = usize::from(number) + 1;
        assert_eventually!({
            told = refused.try_recv().ok();
            told.is_some() || fleet.cluster.queued().await == queued
        });
        if told.is_some() {
            break;
        }
    }
    let told = told.expect("somebody is refused");
    assert_eq!(told["error"]["data"]["reason"], "queue_full", "{told}");
    assert!(operator.table(&["queue"]).await.rows.len() >= ROOM);

    // Found: one tool has all places of the workers.
    let running = operator.table(&["queue", "--state", "running"]).await;
    assert_eq!(
        running.column("WHAT"),
        ["tools/call long_running"; 4],
        "all places are taken by it"
    );
    let entry = running.column("ENTRY")[0].to_owned();
    let call = operator.run(&["call", &entry]).await;
    assert!(call.contains("state         runs"), "{call}");
    // Mended: its calls are ended.
    fleet.cancel_all(&["--tool", "long_running"]).await;
    fleet.serves().await;
    assert_eventually!(
        operator
            .run(&["queue"])
            .await
            .contains("The queue is empty.")
    );
    callers.shutdown().await;
}

/// One session takes all places; others wait.
async fn a_caller_floods(fleet: &Fleet) {
    let (operator, url) = (&fleet.operator, fleet.cluster.gateway(0));
    let flooder = RawClient::from([127, 0, 0, 90].into());
    let session = flooder.open_session(&url).await;
    let mut refused = false;
    let mut held: Vec<Reply> = Vec::new();
    for id in 0..ROOM {
        let call = legacy(
            u32::try_from(id).unwrap(),
            "tools/call",
            long_running(1_000, 60_000),
        );
        let reply = flooder.legacy_stream(&url, &session, &call).await;
        if reply.is_event_stream() {
            held.push(reply);
        } else {
            let told = reply.json().await;
            refused |= told["error"]["data"]["reason"] == "caller_limit";
        }
    }
    assert!(refused, "one caller may fill the queue");
    let waiting = {
        let url = url.clone();
        let other = RawClient::from([127, 0, 0, 99].into());
        tokio::spawn(async move { other.modern(&url, &echo()).await.response().await })
    };
    let waits = ["queue", "--state", "waiting", "--tool", "echo"];
    assert_eventually!(!operator.table(&waits).await.rows.is_empty());

    // Found: the session with the most calls.
    let sessions = operator.table(&["sessions"]).await;
    let calls = |row: &&Vec<String>| sessions.cell(row, "CALLS").parse::<usize>().unwrap();
    let busiest = sessions.rows.iter().max_by_key(calls).expect("a session");
    assert!(calls(&busiest) >= 4, "{busiest:?}");
    let name = sessions.cell(busiest, "SESSION").to_owned();
    // Mended: its calls are ended, and the other one is answered.
    fleet.cancel_all(&["--session", &name]).await;
    let answer = waiting.await.expect("does not panic");
    assert_eq!(answer["result"]["content"][0]["text"], "x", "{answer}");
}

/// PrynaiLeasesExpire and PrynaiDeadLetters.
async fn a_request_kills_its_workers(fleet: &mut Fleet) {
    let call = modern(1, "tools/call", long_running(1_000, 100));
    let (client, url) = (fleet.cluster.client.clone(), fleet.cluster.gateway(0));
    let answer = tokio::spawn(async move { client.modern(&url, &call).await.response().await });
    let first = fleet.owner().await;
    fleet.cluster.worker_process(first).kill().await;

    // Found: a worker that is gone, or not heard any more, and has a request.
    let operator = &fleet.operator;
    let entry = eventually!({
        let workers = operator.table(&["workers"]).await;
        let lost = workers.rows.iter().find(|row| {
            ["deaf", "lost"].contains(&workers.cell(row, "STATE"))
                && workers.cell(row, "RUNS") == "1"
        });
        lost.map(|row| workers.cell(row, "OLDEST ENTRY").to_owned())
    });
    // Others take it over; the page says that nothing need be done but to start a worker.
    assert_eventually!(
        operator.run(&["call", &entry]).await.contains("delivery 2"),
        "it is not taken over"
    );
    fleet.cluster.replace_worker(first).await;
    let second = fleet.owner().await;
    fleet.cluster.worker_process(second).kill().await;

    // Found: what could not be served, and why.
    let operator = &fleet.operator;
    assert_eventually!(operator.concerns().await.contains("could not be served"));
    let letters = operator.table(&["dead", "list"]).await;
    assert_eq!(letters.column("WHAT"), ["tools/call long_running"]);
    assert!(letters.column("REASON")[0].contains("begun 2 times"));
    assert_eq!(letters.column("ENTRY"), [entry]);
    let letter = letters.column("LETTER")[0].to_owned();
    let shown = operator.run(&["dead", "show", &letter, "--message"]).await;
    assert!(shown.contains("delay_ms"), "{shown}");
    // Mended: a worker is started, and the request is dropped.
    fleet.cluster.replace_worker(second).await;
    let operator = &fleet.operator;
    operator.run(&["dead", "drop", &letter, "--yes"]).await;
    assert_eventually!(operator.concerns().await.is_empty());
    let workers = operator.table(&["workers"]).await;
    let alive = workers
        .column("STATE")
        .into_iter()
        .filter(|state| *state == "alive");
    assert_eq!(alive.count(), 2, "{:?}", workers.rows);
    let told = answer.await.expect("does not panic");
    assert_eq!(
        told["error"]["data"]["reason"], "too_many_attempts",
        "{told}"
    );
}

/// PrynaiSubscriptionDeaf.
async fn a_gateway_is_deaf(fleet: &mut Fleet) {
    let redis = &fleet.cluster.redis;
    let _: String = redis
        .command(&["ACL", "SETUSER", "second", "resetchannels"])
        .await;

    // Found: it lives, and hears nothing.
    let operator = &fleet.operator;
    assert_eventually!(
        operator
            .concerns()
            .await
            .contains("hears nothing that workers publish")
    );
    let gateways = operator.table(&["gateways"]).await;
    let deaf = gateways
        .rows
        .iter()
        .filter(|row| gateways.cell(row, "STATE") == "deaf");
    let names: Vec<_> = deaf
        .map(|row| gateways.cell(row, "GATEWAY").to_owned())
        .collect();
    assert_eq!(names.len(), 1, "{:?}", gateways.rows);
    // The log of the gateway of this name says what is wrong.
    let log = fleet.second.log().join("\n");
    assert!(log.contains(&names[0]), "{names:?} {log}");
    assert!(log.contains("subscription lost"), "{log}");
    let refused = "cannot subscribe; trying again";
    assert_eventually!(fleet.second.log().join("\n").contains(refused));
    // Mended: it may hear again, and is restarted.
    let _: String = redis
        .command(&["ACL", "SETUSER", "second", "allchannels"])
        .await;
    fleet.second.signal("-TERM");
    assert!(fleet.second.ended().await.success());
    fleet.second = second_gateway(&fleet.cluster).await;
    let operator = &fleet.operator;
    assert_eventually!(
        {
            let gateways = operator.table(&["gateways"]).await;
            let alive = gateways
                .column("STATE")
                .into_iter()
                .filter(|state| *state == "alive");
            alive.count() == 2
        },
        "it does not come back"
    );
}
