//! The Redis user of `docs/security.md` may do what a fleet needs, and no more.

use std::collections::BTreeSet;
use std::path::Path;

use prynai_test_harness::client::{legacy, notification, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::server::RedisServer;
use reqwest::StatusCode;
use serde_json::{Value, json};

use super::Fleet;

/// The user of the processes.
fn documented_user() -> Vec<String> {
    documented("fleet")
}

/// A user of `docs/security.md`, as lines of an ACL file.
pub(in super::super) fn documented(user: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/security.md")).expect("is there");
    let rules = text
        .split(&format!("\nuser {user} "))
        .nth(1)
        .expect("has the user");
    let rules = rules.split("\n```").next().expect("ends");
    rules.split_whitespace().map(str::to_owned).collect()
}

/// What `docs/security.md` adds to the user of the fleet, in the line that has this rule.
pub(in super::super) fn added(rule: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/security.md")).expect("is there");
    let lines = text
        .lines()
        .filter_map(|line| line.strip_prefix("ACL SETUSER fleet "));
    let mut lines = lines.map(|line| line.split_whitespace().map(str::to_owned).collect());
    let line = lines.find(|rules: &Vec<String>| rules.iter().any(|one| one == rule));
    line.expect("has the line")
}

async fn with_user(rules: &[String]) -> (RedisServer, String) {
    let server = RedisServer::start().await;
    let set: Vec<&str> = ["ACL", "SETUSER", "fleet"]
        .into_iter()
        .chain(rules.iter().map(String::as_str))
        .collect();
    let _: String = server.command(&set).await;
    let url = format!("redis://fleet:PASSWORD@127.0.0.1:{}", server.port());
    (server, url)
}

/// Does something of every kind, and what a lost worker leaves.
async fn use_everything(fleet: &mut Fleet, args: &[&str]) {
    let (client, url) = (fleet.client.clone(), fleet.url());
    assert!(fleet.echoes().await);
    let session = client.open_session(&url).await;
    let mut stream = client.stream(&url, &session, None).await.events();
    let subscribe = legacy(2, "resources/subscribe", json!({ "uri": "test://watched" }));
    client
        .legacy(&url, &session, &subscribe)
        .await
        .response()
        .await;
    let mut bump = tool("bump_counter", json!({ "name": "acl" }));
    bump["_meta"]["ai.prynai/idempotencyKey"] = json!("key");
    for id in [3, 4] {
        let call = legacy(id, "tools/call", bump.clone());
        let answer = client.legacy(&url, &session, &call).await.response().await;
        assert_eq!(
            answer["result"]["structuredContent"]["value"], 1,
            "{answer}"
        );
    }
    let slow = |id: i32, steps: u32| {
        let mut call = tool("long_running", json!({ "steps": steps, "delay_ms": 20 }));
        call["_meta"]["progressToken"] = json!(id);
        legacy(id, "tools/call", call)
    };
    let progressed = client
        .legacy(&url, &session, &slow(5, 10))
        .await
        .messages()
        .await;
    assert!(progressed.len() > 1, "{progressed:?}");
    let mut cancelled = client.legacy(&url, &session, &slow(6, 1000)).await.events();
    cancelled.expect("notifications/progress").await;
    let cancel = notification("notifications/cancelled", json!({ "requestId": 6 }));
    client.legacy(&url, &session, &cancel).await;

    // A worker is lost, another takes over; the last one stops and hands back.
    let mut lost = client.legacy(&url, &session, &slow(7, 1000)).await.events();
    lost.expect("notifications/progress").await;
    fleet.worker.kill().await;
    let args = [args, &["--lease", "2s", "--drain-timeout", "1s"]].concat();
    fleet.worker = Process::start("prynai-worker", &args).await;
    fleet.worker.logged("ready").await;
    let rest = lost.rest().await;
    assert!(rest.last().is_some_and(|last| last["id"] == 7), "{rest:?}");
    assert!(fleet.echoes().await);
    let mut running = client.legacy(&url, &session, &slow(8, 1000)).await.events();
    running.expect("notifications/progress").await;
    fleet.worker.signal("-TERM");
    fleet.worker.ended().await;
    assert_eq!(
        client.end_session(&url, &session).await,
        StatusCode::NO_CONTENT
    );
    while stream.frame().await.is_some() {}
}

#[tokio::test]
async fn a_fleet_needs_no_more_than_the_documented_user_may() {
    let (server, url) = with_user(&documented_user()).await;
    let args = ["--redis-url", &url];
    let mut fleet = Fleet::start(&args).await;
    use_everything(&mut fleet, &args).await;
    let denied: Vec<Value> = acl_log(&server).await;
    assert!(denied.is_empty(), "{denied:?}");
}

#[tokio::test]
async fn what_is_optional_for_the_user_is_not_needed() {
    let optional = [
        "+info",
        "+config|get",
        "+client|unblock",
        "+client|kill",
        "+cluster|slots",
    ];
    let mut rules = documented_user();
    for command in optional {
        assert!(rules.iter().any(|rule| rule == command), "{command}");
    }
    rules.retain(|rule| !optional.contains(&rule.as_str()));
    let (server, url) = with_user(&rules).await;
    let args = ["--redis-url", &url];
    let mut fleet = Fleet::start(&args).await;
    use_everything(&mut fleet, &args).await;
    for denied in acl_log(&server).await {
        let object = denied["object"].as_str().unwrap_or_default();
        let is_optional = optional
            .iter()
            .any(|command| command[1..].starts_with(object));
        assert!(is_optional && !object.is_empty(), "{denied:?}");
    }
}

pub(in super::super) async fn acl_log(server: &RedisServer) -> Vec<Value> {
    let entries: Vec<Vec<redis::Value>> = server.command(&["ACL", "LOG"]).await;
    let text =
        |value: &redis::Value| redis::from_redis_value::<String>(value.clone()).unwrap_or_default();
    let entries = entries.iter().map(|entry| {
        let facts = entry
            .chunks(2)
            .map(|fact| (text(&fact[0]), json!(text(&fact[1]))));
        Value::Object(facts.collect())
    });
    entries.collect()
}

/// A run meets what it happens to do; this reads the source.
#[tokio::test]
async fn the_documented_users_may_run_every_command_of_the_source() {
    let named = |path: &Path, name: &str| path.file_stem().is_some_and(|stem| stem == name);
    let repairs = |path: &Path| ["repairs", "replay"].iter().any(|name| named(path, name));
    let operates = |path: &Path| {
        path.iter()
            .any(|part| part.to_string_lossy().starts_with("operations"))
    };
    may_run_the_commands("fleet", |path| !operates(path));
    may_run_the_commands("watcher", |path| operates(path) && !repairs(path));
    may_run_the_commands("operator", |path| {
        operates(path) || named(path, "cancel_call")
    });
}

fn may_run_the_commands(user: &str, uses: impl Fn(&Path) -> bool) {
    let mut rules: BTreeSet<String> = documented(user).into_iter().collect();
    if user == "fleet" {
        // A Redis that is older than this command refuses a user that is given it.
        rules.extend(added("+waitaof"));
    }
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/redis_bus/src");
    let mut files = vec![folder];
    let mut commands = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).expect("is a folder");
            files.extend(inside.map(|entry| entry.expect("is there").path()));
            continue;
        }
        if !uses(&path) {
            continue;
        }
        let text = std::fs::read_to_string(&path).expect("is text");
        let is_lua = path.extension().is_some_and(|extension| extension == "lua");
        let begins: &[&str] = if is_lua { &["call('"] } else { &["cmd(\""] };
        for begin in begins {
            for piece in text.split(begin).skip(1) {
                let mut parts = piece.split(['\'', '"']);
                let name = parts.next().expect("ends").to_lowercase();
                let part = parts.nth(1).unwrap_or_default().to_lowercase();
                commands.insert(match name.as_str() {
                    "xgroup" | "xinfo" | "pubsub" => format!("{name}|{part}"),
                    _ => name,
                });
            }
        }
    }
    assert!(commands.len() > 10, "{commands:?}");
    // To the Sentinels, which have users of their own.
    commands.remove("sentinel");
    // Redis asks nobody for a right to say who it is.
    commands.remove("auth");
    // The library spells these.
    commands.extend(["hello", "script"].map(str::to_owned));
    if user == "fleet" {
        assert!(commands.len() > 30, "{commands:?}");
        commands.extend(["subscribe", "multi", "exec"].map(str::to_owned));
    }
    for command in commands {
        let whole = format!("+{command}");
        let part = format!("+{command}|");
        let is_allowed = rules
            .iter()
            .any(|rule| *rule == whole || rule.starts_with(&part));
        assert!(is_allowed, "{command} of {user} is not in docs/security.md");
    }
}

#[tokio::test]
async fn a_worker_that_cannot_claim_is_not_ready() {
    let mut rules = documented_user();
    rules.push("-xreadgroup".to_owned());
    let (server, url) = with_user(&rules).await;
    let mut worker = Process::start("prynai-worker", &["--redis-url", &url]).await;
    let told = worker
        .logged("requests cannot be claimed; trying again")
        .await;
    assert!(
        told["error"]
            .as_str()
            .is_some_and(|e| e.contains("docs/security.md")),
        "{told}"
    );
    assert!(worker.all_logged("ready").is_empty());
    let allow = ["ACL", "SETUSER", "fleet", "+xreadgroup"];
    let _: String = server.command(&allow).await;
    worker.logged("ready").await;
}
