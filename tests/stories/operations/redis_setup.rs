//! The Redis that a fleet is given: what cannot be used is named at the start and later on, over TLS and by Sentinels it is
//! found, and what its user need not be allowed is not needed.

use std::collections::BTreeSet;
use std::path::Path;

use prynai_bus::BusLimits;
use prynai_redis_bus::RedisBus;
use prynai_test_harness::certificates::Certificates;
use prynai_test_harness::client::{RawClient, legacy, modern, tool};
use prynai_test_harness::process::Process;
use prynai_test_redis::sentinels::Sentinels;
use prynai_test_redis::server::{RedisServer, free_port};
use prynai_test_redis::{PATIENCE, assert_eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};

/// A gateway and a worker.
struct Fleet {
    gateway: Process,
    worker: Process,
    origin: String,
    client: RawClient,
}

impl Fleet {
    async fn start(args: &[&str]) -> Self {
        let listen = ["--listen", "127.0.0.1:0"];
        let mut gateway = Process::start("prynai-gateway", &[args, &listen].concat()).await;
        let mut worker =
            Process::start("prynai-worker", &[args, &["--lease", "2s"]].concat()).await;
        let origin = format!("http://{}", gateway.address().await);
        worker.logged("ready").await;
        Self {
            gateway,
            worker,
            origin,
            client: RawClient::new(),
        }
    }

    fn url(&self) -> String {
        format!("{}/mcp", self.origin)
    }

    async fn echoes(&self) -> bool {
        let call = modern(1, "tools/call", tool("echo", json!({ "text": "x" })));
        let reply = self.client.modern(&self.url(), &call).await;
        reply.status() == StatusCode::OK && reply.response().await["result"].is_object()
    }

    /// Why the gateway is not ready; `None` when it is.
    async fn reason(&self) -> Option<String> {
        let url = format!("{}/readyz", self.origin);
        let ready = self.client.get_json(&url).await;
        ready["reason"].as_str().map(str::to_owned)
    }

    fn log(&self) -> String {
        [self.gateway.log(), self.worker.log()].concat().join("\n")
    }
}

/// A process refuses its Redis with exit code 64, in these words and without the password.
async fn is_refused(binary: &str, args: &[&str], words: &[&str]) {
    let listen: &[&str] = match binary {
        "prynai-worker" => &[],
        _ => &["--listen", "127.0.0.1:0"],
    };
    let args = [args, listen].concat();
    // The first process of all waits until the programs are built, which takes longer than any test does.
    Process::run(binary, &["--version"]).await;
    let ended = tokio::time::timeout(PATIENCE, Process::run(binary, &args)).await;
    let ended = ended.unwrap_or_else(|_| panic!("{binary} {args:?} goes on"));
    let output = ended.output;
    assert_eq!(ended.status.code(), Some(64), "{binary} {args:?}: {output}");
    for word in words {
        assert!(output.contains(word), "{binary} {args:?}: {output}");
    }
    assert!(!output.contains("geheim"), "{output}");
}

const BINARIES: [&str; 3] = ["prynai-gateway", "prynai-worker", "prynai-mcp"];

#[tokio::test]
async fn a_wrong_password_is_named_at_the_start() {
    let server = RedisServer::start().await;
    let user = [
        "ACL", "SETUSER", "fleet", "on", ">right", "~*", "&*", "+@all",
    ];
    let _: String = server.command(&user).await;
    let place = format!("127.0.0.1:{}", server.port());
    let wrong = format!("redis://fleet:geheim@{place}");
    for binary in BINARIES {
        is_refused(binary, &["--redis-url", &wrong], &["WRONGPASS"]).await;
    }
    // The last that is asked of it without a password.
    let _: String = server
        .command(&["CONFIG", "SET", "requirepass", "right"])
        .await;
    let none = format!("redis://{place}");
    for binary in BINARIES {
        is_refused(binary, &["--redis-url", &none], &["NOAUTH", &place]).await;
    }
}

#[tokio::test]
async fn a_user_who_may_not_do_what_is_needed_is_named_at_the_start() {
    let server = RedisServer::start().await;
    let user = [
        "ACL", "SETUSER", "fleet", "on", ">geheim", "~*", "&*", "+@all", "-evalsha",
    ];
    let _: String = server.command(&user).await;
    let url = format!("redis://fleet:geheim@127.0.0.1:{}", server.port());
    for binary in BINARIES {
        is_refused(
            binary,
            &["--redis-url", &url],
            &["evalsha", "docs/security.md"],
        )
        .await;
    }
}

#[tokio::test]
async fn a_cluster_of_several_masters_is_refused_and_one_of_a_single_master_serves() {
    let cluster = ["--cluster-enabled", "yes", "--cluster-port"];
    let ports = [free_port(), free_port()].map(|port| port.to_string());
    let one = RedisServer::start_with(&[&cluster[..], &[&ports[0]]].concat()).await;
    let other = RedisServer::start_with(&[&cluster[..], &[&ports[1]]].concat()).await;
    let own = |first: &'static str, last: &'static str| ["CLUSTER", "ADDSLOTSRANGE", first, last];
    let _: String = one.command(&own("0", "8191")).await;
    let _: String = other.command(&own("8192", "16383")).await;
    let port = other.port().to_string();
    let meet = ["CLUSTER", "MEET", "127.0.0.1", &port, &ports[1]];
    let _: String = one.command(&meet).await;
    let is_whole = async |server: &RedisServer| {
        let facts: String = server.command(&["CLUSTER", "INFO"]).await;
        facts.contains("cluster_state:ok") && facts.contains("cluster_slots_assigned:16384")
    };
    for server in [&one, &other] {
        assert_eventually!(is_whole(server).await);
        let words = ["Cluster of several masters", "docs/redis.md"];
        is_refused("prynai-worker", &["--redis-url", &server.url()], &words).await;
    }
    is_refused(
        "prynai-gateway",
        &["--redis-url", &one.url()],
        &["docs/redis.md"],
    )
    .await;

    let port = free_port().to_string();
    let single = RedisServer::start_with(&[&cluster[..], &[&port]].concat()).await;
    let _: String = single.command(&own("0", "16383")).await;
    assert_eventually!(is_whole(&single).await);
    assert!(
        Fleet::start(&["--redis-url", &single.url()])
            .await
            .echoes()
            .await
    );
}

#[tokio::test]
async fn a_sentinel_is_no_redis_and_knows_only_its_masters() {
    let master = RedisServer::start().await;
    let _replica = RedisServer::start_replica_of(&master).await;
    let sentinels = Sentinels::watch(&master).await;
    let url = sentinels.url();
    let first = url.replace("+sentinel", "");
    let first = first.split(',').next().expect("has one");
    is_refused(
        "prynai-worker",
        &["--redis-url", first],
        &["redis+sentinel://"],
    )
    .await;
    let unknown = url.replace("/main", "/other");
    let words = ["knows no master called other"];
    is_refused("prynai-gateway", &["--redis-url", &unknown], &words).await;
}

#[tokio::test]
async fn a_name_without_an_address_is_waited_for_and_named() {
    let listen = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listen.local_addr().expect("is bound").to_string();
    drop(listen);
    let args = [
        "--redis-url",
        "redis://no-such-host.invalid",
        "--listen",
        &address,
    ];
    let mut gateway = Process::start("prynai-gateway", &args).await;
    let told = gateway.logged("Redis is away; waiting for it").await;
    assert!(
        told["reason"]
            .as_str()
            .is_some_and(|r| r.contains("no-such-host.invalid")),
        "{told}"
    );
    let client = RawClient::new();
    let url = format!("http://{address}/readyz");
    let named = async || {
        let asked = client.request("GET", &url).send().await;
        let body = asked.expect("is answered").text().await.expect("is text");
        body.contains("no-such-host.invalid") && body.contains("no address for the name")
    };
    assert_eventually!(named().await);
}

#[tokio::test]
async fn a_password_that_is_changed_later_is_named_in_readyz_and_in_one_line() {
    let server = RedisServer::start().await;
    let mut fleet = Fleet::start(&["--redis-url", &server.url()]).await;
    let admin = redis::Client::open(server.url()).expect("a client");
    let mut admin = admin
        .get_multiplexed_async_connection()
        .await
        .expect("a connection");
    let mut run = async |parts: &[&str]| {
        let mut command = redis::Cmd::new();
        for part in parts {
            command.arg(part);
        }
        let done: redis::RedisResult<redis::Value> = command.query_async(&mut admin).await;
        done.expect("is done");
    };
    run(&["CONFIG", "SET", "requirepass", "geheim"]).await;
    run(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    run(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    let named = async || {
        fleet
            .reason()
            .await
            .is_some_and(|reason| reason.contains("NOAUTH"))
    };
    assert_eventually!(named().await);
    assert!(!fleet.echoes().await);
    let message = "Redis cannot be used as it is set up; trying again";
    fleet.gateway.logged(message).await;
    fleet.worker.logged(message).await;
    run(&["CONFIG", "SET", "requirepass", ""]).await;
    assert_eventually!(fleet.reason().await.is_none());
    assert_eventually!(fleet.echoes().await);
    for process in [&fleet.gateway, &fleet.worker] {
        assert_eq!(process.all_logged(message).len(), 1, "{}", fleet.log());
    }
    assert!(!fleet.log().contains("lost its data"), "{}", fleet.log());
}

/// A server that speaks TLS with a certificate of this authority, and its URL.
async fn tls_server(
    certificates: &Certificates,
    asks_for_certificates: bool,
) -> (RedisServer, String) {
    let [cert, key] = certificates.files(&certificates.issue());
    let port = free_port().to_string();
    let authority = certificates.authority_file();
    let clients = if asks_for_certificates { "yes" } else { "no" };
    let args = [
        ["--tls-port", &port],
        ["--tls-cert-file", &cert],
        ["--tls-key-file", &key],
        ["--tls-ca-cert-file", &authority],
        ["--tls-auth-clients", clients],
    ];
    let server = RedisServer::start_with(args.as_flattened()).await;
    (server, format!("rediss://127.0.0.1:{port}"))
}

#[tokio::test]
async fn redis_over_tls_is_trusted_by_a_file_or_by_the_system() {
    let certificates = Certificates::new();
    let (server, url) = tls_server(&certificates, false).await;
    for binary in BINARIES {
        is_refused(
            binary,
            &["--redis-url", &url],
            &["UnknownIssuer", "--redis-ca"],
        )
        .await;
    }
    let authority = certificates.authority_file();
    let fleet = Fleet::start(&["--redis-url", &url, "--redis-ca", &authority]).await;
    assert!(fleet.echoes().await);

    // This is where the system's store is looked for first.
    let system = [("SSL_CERT_FILE".to_owned(), authority.clone())];
    let mut worker = Process::start_with("prynai-worker", &["--redis-url", &url], &system).await;
    worker.logged("ready").await;

    let args = ["--redis-url", &server.url(), "--redis-ca", &authority];
    is_refused("prynai-gateway", &args, &["--redis-ca", "rediss"]).await;
}

#[tokio::test]
async fn a_process_shows_its_certificate_to_redis_and_a_renewed_one_later() {
    let certificates = Certificates::new();
    let (server, url) = tls_server(&certificates, true).await;
    let authority = certificates.authority_file();
    let trust = ["--redis-url", &url, "--redis-ca", &authority];
    is_refused("prynai-worker", &trust, &["--redis-cert"]).await;
    let [cert, key] = certificates.files(&certificates.issue());
    let half = [&trust[..], &["--redis-cert", &cert]].concat();
    is_refused("prynai-worker", &half, &["--redis-key"]).await;
    let own = [&trust[..], &["--redis-cert", &cert, "--redis-key", &key]].concat();
    let fleet = Fleet::start(&own).await;
    assert!(fleet.echoes().await);

    // A stranger's certificate in the same files, and then one of the authority again.
    let stranger = Certificates::new().issue();
    let renewed = certificates.issue();
    let exchange = |with: &prynai_test_harness::certificates::Issued| {
        std::fs::write(&cert, &with.certificate).expect("is written");
        std::fs::write(&key, &with.key).expect("is written");
    };
    exchange(&stranger);
    let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "normal"]).await;
    assert_eventually!(fleet.reason().await.is_some());
    exchange(&renewed);
    assert_eventually!(fleet.reason().await.is_none());
    assert_eventually!(fleet.echoes().await);
}

#[tokio::test]
async fn a_fleet_follows_real_fail_overs_under_load() {
    let mut first = RedisServer::start().await;
    let second = RedisServer::start_replica_of(&first).await;
    let sentinels = Sentinels::watch(&first).await;
    let fleet = Fleet::start(&["--redis-url", &sentinels.url()]).await;
    let stop = tokio_util::sync::CancellationToken::new();
    let load = async {
        let (mut answered, mut refused) = (0, 0);
        while !stop.is_cancelled() {
            match fleet.echoes().await {
                true => answered += 1,
                false => refused += 1,
            }
        }
        (answered, refused)
    };
    let break_it = async {
        assert_eventually!(fleet.echoes().await);
        first.stop();
        assert_eventually!(second.is_replicated("role:master").await);
        assert_eventually!(fleet.reason().await.is_none());
        assert_eventually!(fleet.echoes().await);
        // The old one is back, as a replica, and becomes the master again.
        first.restart().await;
        assert_eventually!(first.is_replicated("master_link_status:up").await);
        sentinels.fail_over().await;
        assert_eventually!(first.is_replicated("role:master").await);
        assert_eventually!(sentinels.master().await == first.port());
        assert_eventually!(second.is_replicated("role:slave").await);
        assert_eventually!(fleet.reason().await.is_none());
        assert_eventually!(fleet.echoes().await);
        stop.cancel();
    };
    let ((answered, refused), ()) = tokio::join!(load, break_it);
    assert!(
        answered > 2 && refused > 0,
        "{answered} answered, {refused} refused"
    );
    assert!(!fleet.log().contains("lost its data"), "{}", fleet.log());
    let queued = ["XLEN", prynai_test_harness::cluster::QUEUE];
    assert_eventually!(first.command::<i64>(&queued).await == 0);
}

/// The user of `docs/security.md`, as lines of an ACL file.
fn documented_user() -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let text = std::fs::read_to_string(root.join("docs/security.md")).expect("is there");
    let rules = text.split("\nuser fleet ").nth(1).expect("has the user");
    let rules = rules.split("\n```").next().expect("ends");
    rules.split_whitespace().map(str::to_owned).collect()
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
    let cancel = json!({ "jsonrpc": "2.0", "method": "notifications/cancelled", "params": { "requestId": 6 } });
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

async fn acl_log(server: &RedisServer) -> Vec<Value> {
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
async fn the_documented_user_may_run_every_command_of_the_source() {
    let rules: BTreeSet<String> = documented_user().into_iter().collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/redis_bus/src");
    let mut files = vec![folder];
    let mut commands = BTreeSet::new();
    while let Some(path) = files.pop() {
        if path.is_dir() {
            let inside = std::fs::read_dir(&path).expect("is a folder");
            files.extend(inside.map(|entry| entry.expect("is there").path()));
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
                    "xgroup" | "xinfo" => format!("{name}|{part}"),
                    _ => name,
                });
            }
        }
    }
    assert!(commands.len() > 30, "{commands:?}");
    // To the Sentinels, which have users of their own.
    commands.remove("sentinel");
    // The library spells these.
    commands.extend(["hello", "subscribe", "script", "multi", "exec"].map(str::to_owned));
    for command in commands {
        let whole = format!("+{command}");
        let part = format!("+{command}|");
        let is_allowed = rules
            .iter()
            .any(|rule| *rule == whole || rule.starts_with(&part));
        assert!(is_allowed, "{command} is not in docs/security.md");
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

#[tokio::test]
async fn a_replica_is_waited_for_until_it_is_the_master() {
    let master = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&master).await;
    let url = replica.url();
    let refused = RedisBus::connect(&url, "x:", BusLimits::default()).await;
    let reason = refused.err().expect("is refused").to_string();
    assert!(reason.contains("is a replica"), "{reason}");
    let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    let connected = RedisBus::connect(&url, "x:", BusLimits::default()).await;
    assert!(connected.is_ok());
}
