//! What one caller may leave with the fleet: bounded by bytes, and refused with what to do.

use std::net::IpAddr;
use std::sync::atomic::{AtomicBool, Ordering};

use futures::StreamExt;
use prynai_test_harness::client::{
    Events, RawClient, Reply, Session, answering, legacy, long_running, modern, tool,
};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::calls::tasks::taking_tasks;

/// Bytes that Redis has sent so far.
async fn sent(redis: &RedisServer) -> u64 {
    let stats: String = redis.command(&["INFO", "stats"]).await;
    let line = stats
        .lines()
        .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
    let bytes = line.and_then(|bytes| bytes.trim().parse().ok());
    bytes.expect("Redis counts what it sends")
}

pub(super) async fn max_memory(redis: &RedisServer, bytes: &str) {
    let _: String = redis.command(&["CONFIG", "SET", "maxmemory", bytes]).await;
}

pub(super) fn echo(id: u32) -> Value {
    modern(id, "tools/call", tool("echo", json!({ "text": "x" })))
}

async fn ping(client: &RawClient, url: &str, session: &Session) -> StatusCode {
    let ping = legacy(1, "ping", json!({}));
    client.legacy(url, session, &ping).await.status()
}

#[tokio::test]
async fn a_ping_costs_the_same_whatever_its_session_holds() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let large = json!({ "experimental": { "x": { "note": "x".repeat(60 * 1024) } } });
    let session = client.open_session_with(&url, "2025-11-25", large).await;
    for number in 0..250 {
        let uri = format!("test://{number}/{}", "x".repeat(2_000));
        let subscribe = legacy(1, "resources/subscribe", json!({ "uri": uri }));
        let answer = client.legacy(&url, &session, &subscribe).await;
        assert_eq!(answer.status(), StatusCode::OK);
    }
    let before = sent(&cluster.redis).await;
    for _ in 0..20 {
        assert_eq!(ping(client, &url, &session).await, StatusCode::OK);
    }
    let cost = sent(&cluster.redis).await - before;
    assert!(cost < 20 * 2_000, "{cost} bytes for 20 pings");
}

/// The noisy neighbour's address; the others call from 127.0.0.1.
const NOISY: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(127, 0, 0, 2));

/// Requests that the noisy caller has under way at the same time.
const AT_ONCE: usize = 8;

async fn is_told(refused: Reply, reason: &str) {
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert!(refused.headers().contains_key("retry-after"));
    let body = refused.json().await;
    assert_eq!(body["error"]["data"]["reason"], reason, "{body}");
    let message = body["error"]["message"].as_str().expect("a text");
    assert!(
        message.contains("end") || message.contains("wait"),
        "{message}"
    );
}

fn initialize(bytes: usize) -> String {
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "x".repeat(bytes), "version": "1" },
    });
    legacy(1, "initialize", params).to_string()
}

fn keyed(key: &str, text: &str) -> Value {
    let mut call = tool("echo", json!({ "text": text }));
    call["_meta"]["ai.prynai/idempotencyKey"] = json!(key);
    modern(1, "tools/call", call)
}

#[tokio::test]
async fn a_caller_at_its_share_of_sessions_is_told_what_to_do() {
    let cluster = Cluster::new()
        .gateways(2)
        .gateway_args(&["--caller-sessions", "3"])
        .start()
        .await;
    let (url, noisy) = (cluster.proxy(), cluster.client.clone());
    let first = noisy.open_session(&url).await;
    for _ in 0..2 {
        noisy.open_session(&url).await;
    }
    // Another gateway counts the same.
    for _ in 0..4 {
        is_told(
            noisy.send(noisy.post(&url, initialize(1))).await,
            "caller_sessions",
        )
        .await;
    }
    let other = RawClient::from(NOISY);
    other.open_session(&cluster.gateway(0)).await;
    noisy.end_session(&url, &first).await;
    noisy.open_session(&url).await;
}

#[tokio::test]
async fn a_caller_at_its_share_of_bytes_is_told_what_to_do() {
    let args = ["--caller-kept", "1MiB", "--caller-bytes", "4MiB"];
    let cluster = Cluster::new()
        .gateway_args(&args)
        .worker_args(&args[..2])
        .start()
        .await;
    let (url, client) = (cluster.gateway(0), &cluster.client);
    let large = "x".repeat(200 * 1024);
    for number in 0..5 {
        let call = keyed(&format!("key-{number}"), &large);
        let answer = client.modern(&url, &call).await.response().await;
        assert_eq!(answer["result"]["content"][0]["text"], large);
    }
    // It has run, so its key stays though its result does not.
    let small = "x".repeat(20 * 1024);
    let mut kept = 0;
    let refused = loop {
        let reply = client
            .modern(&url, &keyed(&format!("small-{kept}"), &small))
            .await;
        if reply.status() != StatusCode::OK {
            break reply;
        }
        kept += 1;
        assert!(kept < 1_000, "is never refused");
    };
    is_told(refused, "caller_kept").await;
    is_told(
        client.send(client.post(&url, initialize(15 * 1024))).await,
        "caller_kept",
    )
    .await;
    // What keeps nothing goes on, and so do others.
    let plain = client.modern(&url, &echo(1)).await.response().await;
    assert!(plain["result"].is_object(), "{plain}");
    let other = RawClient::from(NOISY);
    let answer = other.modern(&url, &keyed("key", &large)).await;
    assert!(answer.response().await["result"].is_object());

    // Messages under way count while they are.
    let mut slow = long_running(1_000, 100);
    slow["arguments"]["ballast"] = json!("x".repeat(3 * 1024 * 1024));
    let slow = modern(1, "tools/call", slow);
    let mut running = client.modern(&url, &slow).await.events();
    running.expect("notifications/progress").await;
    is_told(client.modern(&url, &slow).await, "caller_bytes").await;
    drop(running);
    let served = async || {
        let reply = client.modern(&url, &slow).await;
        reply.status() == StatusCode::OK
    };
    assert_eventually!(served().await, "what has ended counts on");
    cluster.assert_idle().await;
}

#[tokio::test]
async fn what_tasks_keep_counts_to_their_caller() {
    let args = ["--caller-kept", "1MiB"];
    let cluster = Cluster::new()
        .gateway_args(&args)
        .worker_args(&[&args[..], &["--task-after", "1s"]].concat())
        .start()
        .await;
    let (url, client) = (cluster.gateway(0), &cluster.client);
    let slow = |steps: u32| {
        let mut call = long_running(steps, 100);
        call["arguments"]["ballast"] = json!("x".repeat(600 * 1024));
        taking_tasks(1, "tools/call", call)
    };
    let first = client.modern(&url, &slow(1_000)).await.response().await;
    assert_eq!(first["result"]["resultType"], "task", "{first}");
    // It is held, for it has begun.
    let second = client.modern(&url, &slow(20)).await.response().await;
    assert_eq!(second["result"]["resultType"], "complete", "{second}");
    let other = RawClient::from(NOISY);
    let others = other.modern(&url, &slow(20)).await.response().await;
    assert_eq!(others["result"]["resultType"], "task", "{others}");

    let id = json!({ "taskId": first["result"]["taskId"] });
    let cancel = taking_tasks(2, "tasks/cancel", id);
    let cancelled = client.modern(&url, &cancel).await.response().await;
    assert!(cancelled["result"].is_object(), "{cancelled}");
    // What has ended makes room.
    let becomes_task = async || {
        let response = client.modern(&url, &slow(15)).await.response().await;
        response["result"]["resultType"] == "task"
    };
    assert_eventually!(becomes_task().await, "what was cancelled counts on");
}

#[tokio::test]
async fn finished_logs_of_a_caller_at_its_share_are_kept_briefly() {
    let cluster = Cluster::new()
        .worker_args(&["--caller-kept", "1MiB"])
        .start()
        .await;
    let (url, client) = (cluster.gateway(0), &cluster.client);
    let session = client.open_session(&url).await;
    let text = "x".repeat(300 * 1024);
    let call = legacy(1, "tools/call", tool("echo", json!({ "text": text })));
    for _ in 0..8 {
        let answer = client.legacy_stream(&url, &session, &call).await;
        assert!(answer.response().await["result"].is_object());
    }
    let lives = async || {
        let keys: Vec<String> = cluster.redis.command(&["KEYS", "*:log:*"]).await;
        let mut lives = Vec::new();
        for key in keys {
            let life: i64 = cluster.redis.command(&["PTTL", &key]).await;
            lives.push(life);
        }
        lives
    };
    assert_eventually!({
        let lives = lives().await;
        lives.iter().filter(|life| **life > 10_000).count() == 3
    });
}

#[tokio::test]
async fn answers_that_nobody_asked_for_do_not_stay() {
    let cluster = Cluster::new().start().await;
    let (url, client) = (cluster.gateway(0), &cluster.client);
    let session = client.open_session(&url).await;
    let slow = long_running(1_000, 100);
    let call = legacy(1, "tools/call", slow);
    let mut running = client.legacy(&url, &session, &call).await.events();
    let stream = loop {
        let frame = running.frame().await.expect("goes on");
        if let (Some(id), Some(_)) = (frame.id, frame.data.filter(|data| !data.is_empty())) {
            break id.split_once('-').expect("names its stream").0.to_owned();
        }
    };
    for number in 0..16 {
        let id = format!("{stream}.1.{number}");
        let text = "x".repeat(1024 * 1024);
        let answer = answering(&json!(id), json!({ "text": text }));
        let reply = client.legacy(&url, &session, &answer).await;
        assert_eq!(reply.status(), StatusCode::ACCEPTED);
    }
    let mailboxes = async || {
        let keys: Vec<String> = cluster.redis.command(&["KEYS", "*:mail:*"]).await;
        keys.len()
    };
    assert_eventually!(mailboxes().await == 0);
    client.end_session(&url, &session).await;
    drop(running);
    cluster.assert_idle().await;
}

/// One caller does all it can to fill Redis; the other notices nothing. With a quarter of the share that is the
/// default, so that the flood is over in less time.
#[tokio::test]
async fn a_flood_of_one_caller_leaves_room_for_the_others() {
    let share = ["--caller-kept", "16MiB"];
    let cluster = Cluster::new()
        .gateway_args(&share)
        .worker_args(&share)
        .start()
        .await;
    let (url, redis) = (cluster.gateway(0), &cluster.redis);
    max_memory(redis, "300mb").await;
    let (noisy, client) = (RawClient::from(NOISY), cluster.client.clone());
    let session = client.open_session(&url).await;
    let over = AtomicBool::new(false);
    let others = async {
        let ready = format!("{}/readyz", cluster.origin(0));
        let mut number = 0;
        while !over.load(Ordering::Relaxed) {
            number += 1;
            let probe = client.send(client.request("GET", &ready)).await;
            assert_eq!(probe.status(), StatusCode::OK, "{}", probe.text().await);
            let in_session = legacy(1, "tools/call", tool("echo", json!({ "text": "x" })));
            for reply in [
                client.modern(&url, &echo(1)).await,
                client.modern(&url, &keyed(&format!("{number}"), "x")).await,
                client.legacy(&url, &session, &in_session).await,
            ] {
                assert_eq!(reply.status(), StatusCode::OK);
                let answer = reply.response().await;
                assert_eq!(answer["result"]["content"][0]["text"], "x", "{answer}");
            }
            let opened = client.open_session(&url).await;
            client.end_session(&url, &opened).await;
        }
        number
    };
    let flood = async {
        let running = flood(&noisy, &url).await;
        over.store(true, Ordering::Relaxed);
        running
    };
    let (running, rounds) = futures::join!(flood, others);
    assert!(rounds > 3, "{rounds}");
    let memory: String = redis.command(&["INFO", "memory"]).await;
    let used = memory.lines().find(|line| line.starts_with("used_memory:"));
    println!("{rounds} rounds of the others, {used:?}");
    drop(running);
    cluster.assert_idle().await;
}

/// Every way to leave something with the fleet, each until it is refused or has been tried for long.
async fn flood(noisy: &RawClient, url: &str) -> Vec<Events> {
    let times = |count: usize| futures::stream::iter(0..count);
    // Results under keys.
    let large = "x".repeat(200 * 1024);
    times(20)
        .for_each_concurrent(AT_ONCE, |number| {
            let call = keyed(&format!("key-{number}"), &large);
            async move { drop(noisy.modern(url, &call).await.text().await) }
        })
        .await;
    // Streams that can be resumed, of a megabyte each.
    let session = noisy.open_session(url).await;
    let text = "x".repeat(1024 * 1024);
    let call = legacy(1, "tools/call", tool("echo", json!({ "text": text })));
    times(40)
        .for_each_concurrent(AT_ONCE, |_| {
            let (session, call) = (&session, &call);
            async move { drop(noisy.legacy_stream(url, session, call).await.text().await) }
        })
        .await;
    // Tokens of a megabyte.
    let mut token = tool("echo", json!({ "text": "x" }));
    token["_meta"]["progressToken"] = json!(text);
    for _ in 0..4 {
        let call = modern(1, "tools/call", token.clone());
        let reply = noisy.modern(url, &call).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    }
    // Sessions that are told a lot.
    let refused = AtomicBool::new(false);
    times(10_000)
        .take_while(|_| std::future::ready(!refused.load(Ordering::Relaxed)))
        .for_each_concurrent(AT_ONCE, |_| {
            let refused = &refused;
            async move {
                let reply = noisy.send(noisy.post(url, initialize(15 * 1024))).await;
                if reply.status() != StatusCode::OK {
                    is_told(reply, "caller_kept").await;
                    refused.store(true, Ordering::Relaxed);
                }
            }
        })
        .await;
    assert!(refused.load(Ordering::Relaxed), "no end of sessions");
    // Calls that wait and run, with arguments of four megabytes.
    let mut slow = long_running(1_000, 100);
    slow["arguments"]["ballast"] = json!("x".repeat(4_000_000));
    let slow = modern(1, "tools/call", slow);
    let mut running = Vec::new();
    loop {
        let reply = noisy.modern(url, &slow).await;
        if reply.status() != StatusCode::OK {
            is_told(reply, "caller_bytes").await;
            return running;
        }
        let mut events = reply.events();
        events.expect("notifications/progress").await;
        running.push(events);
        assert!(running.len() < 100, "no end of running calls");
    }
}
