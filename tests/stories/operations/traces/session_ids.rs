//! Whoever has the whole id of a session can use it where callers need no token, so no operator is shown it.

use prynai_test_harness::client::{RawClient, legacy, modern, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::eventually;
use serde_json::{Value, json};

use super::receiver::Receiver;
use super::{span, traced};

async fn page(client: &RawClient, url: &str) -> String {
    client.send(client.request("GET", url)).await.text().await
}

#[tokio::test]
async fn no_line_span_metric_or_table_has_a_whole_session_id() {
    let receiver = Receiver::start().await;
    let endpoint = format!("http://{}", receiver.address);
    let admin = ["--admin-listen", "127.0.0.1:0"];
    let mut fleet = traced(&endpoint, "grpc")
        .gateway_args(&admin)
        .worker_args(&admin)
        .worker_args(&["--concurrency", "2"])
        .env("RUST_LOG", "trace,rmcp=off,h2=off")
        .start()
        .await;
    let (client, url, redis) = (fleet.client.clone(), fleet.gateway(0), fleet.redis.url());
    let session = client.open_session(&url).await;
    let echo = legacy(1, "tools/call", tool("echo", json!({ "text": "x" })));
    client.legacy(&url, &session, &echo).await.response().await;
    let ask = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    let asked = legacy(2, "tools/call", ask);
    let mut asking = client.legacy(&url, &session, &asked).await.events();
    asking.expect("elicitation/create").await;

    let mut shown = Vec::new();
    for question in [
        &["queue"][..],
        &["queue", "--json"],
        &["sessions"],
        &["sessions", "--json"],
        &["top"],
        &["status", "--json"],
    ] {
        let args = [&["--redis-url", &redis], question].concat();
        let ended = Process::run("prynai-ops", &args).await;
        assert!(ended.status.success(), "{}", ended.output);
        shown.push(ended.output);
    }
    let queue: Value = serde_json::from_str(&shown[1]).expect("is JSON");
    let call = queue["entries"][0]["stream"].as_str().expect("is text");
    for json in [&[][..], &["--json"]] {
        let args = [&["--redis-url", &redis, "call", call], json].concat();
        shown.push(Process::run("prynai-ops", &args).await.output);
    }
    // Each of these tells which session it is.
    for (at, text) in shown
        .iter()
        .enumerate()
        .filter(|(at, _)| ![4, 5].contains(at))
    {
        assert!(text.contains(&session.id[..12]), "{at}: {text}");
    }
    client.end_session(&url, &session).await;
    // One that has ended is refused by its name.
    client.legacy(&url, &session, &echo).await.text().await;
    let last = modern("last", "tools/call", tool("echo", json!({ "text": "y" })));
    client.modern(&url, &last).await.response().await;

    let [gateway, worker] = [
        fleet.gateway_process(0).metrics_url().await,
        fleet.worker_process(0).metrics_url().await,
    ];
    for url in [gateway, worker] {
        shown.push(page(&client, &url).await);
    }
    let of_session = span(&receiver, "prynai-worker", "tools/call book_table").await;
    assert_eq!(of_session.attribute("mcp.session.id"), session.id[..12]);
    shown.push(format!("{:?}", receiver.spans()));
    for process in fleet.processes() {
        eventually!(
            process
                .log()
                .iter()
                .any(|line| line.contains("\"last\""))
                .then_some(())
        );
        shown.push(process.log().join("\n"));
    }
    for text in &shown {
        let at = text.find(&session.id);
        let around = at.map(|at| &text[at.saturating_sub(200)..(at + 100).min(text.len())]);
        assert_eq!(around, None);
    }
}
