//! The user of `docs/security.md` that only looks may do what `prynai-ops` needs to look, and no more.

use prynai_test_harness::client::{modern, tool};
use prynai_test_harness::cluster::Cluster;
use serde_json::json;

use super::super::redis_setup::documented_user::{acl_log, documented};
use super::{ops, ops_json};

#[tokio::test]
async fn looking_needs_no_more_than_the_documented_user_may() {
    let cluster = Cluster::new().start().await;
    let rules = documented("watcher");
    let set: Vec<&str> = ["ACL", "SETUSER", "watcher"]
        .into_iter()
        .chain(rules.iter().map(String::as_str))
        .collect();
    let _: String = cluster.redis.command(&set).await;
    let port = cluster.redis.port();
    let url = format!("redis://watcher:PASSWORD@127.0.0.1:{port}");
    let (client, gateway) = (&cluster.client, cluster.gateway(0));
    let _session = client.open_session(&gateway).await;
    let mut slow = tool("long_running", json!({ "steps": 1000, "delay_ms": 100 }));
    slow["_meta"]["progressToken"] = json!(1);
    let slow = modern(1, "tools/call", slow);
    let mut events = client.modern(&gateway, &slow).await.events();
    events.expect("notifications/progress").await;
    let queue = ops_json(&url, &["queue"]).await;
    let stream = queue["entries"][0]["stream"].as_str().expect("text");
    for question in [
        &["status"][..],
        &["doctor"],
        &["workers"],
        &["gateways"],
        &["sessions"],
        &["call", stream, "--messages"],
        &["call", "12-0"],
    ] {
        ops(&url, question).await;
    }
    let other = ops(&url, &["--key-prefix", "other:", "queue"]).await;
    assert_eq!(other.status.code(), Some(64), "{}", other.output);
    let denied = acl_log(&cluster.redis).await;
    let wanted_elsewhere = |denied: &serde_json::Value| denied["object"] == "other:{main.0}:group";
    let denied: Vec<_> = denied.iter().filter(|d| !wanted_elsewhere(d)).collect();
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn a_user_who_may_not_look_is_told_so() {
    let cluster = Cluster::new().start().await;
    let set = [
        "ACL",
        "SETUSER",
        "blind",
        "on",
        ">PASSWORD",
        "~*",
        "+@connection",
        "+exists",
    ];
    let _: String = cluster.redis.command(&set).await;
    let port = cluster.redis.port();
    let url = format!("redis://blind:PASSWORD@127.0.0.1:{port}");
    for question in ["status", "queue", "workers", "sessions"] {
        let refused = ops(&url, &[question]).await;
        assert_eq!(refused.status.code(), Some(64), "{}", refused.output);
        let told = "docs/security.md has the list";
        assert!(refused.output.contains(told), "{}", refused.output);
    }
}
