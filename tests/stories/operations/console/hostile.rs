//! What clients say does nothing in a browser.

use prynai_test_harness::client::{legacy, long_running, modern, tool};
use prynai_test_harness::cluster::Cluster;
use serde_json::json;

use super::{ADMIN, DEAD, admin, page};

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}<script>alert(1)</script>\"'><img src=x onerror=alert(1)>&lt;";

/// Nothing of it is markup, steers, or is hidden.
fn assert_harmless(page: &str, url: &str) {
    for markup in ["<script", "<img", "<b>"] {
        assert!(!page.contains(markup), "{url}: {page}");
    }
    let steering = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    assert!(!page.chars().any(steering), "{url}: {page:?}");
}

#[tokio::test]
async fn what_clients_say_is_shown_and_does_nothing() {
    let mut fleet = Cluster::new()
        .gateway_args(&ADMIN)
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let console = admin(fleet.gateway_process(0)).await + "/console";
    let (client, gateway) = (fleet.client.clone(), fleet.gateway(0));
    let initialize = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": HOSTILE, "version": HOSTILE },
    });
    let initialize = legacy(0, "initialize", initialize);
    client
        .send(client.post(&gateway, initialize.to_string()))
        .await;
    let session = client.open_session(&gateway).await;
    fleet.assert_idle().await;
    let slow = modern(HOSTILE, "tools/call", long_running(1000, 100));
    let mut running = client.modern(&gateway, &slow).await.events();
    running.expect("notifications/progress").await;
    let hostile = legacy(HOSTILE, "tools/call", tool(HOSTILE, json!({})));
    let _waits = client.legacy(&gateway, &session, &hostile).await;
    // What nobody of the fleet wrote.
    let letter = [
        "XADD",
        DEAD,
        "*",
        "entry",
        HOSTILE,
        "reason",
        HOSTILE,
        "v",
        "1",
        "stream",
        HOSTILE,
        "method",
        "tools/call",
        "name",
        "<b>",
        "principal",
        "{\"subject\":\"<b>\"}",
        HOSTILE,
        HOSTILE,
    ];
    let _: String = fleet.redis.command(&letter).await;
    let consumer = [
        "XGROUP",
        "CREATECONSUMER",
        "prynai:{main.0}:requests",
        "workers",
        HOSTILE,
    ];
    let _: i64 = fleet.redis.command(&consumer).await;
    let gateways = ["ZADD", "prynai:{main.0}:gateways", "9999999999999", HOSTILE];
    let _: i64 = fleet.redis.command(&gateways).await;

    let mut urls: Vec<String> = [
        "",
        "/queue",
        "/recent",
        "/dead",
        "/workers",
        "/gateways",
        "/sessions",
        "/doctor",
    ]
    .iter()
    .map(|list| format!("{console}{list}"))
    .collect();
    let queue = page(&client, &urls[1]).await;
    let links = queue.split(r#"href="/console/call?id="#).skip(1);
    let ids = links.filter_map(|rest| rest.split('"').next());
    urls.extend(ids.map(|id| format!("{console}/call?id={id}")));
    urls.push(format!(
        "{console}/queue?tool=%3Cscript%3E%1b%22&worker=%22%3E%3Cb%3E"
    ));
    assert_eq!(urls.len(), 11, "{urls:?}");
    for url in &urls {
        let shown = page(&client, url).await;
        assert_harmless(&shown, url);
        assert!(!shown.contains(&session.id), "{url}: {shown}");
    }
    let shown = page(&client, &urls[1]).await;
    assert!(shown.contains(r"\u{1b}]0;owned\u{7}"), "{shown}");
    assert!(shown.contains("&lt;script&gt;alert(1)"), "{shown}");
    drop(running);
}
