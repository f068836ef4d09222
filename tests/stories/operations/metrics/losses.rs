//! Workers that are lost, and streams that are resumed.

use prynai_test_harness::client::{Reply, legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use serde_json::json;

use super::reading::{becomes, scrape};
use super::shown;

const TAKEN_OVER: &str = "prynai_worker_reclaims_total";
const EXPIRED: &str = "prynai_worker_leases_expired_total";

/// Which of two workers has the one request.
async fn owner(fleet: &mut Cluster) -> usize {
    let mut owners;
    assert_eventually!({
        owners = fleet.owners().await;
        owners.len() == 1
    });
    let ready = fleet.worker_process(0).logged("ready").await;
    usize::from(ready["worker"] != owners[0].as_str())
}

/// Kills the worker that has the one request, and gives the number of the other.
async fn lose_owner(fleet: &mut Cluster) -> usize {
    let lost = owner(fleet).await;
    fleet.worker_process(lost).kill().await;
    1 - lost
}

#[tokio::test]
async fn a_lost_worker_is_seen_as_an_expired_lease_a_rerun_and_in_the_end_a_dead_letter() {
    let args = ["--lease", "1s", "--max-attempts", "2"];
    let mut fleet = shown().workers(2).worker_args(&args).start().await;
    let of_gateway = fleet.gateway_process(0).metrics_url().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let call = modern(1, "tools/call", long_running(1_000, 100));
    let answer = tokio::spawn(answered(client.modern(&url, &call).await));

    let left = lose_owner(&mut fleet).await;
    let of_left = fleet.worker_process(left).metrics_url().await;
    becomes(&client, &of_left, TAKEN_OVER, &[("verdict", "run")], 1.0).await;
    becomes(&client, &of_left, EXPIRED, &[], 1.0).await;
    becomes(&client, &of_left, "prynai_worker_requests", &[], 1.0).await;

    fleet.replace_worker(1 - left).await;
    let last = lose_owner(&mut fleet).await;
    assert_eq!(last, 1 - left);
    let of_last = fleet.worker_process(last).metrics_url().await;
    let dead = [("reason", "too_many_attempts")];
    becomes(
        &client,
        &of_last,
        "prynai_worker_dead_letters_total",
        &dead,
        1.0,
    )
    .await;
    let seen = scrape(&client, &of_last).await;
    assert_eq!(
        seen.value(TAKEN_OVER, &[("verdict", "dead_letter")]),
        Some(1.0)
    );
    assert_eq!(seen.value(TAKEN_OVER, &[("verdict", "run")]), Some(0.0));
    becomes(&client, &of_gateway, "prynai_queue_dead_letters", &[], 1.0).await;
    let answer = answer.await.expect("does not panic");
    assert_eq!(
        answer["error"]["data"]["reason"], "too_many_attempts",
        "{answer}"
    );
    let failed = super::operation("tools/call", "long_running", "-32603");
    becomes(&client, &of_gateway, super::OPERATIONS, &failed, 1.0).await;
}

async fn answered(reply: Reply) -> serde_json::Value {
    reply.response().await
}

#[tokio::test]
async fn an_unknown_outcome_and_a_resume_are_counted() {
    let args = ["--lease", "1s"];
    let mut fleet = shown().workers(2).worker_args(&args).start().await;
    let of_gateway = fleet.gateway_process(0).metrics_url().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let session = client.open_session(&url).await;
    assert_eventually!(fleet.queued().await == 0);
    let table = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    let call = legacy(1, "tools/call", table);
    let mut events = client.legacy(&url, &session, &call).await.events();
    let mut last = None;
    loop {
        let frame = events.frame().await.expect("asks before its end");
        last = frame.id.or(last);
        if frame
            .data
            .is_some_and(|data| data.contains("elicitation/create"))
        {
            break;
        }
    }
    drop(events);
    let left = lose_owner(&mut fleet).await;
    let resumed = client.stream(&url, &session, last.as_deref()).await;
    let rest = resumed.events().rest().await;
    let answer = rest.last().expect("has a response");
    assert_eq!(answer["error"]["data"]["reason"], "worker_lost", "{answer}");

    let of_left = fleet.worker_process(left).metrics_url().await;
    let seen = scrape(&client, &of_left).await;
    assert_eq!(
        seen.value(TAKEN_OVER, &[("verdict", "outcome_unknown")]),
        Some(1.0)
    );
    assert_eq!(seen.value(EXPIRED, &[]), Some(1.0));
    let resumes = "prynai_gateway_resumes_total";
    becomes(&client, &of_gateway, resumes, &[("outcome", "call")], 1.0).await;

    // The stream of the session, which goes on until it is closed.
    let of_session = client.stream(&url, &session, None).await;
    let streams = "prynai_gateway_streams";
    becomes(&client, &of_gateway, streams, &[("kind", "session")], 1.0).await;
    drop(of_session);
    becomes(&client, &of_gateway, streams, &[("kind", "session")], 0.0).await;
    let listen = json!({ "notifications": { "toolsListChanged": true } });
    let listen = modern(2, "subscriptions/listen", listen);
    let listening = client.modern(&url, &listen).await;
    becomes(
        &client,
        &of_gateway,
        streams,
        &[("kind", "subscription")],
        1.0,
    )
    .await;
    drop(listening);
    becomes(
        &client,
        &of_gateway,
        streams,
        &[("kind", "subscription")],
        0.0,
    )
    .await;
}
