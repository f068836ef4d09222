//! What operators repair on a running fleet, with the Redis user of `docs/security.md`.

use prynai_test_harness::client::{legacy, long_running, modern};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::{assert_eventually, eventually};
use serde_json::{Value, json};

use super::super::redis_setup::documented_user::{acl_log, documented};
use super::{attention, ops, ops_json};

const KEY: &str = "the envelope key of the repaired fleet";

const DEAD: &str = "prynai:{main.0}:dead";

/// The URL of the user who may repair.
async fn operator(cluster: &Cluster) -> String {
    let rules = documented("operator");
    let set: Vec<&str> = ["ACL", "SETUSER", "operator"]
        .into_iter()
        .chain(rules.iter().map(String::as_str))
        .collect();
    let _: String = cluster.redis.command(&set).await;
    format!(
        "redis://operator:PASSWORD@127.0.0.1:{}",
        cluster.redis.port()
    )
}

/// The one dead letter, once it is there.
async fn letter(url: &str) -> Value {
    eventually!({
        let dead = ops_json(url, &["dead", "list"]).await;
        dead["letters"].get(0).cloned()
    })
}

#[tokio::test]
async fn a_call_is_cancelled_and_leaves_nothing() {
    let cluster = Cluster::new().start().await;
    let url = operator(&cluster).await;
    let (client, gateway) = (&cluster.client, cluster.gateway(0));
    let session = client.open_session(&gateway).await;
    let call = legacy(7, "tools/call", long_running(1000, 100));
    let mut events = client.legacy(&gateway, &session, &call).await.events();
    events.expect("notifications/progress").await;
    let queue = ops_json(&url, &["queue", "--tool", "long_running"]).await;
    let entry = queue["entries"][0]["entry"]
        .as_str()
        .expect("text")
        .to_owned();

    // Nobody is there to be asked.
    let unasked = ops(&url, &["cancel", &entry]).await;
    assert_eq!(unasked.status.code(), Some(64), "{}", unasked.output);
    assert!(unasked.output.contains("--yes"), "{}", unasked.output);
    events.expect("notifications/progress").await;

    let cancelled = ops_json(&url, &["cancel", &entry, "--yes"]).await;
    assert_eq!(cancelled["is_removed"], true, "{cancelled}");
    let rest = events.rest().await;
    assert!(rest.iter().all(|message| message["id"] != 7), "{rest:?}");
    let again = ops(&url, &["cancel", &entry, "--yes"]).await;
    assert_eq!(again.status.code(), Some(3), "{}", again.output);
    cluster.assert_idle().await;
    let denied = acl_log(&cluster.redis).await;
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn a_dead_letter_runs_once_more_for_its_own_caller_only() {
    let args = [
        "--lease",
        "1s",
        "--max-attempts",
        "1",
        "--envelope-key",
        KEY,
    ];
    let mut cluster = Cluster::new()
        .workers(2)
        .worker_args(&args)
        .gateway_args(&["--envelope-key", KEY])
        .start()
        .await;
    let url = operator(&cluster).await;
    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    let call = modern(1, "tools/call", long_running(30, 100));
    let mut events = client.modern(&gateway, &call).await.events();
    events.expect("notifications/progress").await;
    let owner = cluster.owners().await.pop().expect("runs");
    let first = cluster.worker_process(0).logged("ready").await;
    let at = usize::from(first["worker"] != owner.as_str());
    cluster.worker_process(at).kill().await;
    let dead = letter(&url).await;
    let name = dead["entry"].as_str().expect("text");
    assert_eq!(dead["name"], "long_running", "{dead}");
    assert_eq!(dead["is_signed"], true, "{dead}");
    let told = events.rest().await;
    let reason = &told.last().expect("a response")["error"]["data"]["reason"];
    assert_eq!(reason, "too_many_attempts", "{told:?}");
    let shown = ops_json(&url, &["dead", "show", name, "--message"]).await;
    let message = shown["message"].as_str().expect("text");
    assert!(message.contains("delay_ms"), "{shown}");

    // Without the key it cannot be signed, and what somebody changed is not signed for him.
    let replay = ["dead", "replay", name, "--yes"];
    let keyless = ops(&url, &replay).await;
    assert_eq!(keyless.status.code(), Some(1), "{}", keyless.output);
    assert!(
        keyless.output.contains("--envelope-key"),
        "{}",
        keyless.output
    );
    let fields: Vec<(String, Vec<String>)> =
        cluster.redis.command(&["XRANGE", DEAD, name, name]).await;
    let mut forged = fields[0].1.clone();
    let principal = forged
        .iter()
        .position(|field| field == "principal")
        .expect("is there");
    forged[principal + 1] = r#"{"subject":"admin"}"#.to_owned();
    let forged: Vec<&str> = forged.iter().map(String::as_str).collect();
    let add = [&["XADD", DEAD, "*"], &forged[..]].concat();
    let copy: String = cluster.redis.command(&add).await;
    let key = ["--envelope-key", KEY];
    let refused = [&["dead", "replay", &copy, "--yes"], &key[..]].concat();
    let refused = ops(&url, &refused).await;
    assert_eq!(refused.status.code(), Some(1), "{}", refused.output);
    assert!(
        refused.output.contains("not as it was signed"),
        "{}",
        refused.output
    );

    let replay = [&replay[..], &["--response"], &key].concat();
    let outcome = ops_json(&url, &replay).await;
    assert_eq!(outcome["state"], "ended", "{outcome}");
    let response = outcome["response"]["message"].as_str().expect("text");
    assert!(response.contains("done after 30 steps"), "{outcome}");
    let again = ops(&url, &replay).await;
    assert_eq!(again.status.code(), Some(3), "{}", again.output);

    let left = ops_json(&url, &["dead", "list"]).await;
    assert_eq!(left["letters"].as_array().map(Vec::len), Some(1), "{left}");
    let unasked = ops(&url, &["dead", "drop", "--all"]).await;
    assert_eq!(unasked.status.code(), Some(64), "{}", unasked.output);
    let dropped = ops_json(&url, &["dead", "drop", "--all", "--yes"]).await;
    assert_eq!(dropped["dropped"], 1, "{dropped}");
    let gone = ops(&url, &["dead", "drop", &copy, "--yes"]).await;
    assert_eq!(gone.status.code(), Some(3), "{}", gone.output);
    assert!(
        ops(&url, &["dead", "list"])
            .await
            .stdout
            .contains("No dead letters.")
    );
    cluster.assert_idle().await;
    let denied = acl_log(&cluster.redis).await;
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn a_drained_worker_ends_after_its_calls() {
    let mut cluster = Cluster::new().start().await;
    let url = operator(&cluster).await;
    let (client, gateway) = (cluster.client.clone(), cluster.gateway(0));
    let call = modern(1, "tools/call", long_running(30, 100));
    let mut events = client.modern(&gateway, &call).await.events();
    events.expect("notifications/progress").await;
    let worker = cluster.owners().await.pop().expect("runs");
    let unknown = ops(&url, &["drain", "wk-none", "--yes"]).await;
    assert_eq!(unknown.status.code(), Some(3), "{}", unknown.output);
    let begun = ops(&url, &["drain", &worker, "--yes", "--wait", "0s", "--json"]).await;
    let at_once = format!("The worker {worker} was told to drain; waiting");
    assert!(begun.output.contains(&at_once), "{}", begun.output);
    let mut begun: Value = serde_json::from_str(&begun.stdout).expect("is JSON");
    // It may not have said so yet.
    begun["is_draining"].take();
    assert_eq!(
        begun,
        json!({ "worker": worker, "has_ended": false, "is_listening": true, "is_draining": null, "running": 1 })
    );
    assert_eventually!(ops_json(&url, &["workers"]).await["workers"][0]["is_draining"] == true);
    let table = ops(&url, &["workers"]).await.stdout;
    assert!(table.contains("draining"), "{table}");
    let (waiting, elsewhere) = (cluster.client.clone(), cluster.gateway(0));
    let call = modern(2, "tools/call", long_running(1, 1));
    let waits = tokio::spawn(async move { waiting.modern(&elsewhere, &call).await.status() });
    assert_eventually!(
        attention(&url)
            .await
            .contains("all workers that live drain, start others")
    );
    waits.abort();
    let drained = ops_json(&url, &["drain", &worker, "--yes"]).await;
    assert_eq!(drained["has_ended"], true, "{drained}");
    let rest = events.rest().await;
    assert!(
        rest.last().is_some_and(|last| last["result"].is_object()),
        "{rest:?}"
    );
    assert!(cluster.worker_process(0).ended().await.success());
    let again = ops(&url, &["drain", &worker, "--yes"]).await;
    assert_eq!(again.status.code(), Some(3), "{}", again.output);
    // Nobody is there any more to remove the one that waited.
    assert_eventually!(cluster.queued().await <= 1);
}
