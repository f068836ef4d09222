//! A fleet that is well.

use prynai_test_harness::client::{answering, legacy, modern, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

use super::{GATEWAYS, attention, ops, ops_json, why};

/// A call that tells of its progress for a long time.
fn slow() -> Value {
    let mut call = tool("long_running", json!({ "steps": 1000, "delay_ms": 100 }));
    call["_meta"]["progressToken"] = json!(1);
    call
}

#[tokio::test]
async fn a_call_is_followed_from_the_queue_to_its_end() {
    let cluster = Cluster::new()
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let (client, gateway, url) = (&cluster.client, cluster.gateway(0), cluster.redis.url());
    let session = client.open_session(&gateway).await;
    cluster.assert_idle().await;
    let mut running = client
        .modern(&gateway, &modern(1, "tools/call", slow()))
        .await
        .events();
    for _ in 0..2 {
        running.expect("notifications/progress").await;
    }
    let ask = tool("book_table", json!({ "restaurant": "Roma", "people": 2 }));
    let asked = legacy("t", "tools/call", ask);
    let mut asking = client.legacy(&gateway, &session, &asked).await.events();

    let queue = ops_json(&url, &["queue"]).await;
    let entries = queue["entries"].as_array().expect("is a list").clone();
    assert_eq!(entries.len(), 2, "{queue}");
    assert_eq!(entries[0]["name"], "long_running");
    assert_eq!(entries[0]["lease"]["delivery"], 1);
    assert_eq!(entries[1]["name"], "book_table");
    assert_eq!(entries[1]["session"], session.id[..12]);
    assert!(entries[1]["lease"].is_null(), "{queue}");
    for (filter, names) in [
        (["--state", "waiting"], "book_table"),
        (["--tool", "long_running"], "long_running"),
        (["--session", &session.id], "book_table"),
        (["--session", &session.id[..12]], "book_table"),
    ] {
        let queue = ops_json(&url, &[&["queue"], &filter[..]].concat()).await;
        assert_eq!(queue["entries"][0]["name"], names, "{filter:?}");
        assert_eq!(queue["entries"].as_array().map(Vec::len), Some(1));
    }
    let more = ops_json(&url, &["queue", "--limit", "1"]).await;
    assert_eq!(more["has_more"], true, "{more}");

    // Where there is no terminal it is told once.
    let top = ops(&url, &["top", "--state", "waiting"]).await.stdout;
    assert!(
        top.contains("Nothing needs attention.") && top.contains("book_table"),
        "{top}"
    );

    let [first, second] = [0, 1].map(|at| entries[at]["stream"].as_str().expect("text"));
    let told = why(&url, first).await;
    assert!(told.contains(r#""state":"runs""#), "{told}");
    let told = why(&url, second).await;
    assert!(told.contains(r#""state":"waits""#), "{told}");
    assert!(told.contains("--concurrency"), "{told}");
    // By its entry as well, with the newest of its events.
    let entry = entries[0]["entry"].as_str().expect("text");
    let call = ops_json(&url, &["call", entry, "--events", "2", "--messages"]).await;
    let events = call["events"].as_array().expect("is a list");
    assert_eq!(events.len(), 2, "{call}");
    assert_eq!(events[1]["method"], "notifications/progress");
    assert!(
        events[1]["message"]
            .as_str()
            .is_some_and(|m| m.contains("step"))
    );
    let shown = ops(&url, &["call", entry]).await.stdout;
    assert!(shown.contains("state         runs"), "{shown}");
    assert!(!shown.contains("step"), "{shown}");

    // The connection breaks, so the first call is cancelled; the second runs, and asks.
    drop(running);
    let question = asking.expect("elicitation/create").await;
    let told = why(&url, second).await;
    assert!(told.contains("waits for the answer"), "{told}");
    let sessions = ops_json(&url, &["sessions"]).await;
    assert_eq!(sessions["sessions"][0]["session"], session.id[..12]);
    assert_eq!(sessions["sessions"][0]["calls"], 1, "{sessions}");
    assert_eq!(sessions["sessions"][0]["client"], "raw 1", "{sessions}");
    let nobody = ["sessions", "--principal", "nobody"];
    let nobody = ops_json(&url, &nobody).await;
    assert_eq!(nobody["sessions"], json!([]));

    let answer = json!({ "action": "decline" });
    client
        .legacy(&gateway, &session, &answering(&question["id"], answer))
        .await;
    asking.rest().await;
    let told = eventually!({
        let told = why(&url, second).await;
        told.contains(r#""state":"ended""#).then_some(told)
    });
    assert!(told.contains("ended with a result"), "{told}");
    let gone = "00000000000070008000000000000000";
    let gone = ops(&url, &["call", gone]).await;
    assert_eq!(gone.status.code(), Some(3), "{}", gone.output);
    cluster.assert_idle().await;
    assert_eq!(attention(&url).await, "");
}

#[tokio::test]
async fn the_processes_of_a_fleet_are_told() {
    let cluster = Cluster::new().gateways(2).workers(2).start().await;
    let url = cluster.redis.url();
    // A gateway beats every two seconds.
    assert_eventually!(
        ops_json(&url, &["gateways"]).await["gateways"]
            .as_array()
            .is_some_and(|gateways| gateways.len() == 2)
    );
    for kind in ["gateways", "workers"] {
        let told = ops_json(&url, &[kind]).await;
        let all = told[kind].as_array().expect("is a list");
        assert_eq!(all.len(), 2, "{told}");
        for process in all {
            assert_eq!(process["is_alive"], true, "{told}");
            assert_eq!(process["is_listening"], true, "{told}");
        }
    }
    // However many come and go, a thousand are remembered, for a day.
    let many: Vec<String> = (0..1500).map(|number| format!("gw-{number}")).collect();
    let many = many.iter().flat_map(|name| ["9999999999999", name]);
    let add: Vec<&str> = ["ZADD", GATEWAYS, "1", "gw-old"]
        .into_iter()
        .chain(many)
        .collect();
    let _: i64 = cluster.redis.command(&add).await;
    assert_eventually!(cluster.redis.command::<i64>(&["ZCARD", GATEWAYS]).await == 1000);
    let old = ["ZSCORE", GATEWAYS, "gw-old"];
    assert_eq!(cluster.redis.command::<Option<f64>>(&old).await, None);
    let _: i64 = cluster.redis.command(&["DEL", GATEWAYS]).await;
    let status = ops(&url, &["status"]).await.stdout;
    for line in ["workers       2 alive\n", "gateways      2 alive\n"] {
        assert!(status.contains(line), "{status}");
    }
}

#[tokio::test]
async fn looking_costs_the_fleet_little() {
    let cluster = Cluster::new()
        .worker_args(&["--concurrency", "1"])
        .start()
        .await;
    let (redis, url) = (&cluster.redis, cluster.redis.url());
    let large = "x".repeat(200_000);
    for number in 1..=300 {
        let stream = format!("{number:032x}");
        let add = [
            "XADD",
            "prynai:{main.0}:dead",
            "*",
            "v",
            "1",
            "stream",
            &stream,
            "message",
            &large,
        ];
        let _: String = redis.command(&add).await;
        let session = format!("prynai:{{main.0}}:session:{number:03}{stream}");
        let set = ["HSET", &session, "v", "1", "client_info", &large];
        let _: i64 = redis.command(&set).await;
    }
    let sent = async || {
        let facts: String = redis.command(&["INFO", "stats"]).await;
        let line = facts
            .lines()
            .find_map(|line| line.strip_prefix("total_net_output_bytes:"));
        line.and_then(|bytes| bytes.trim().parse::<u64>().ok())
            .expect("a number")
    };
    let _: String = redis.command(&["CONFIG", "RESETSTAT"]).await;
    let before = sent().await;
    for question in [
        &["status"][..],
        &["queue"],
        &["sessions", "--limit", "1000"],
        &["call", "0000000000000000000000000000000f"],
    ] {
        ops_json(&url, question).await;
    }
    let bytes = sent().await - before;
    assert!(bytes < 500_000, "{bytes} bytes were read");
    let asked: String = redis.command(&["INFO", "commandstats"]).await;
    // No step looks at more than about a megabyte of entries, and there are sixty.
    let steps = asked.split("cmdstat_evalsha_ro:calls=").nth(1);
    let steps = steps.and_then(|rest| rest.split(',').next()?.parse::<u32>().ok());
    assert!(steps > Some(40), "{steps:?}");
    for unbounded in ["keys", "hvals", "smembers"] {
        let line = format!("cmdstat_{unbounded}:");
        assert!(!asked.contains(&line), "{unbounded}: {asked}");
    }
}
