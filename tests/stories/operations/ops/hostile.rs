//! What clients say cannot steer the terminal of an operator.

use prynai_test_harness::client::{legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use serde_json::{Value, json};

use super::{ops, ops_json};

const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n\u{202e}<script>|\u{7f}";

/// Printed as they are, these do more than show something.
fn steers(text: &str) -> bool {
    let steering = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    text.chars().any(steering)
}

#[tokio::test]
async fn what_clients_say_is_shown_and_does_nothing() {
    let cluster = Cluster::new()
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let (client, gateway, url) = (&cluster.client, cluster.gateway(0), cluster.redis.url());
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
    cluster.assert_idle().await;
    let mut slow = tool("long_running", json!({ "steps": 1000, "delay_ms": 100 }));
    slow["_meta"]["progressToken"] = json!(HOSTILE);
    let slow = modern(HOSTILE, "tools/call", slow);
    let mut running = client.modern(&gateway, &slow).await.events();
    running.expect("notifications/progress").await;
    let hostile = legacy(HOSTILE, "tools/call", tool(HOSTILE, json!({})));
    let waits = client.legacy(&gateway, &session, &hostile).await;

    let queue = ops_json(&url, &["queue"]).await;
    let entries = queue["entries"].as_array().expect("is a list");
    assert_eq!(entries.len(), 2, "{queue}");
    let name = entries[1]["name"].as_str().expect("text");
    assert!(name.starts_with(r"\u{1b}]0;owned\u{7}"), "{name}");
    let uri = json!({ "uri": "db://me:secret@host/row?key=secret" });
    let read = legacy(8, "resources/read", uri);
    let reads = client.legacy(&gateway, &session, &read).await;
    for named in ["db://host/row", "db://me:secret@host/row?key=secret"] {
        let found = ops_json(&url, &["queue", "--tool", named]).await;
        assert_eq!(found["entries"][0]["name"], "db://host/row", "{found}");
    }
    for entry in entries {
        let stream = entry["stream"].as_str().expect("text");
        for question in [
            &["queue"][..],
            &["status"],
            &["sessions"],
            &["call", stream, "--messages"],
            &["queue", "--tool", HOSTILE],
        ] {
            for form in [&[][..], &["--json"]] {
                let told = ops(&url, &[question, form].concat()).await;
                assert!(told.status.success(), "{question:?}: {}", told.output);
                assert!(!steers(&told.output), "{question:?}: {:?}", told.output);
            }
        }
    }
    let shown = ops(&url, &["queue"]).await.stdout;
    assert!(shown.contains(r"\u{1b}]0;owned\u{7}"), "{shown}");
    drop((running, waits, reads));
}

#[tokio::test]
async fn what_nobody_of_the_fleet_wrote_is_shown_and_does_nothing() {
    let cluster = Cluster::new().start().await;
    let url = cluster.redis.url();
    let deep = "[".repeat(5_000);
    let fields = [
        "entry", "12-0", "reason", HOSTILE, "v", "99", "stream", HOSTILE,
    ];
    let more = [
        "principal",
        &deep,
        "session",
        "{\"id\":3}",
        "method",
        HOSTILE,
        "name",
        "a",
    ];
    let bytes = ["XADD", "prynai:{main.0}:dead", "*", HOSTILE, HOSTILE];
    let add = [&bytes[..], &fields, &more].concat();
    let _: String = cluster.redis.command(&add).await;
    let session = format!("prynai:{{main.0}}:session:{HOSTILE}");
    let set = [
        "HSET",
        &session,
        "v",
        "1",
        "client_info",
        &deep,
        "principal",
        "3",
    ];
    let _: i64 = cluster.redis.command(&set).await;
    for question in [&["call", "12-0"][..], &["sessions"], &["status"]] {
        for form in [&[][..], &["--json"]] {
            let told = ops(&url, &[question, form].concat()).await;
            assert!(told.status.success(), "{question:?}: {}", told.output);
            assert!(!steers(&told.output), "{question:?}: {:?}", told.output);
        }
    }
    let told: Value = ops_json(&url, &["call", "12-0"]).await;
    assert_eq!(told["call"]["dead"]["dead"]["reason"], HOSTILE);
    assert_eq!(told["call"]["dead"]["is_readable"], false);
}
