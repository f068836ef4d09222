//! The number of workers follows the queue, from zero and back to zero, and no call is lost: by the decisions that KEDA
//! and Kubernetes take on Azure Container Apps, with the rules of `aca/modules/worker.bicep`, on a real fleet.

mod autoscaler;
mod fleet;
mod scaler;
mod timeline;

use std::path::Path;

use futures::future::join_all;
use prynai_test_harness::client::{RawClient, legacy, long_running, modern, tool};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use fleet::{CONCURRENCY, Fault, Fleet};
use scaler::Rule;

/// The rules of the template, for the concurrency of this fleet.
const WAITING: Rule = Rule::Lag(CONCURRENCY / 4);
const RUNNING: Rule = Rule::Pending(CONCURRENCY * 3 / 4);

/// Names the file to which the timeline is written.
const TIMELINE: &str = "PRYNAI_TIMELINE";

/// Calls of the burst, and how long each takes.
const BURST: usize = 40;
const BURST_CALL_MS: u64 = 1_000;

/// How long the call takes that outlasts the burst, the time until fewer workers are wanted, and twice the time after
/// which an idle worker ends.
const LONG_CALL_MS: u64 = 20_000;

/// What became of a call.
type Call = JoinHandle<Value>;

#[test]
fn the_rules_are_those_of_the_template() {
    let template = include_str!("../../../../aca/modules/worker.bicep");
    for part in [
        "lagCount: string(max(1, concurrency / 4))",
        "pendingEntriesCount: string(max(1, concurrency * 3 / 4))",
        &format!("var requests = '{}'", prynai_test_harness::cluster::QUEUE),
        &format!("var group = '{}'", scaler::GROUP),
    ] {
        assert!(template.contains(part), "{part}");
    }
}

#[tokio::test]
async fn workers_follow_the_queue_from_zero_and_back_and_no_call_is_lost() {
    let mut fleet = Fleet::start(&[WAITING, RUNNING]).await;
    let run = run(&mut fleet).await;
    if let Some(file) = std::env::var_os(TIMELINE) {
        fleet.timeline.write(Path::new(&file));
    }
    let timeline = &fleet.timeline;
    assert_eq!(run, Ok(()), "\n{timeline}");
    assert!(timeline.most_wanted() >= 4, "no burst:\n{timeline}");
    let letters: usize = fleet
        .cluster
        .redis
        .command(&["XLEN", "prynai:{main.0}:dead"])
        .await;
    assert_eq!((fleet.cluster.queued().await, letters), (0, 0));
}

#[tokio::test]
async fn without_the_rule_on_what_runs_a_running_call_loses_its_worker() {
    let mut fleet = Fleet::start(&[WAITING]).await;
    let run = run(&mut fleet).await;
    let scaled_away = matches!(run, Err(Fault::ScaledAway { running: 1.., .. }));
    assert!(scaled_away, "{run:?}\n{}", fleet.timeline);
}

#[tokio::test]
async fn without_the_rule_on_what_waits_no_worker_is_ever_started() {
    let mut fleet = Fleet::start(&[RUNNING]).await;
    let run = run(&mut fleet).await;
    assert_eq!(run, Err(Fault::NobodyIsWoken), "\n{}", fleet.timeline);
}

/// A day of a fleet. Panics when a call has not the answer that it must have.
async fn run(fleet: &mut Fleet) -> Result<(), Fault> {
    // Nobody has read from the queue yet, and all is known.
    let is_idle = |look: &timeline::Look| {
        (look.waiting, look.running, look.wanted, look.leaving) == (Some(0), 0, 0, 0)
    };
    fleet.stays(5, is_idle).await?;

    fleet.begins("first calls");
    let (client, url) = (fleet.cluster.client.clone(), fleet.cluster.gateway(0));
    let first = [1, 2].map(|number| echo(&client, &url, number));
    let opened = session(&client, &url);
    let (first, opened) = fleet
        .during(async { tokio::join!(join_all(first), opened) })
        .await?;
    for (number, answer) in (1..).zip(first) {
        assert_echoed(&answer.expect("ends"), number);
    }
    let session = opened.expect("ends");

    fleet.begins("a long call");
    let long = long_call(&client, &url);
    fleet.until("it runs", |look| look.running == 1).await?;

    fleet.begins("a burst");
    let burst = (0..BURST).map(|_| call(&client, &url, long_running(1, BURST_CALL_MS)));
    for answer in fleet.during(join_all(burst)).await? {
        assert_done(&answer.expect("ends"));
    }
    fleet.begins("only the long call");
    let is_alone = |look: &timeline::Look| (look.wanted, look.running, look.leaving) == (1, 1, 0);
    fleet.until("one worker is left", is_alone).await?;
    fleet.stays(2 * Fleet::cooldown_looks(), is_alone).await?;
    assert_done(&fleet.during(long).await?.expect("ends"));

    fleet.begins("nothing to do");
    fleet.until("none is left", is_idle).await?;

    // Now that the tools are known, a request waits in the queue.
    fleet.begins("a call in its session");
    let call = legacy(2, "tools/call", tool("echo", json!({ "text": "3" })));
    let again = async { client.legacy(&url, &session, &call).await.response().await };
    assert_echoed(&fleet.during(again).await?, 3);
    fleet.begins("nothing to do");
    fleet.until("none is left", is_idle).await
}

fn call(client: &RawClient, url: &str, params: Value) -> Call {
    let (client, url) = (client.clone(), url.to_owned());
    let call = modern(1, "tools/call", params);
    tokio::spawn(async move { client.modern(&url, &call).await.response().await })
}

fn echo(client: &RawClient, url: &str, number: usize) -> Call {
    call(
        client,
        url,
        tool("echo", json!({ "text": number.to_string() })),
    )
}

fn long_call(client: &RawClient, url: &str) -> Call {
    call(client, url, long_running(1, LONG_CALL_MS))
}

fn session(client: &RawClient, url: &str) -> JoinHandle<prynai_test_harness::client::Session> {
    let (client, url) = (client.clone(), url.to_owned());
    tokio::spawn(async move { client.open_session(&url).await })
}

fn assert_echoed(answer: &Value, number: usize) {
    let text = &answer["result"]["content"][0]["text"];
    assert_eq!(*text, number.to_string(), "{answer}");
}

fn assert_done(answer: &Value) {
    let is_error = &answer["result"]["isError"];
    assert!(
        answer["result"].is_object() && *is_error != true,
        "a call is lost: {answer}"
    );
}
