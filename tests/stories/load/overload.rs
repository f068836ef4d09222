//! More than the fleet can serve: a fair share for each, and cheap, definite refusals beyond it.

use std::net::IpAddr;
use std::time::Duration;

use prynai_test_harness::client::{
    Events, RawClient, Reply, legacy, long_running, modern, notification, tool,
};
use prynai_test_harness::cluster::{Cluster, QUEUE};
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::{assert_eventually, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// The noisy neighbour's address; the others call from 127.0.0.1.
const NOISY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// Runs for longer than any test.
fn slow(id: u32) -> Value {
    let call = long_running(1_000, 100);
    legacy(id, "tools/call", call)
}

/// The modern form of it.
fn slow_modern(id: u32) -> Value {
    modern(id, "tools/call", slow(id)["params"].clone())
}

fn echo(id: u32) -> Value {
    modern(id, "tools/call", tool("echo", json!({ "text": "x" })))
}

/// The events of a call that has begun to run, or why it was refused.
async fn begun(reply: Reply) -> Result<Events, StatusCode> {
    if !reply.is_event_stream() {
        return Err(reply.status());
    }
    let mut events = reply.events();
    events.expect("notifications/progress").await;
    Ok(events)
}

async fn assert_refused(reply: Reply, status: u16, id: u32, reason: &str) {
    assert_eq!(reply.status().as_u16(), status);
    assert_eq!(reply.headers()["retry-after"], "1");
    let body = reply.json().await;
    assert_eq!(body["id"], id, "{body}");
    assert_eq!(body["error"]["data"]["reason"], reason, "{body}");
}

/// In a session a refusal is the answer to its request.
async fn assert_refused_in_session(reply: Reply, id: u32, reason: &str) {
    assert_eq!(reply.status(), StatusCode::OK);
    let body = reply.json().await;
    assert_eq!(body["id"], id, "{body}");
    assert_eq!(body["error"]["data"]["reason"], reason, "{body}");
    assert_eq!(body["error"]["data"]["retryAfterSeconds"], 1, "{body}");
}

async fn assert_served(client: &RawClient, url: &str) {
    for id in 0..10 {
        let answer = client.modern(url, &echo(id)).await.response().await;
        assert_eq!(answer["result"]["content"][0]["text"], "x", "{answer}");
    }
}

/// How many commands Redis has run whose name begins so.
async fn commands(redis: &RedisServer, name: &str) -> u64 {
    let stats: String = redis.command(&["INFO", "commandstats"]).await;
    let count = |line: &str| -> Option<u64> {
        let (_, calls) = line.split_once("calls=")?;
        calls.split(',').next()?.parse().ok()
    };
    let prefix = format!("cmdstat_{name}");
    let lines = stats.lines().filter(|line| line.starts_with(&prefix));
    lines.filter_map(count).sum()
}

#[tokio::test]
async fn a_noisy_caller_fills_its_own_share_and_nobody_elses() {
    let cluster = Cluster::new()
        // The audit's records of refusals would be counted as well.
        .gateway_args(&["--caller-limit", "8", "--audit-records", "0"])
        .start()
        .await;
    let url = cluster.gateway(0);
    let noisy = RawClient::from(NOISY);
    let mut running = Vec::new();
    for id in 0..8 {
        let reply = noisy.modern(&url, &slow_modern(id)).await;
        running.push(begun(reply).await.expect("is within its share"));
    }
    // What a call costs before a worker sees it. (The running ones write to their logs.)
    let cost =
        async || commands(&cluster.redis, "xadd").await + commands(&cluster.redis, "xlen").await;
    let before = cost().await;
    for id in 0..500 {
        let reply = noisy.modern(&url, &slow_modern(id)).await;
        assert_refused(reply, 429, id, "caller_limit").await;
    }
    assert_eq!(cost().await, before, "Redis was asked for a refused call");
    assert_served(&cluster.client, &url).await;

    // What ends makes room, whichever way it ends.
    running.pop();
    let again = eventually!(
        begun(noisy.modern(&url, &slow_modern(9)).await).await.ok(),
        "the place of a lost client stays taken"
    );
    drop((again, running));
    cluster.assert_idle().await;
}

#[tokio::test]
async fn in_the_legacy_era_the_share_is_the_sessions() {
    let cluster = Cluster::new()
        .gateway_args(&["--caller-limit", "4"])
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let noisy = client.open_session(&url).await;
    let other = client.open_session(&url).await;
    let mut running = Vec::new();
    for id in 0..4 {
        let reply = client.legacy(&url, &noisy, &slow(id)).await;
        running.push(begun(reply).await.expect("is within its share"));
    }
    let reply = client.legacy(&url, &noisy, &slow(4)).await;
    assert_refused_in_session(reply, 4, "caller_limit").await;
    for id in 0..10 {
        let call = legacy(id, "tools/call", tool("echo", json!({ "text": "x" })));
        let answer = client.legacy(&url, &other, &call).await.response().await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    let cancel = notification("notifications/cancelled", json!({ "requestId": 0 }));
    client.legacy(&url, &noisy, &cancel).await;
    let again = eventually!(
        begun(client.legacy(&url, &noisy, &slow(5)).await)
            .await
            .ok(),
        "the place of a cancelled call stays taken"
    );
    drop((again, running));
    for session in [noisy, other] {
        client.end_session(&url, &session).await;
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn no_caller_can_fill_the_queue() {
    let cluster = Cluster::new()
        .gateway_args(&["--queue-limit", "40", "--caller-limit", "40"])
        .start()
        .await;
    let url = cluster.gateway(0);
    let noisy = RawClient::from(NOISY);
    let mut running = Vec::new();
    for id in 0..40 {
        let reply = noisy.modern(&url, &slow_modern(id)).await;
        match begun(reply).await {
            Ok(events) => running.push(events),
            Err(status) => assert_eq!(status, StatusCode::TOO_MANY_REQUESTS),
        }
    }
    let queued = cluster.queued().await;
    // Half of the queue, and what may be added between two looks.
    assert!((20..=24).contains(&queued), "{queued}");
    assert_served(&cluster.client, &url).await;
    drop(running);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_full_queue_is_refused_with_503_without_asking_redis_each_time() {
    let mut cluster = Cluster::new()
        // The audit's records of refusals would be counted as well.
        .gateway_args(&["--queue-limit", "4", "--caller-limit", "4"])
        .gateway_args(&["--audit-records", "0"])
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let session = client.open_session(&url).await;
    cluster.assert_idle().await;
    cluster.worker_process(0).kill().await;
    for _ in 0..4 {
        let fill = ["XADD", QUEUE, "*", "v", "0"];
        let _: String = cluster.redis.command(&fill).await;
    }
    // What a gateway knows is a little old, so the first one may still be queued.
    let late = tokio::spawn({
        let (client, url) = (client.clone(), url.clone());
        async move { client.modern(&url, &echo(0)).await }
    });
    assert_eventually!(late.is_finished() || cluster.queued().await == 5);
    let queue_adds = commands(&cluster.redis, "xadd").await;
    let all = commands(&cluster.redis, "").await;
    const FLOOD: u32 = 500;
    for id in 1..=FLOOD {
        let reply = client.modern(&url, &echo(id)).await;
        assert_refused(reply, 503, id, "queue_full").await;
    }
    assert_eq!(commands(&cluster.redis, "xadd").await, queue_adds);
    let cost = commands(&cluster.redis, "").await - all;
    assert!(
        cost < u64::from(FLOOD / 2),
        "{cost} commands for {FLOOD} refusals"
    );
    let call = legacy(501, "tools/call", tool("echo", json!({ "text": "x" })));
    let reply = client.legacy(&url, &session, &call).await;
    assert_refused_in_session(reply, 501, "queue_full").await;
    // A notification cannot fill it either. It is dropped, for a client that is told so may give up its session.
    for method in [
        "notifications/initialized",
        "notifications/roots/list_changed",
    ] {
        let note = json!({ "jsonrpc": "2.0", "method": method });
        let dropped = client.legacy(&url, &session, &note).await;
        assert_eq!(dropped.status(), StatusCode::ACCEPTED, "{method}");
    }
    assert_eq!(commands(&cluster.redis, "xadd").await, queue_adds);

    late.abort();
    let _: i64 = cluster
        .redis
        .command(&["XTRIM", QUEUE, "MAXLEN", "0"])
        .await;
    cluster.restart_worker(0).await;
    assert_eventually!(client.modern(&url, &echo(0)).await.status() == StatusCode::OK);
    cluster.assert_idle().await;
}

#[tokio::test]
async fn what_waited_for_longer_than_its_deadline_is_not_run() {
    let mut cluster = Cluster::new()
        .gateway_args(&["--request-timeout", "1s"])
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let session = client.open_session(&url).await;
    cluster.assert_idle().await;
    cluster.worker_process(0).signal("-STOP");
    let bump = |timeout: Option<u64>| {
        let mut call = tool("bump_counter", json!({}));
        if let Some(timeout) = timeout {
            call["_meta"]["ai.prynai/timeoutMs"] = json!(timeout);
        }
        call
    };
    // The client's own deadline, the server's, and the server's for a client that wants more.
    let mut late = Vec::new();
    for timeout in [Some(100), None, Some(3_600_000)] {
        let call = modern(1, "tools/call", bump(timeout));
        let same = legacy(2, "tools/call", bump(timeout));
        let (client, url, session) = (client.clone(), url.clone(), session.clone());
        late.push(tokio::spawn(async move {
            let (reply, same) = tokio::join!(
                client.modern(&url, &call),
                client.legacy(&url, &session, &same)
            );
            [reply.response().await, same.response().await]
        }));
    }
    assert_eventually!(cluster.queued().await == 6);
    // Past all deadlines, whose end nobody tells while the worker stands still. On a busy machine the clocks of gateway
    // and worker may differ by what an answer of the bus may take.
    tokio::time::sleep(Duration::from_secs(2)).await;
    cluster.worker_process(0).signal("-CONT");
    for answers in late {
        for answer in answers.await.expect("is answered") {
            assert_eq!(answer["error"]["data"]["reason"], "deadline", "{answer}");
        }
    }
    let call = modern(3, "tools/call", bump(None));
    let answer = client.modern(&url, &call).await.response().await;
    assert_eq!(
        answer["result"]["structuredContent"]["value"], 1,
        "{answer}"
    );
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_deadline_that_is_none_is_refused() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&url).await;
    for wrong in [json!(0), json!(-1), json!(1.5), json!("100")] {
        let mut call = tool("echo", json!({ "text": "x" }));
        call["_meta"]["ai.prynai/timeoutMs"] = wrong.clone();
        let modern = modern(1, "tools/call", call.clone());
        let legacy = legacy(1, "tools/call", call);
        for (reply, status) in [
            (client.modern(&url, &modern).await, StatusCode::BAD_REQUEST),
            (client.legacy(&url, &session, &legacy).await, StatusCode::OK),
        ] {
            assert_eq!(reply.status(), status, "{wrong}");
            assert_eq!(reply.json().await["error"]["code"], -32602, "{wrong}");
        }
    }
    cluster.assert_idle().await;
}

#[tokio::test]
async fn a_caller_holds_so_many_streams_and_no_more() {
    let cluster = Cluster::new()
        .gateway_args(&["--caller-streams", "3"])
        .start()
        .await;
    let url = cluster.gateway(0);
    let noisy = RawClient::from(NOISY);
    let listen = |id: u32| {
        let wanted = json!({ "notifications": { "toolsListChanged": true } });
        modern(id, "subscriptions/listen", wanted)
    };
    let mut open = Vec::new();
    for id in 0..3 {
        open.push(noisy.modern(&url, &listen(id)).await.events());
    }
    let reply = noisy.modern(&url, &listen(3)).await;
    assert_refused(reply, 429, 3, "caller_streams").await;
    let other = cluster.client.modern(&url, &listen(4)).await;
    assert_eq!(other.status(), StatusCode::OK);
    open.pop();
    assert_eventually!(noisy.modern(&url, &listen(5)).await.status() == StatusCode::OK);
}

/// Such as a service whose agents have a session each: they all come at once when their gateway stops.
#[tokio::test]
async fn a_call_is_resumed_however_many_streams_its_caller_holds() {
    let limits = ["--caller-streams", "1", "--caller-limit", "2"];
    let cluster = Cluster::new().gateways(2).gateway_args(&limits);
    let cluster = cluster.start().await;
    let (client, one, other) = (&cluster.client, cluster.gateway(0), cluster.gateway(1));
    let session = client.open_session(&one).await;
    let mut changes = client.stream(&other, &session, None).await.events();
    changes.primed().await;
    let mut places = Vec::new();
    for (id, url) in [(1, &one), (2, &one), (3, &other)] {
        let mut events = client.legacy(url, &session, &slow(id)).await.events();
        places.push(events.primed().await);
    }
    // As many as calls, and the one that runs there takes none of their places.
    let mut resumed = Vec::new();
    for place in &places[..2] {
        let reply = client.stream(&other, &session, Some(place)).await;
        assert_eq!(reply.status(), StatusCode::OK);
        resumed.push(reply.events());
    }
    let refused = client.stream(&other, &session, Some(&places[2])).await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    let body = refused.json().await;
    assert_eq!(body["error"]["data"]["reason"], "caller_limit", "{body}");
    // Nor do they take those of calls.
    let reply = client.legacy(&other, &session, &slow(4)).await;
    let _running = begun(reply).await.expect("it runs");
    resumed.pop();
    assert_eventually!(
        client
            .stream(&other, &session, Some(&places[2]))
            .await
            .status()
            == StatusCode::OK
    );
}
