//! A bus with keys: what others put into Redis reaches nobody.

use std::time::Duration;

use prynai_bus::ids::{GatewayId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::visible::Visible;
use prynai_bus::{LogState, Posted, SignalChannel};
use prynai_redis_bus::signature::SIGNATURE;
use prynai_test_redis::server::{RedisServer, unique_prefix};
use redis::Value;
use tokio_util::sync::CancellationToken;

use super::queue;
use crate::scene::{LONG_LEASE, Scene, json, legacy_request, modern_request, redis_dead_letters};

/// A server with two sides that have the same key.
struct Fleet {
    server: std::sync::Arc<RedisServer>,
    prefix: String,
    scene: Scene,
}

impl Fleet {
    async fn new() -> Self {
        Self::with_keys([&["a"], &["a"]]).await
    }

    async fn with_keys(keys: [&[&str]; 2]) -> Self {
        let server = RedisServer::shared().await;
        let prefix = unique_prefix();
        let scene = Scene::signed(&server, &prefix, keys).await;
        Self {
            server,
            prefix,
            scene,
        }
    }

    /// Queues what anybody may.
    async fn put(&self, fields: &[(String, String)]) -> String {
        let queue = queue(&self.prefix);
        let mut add = vec!["XADD", &queue, "*"];
        add.extend(fields.iter().flat_map(|(name, value)| [&**name, value]));
        self.server.command(&add).await
    }

    /// The fields of an entry as a gateway of the fleet queued it; the entry is taken out again.
    async fn genuine(&self, request: &RequestEnvelope) -> Vec<(String, String)> {
        let entry = self.scene.gateways.enqueue(request).await.expect("queued");
        let (queue, entry) = (queue(&self.prefix), entry.as_str());
        let range = ["XRANGE", &queue, entry, entry];
        let mut read: Vec<(String, Vec<(String, String)>)> = self.server.command(&range).await;
        self.server.command::<i64>(&["XDEL", &queue, entry]).await;
        read.remove(0).1
    }

    async fn claim(&self) -> usize {
        let never = CancellationToken::new();
        let claim = self
            .scene
            .workers
            .claim(&self.scene.worker, 9, Duration::ZERO, &never);
        claim.await.expect("claimed").len()
    }

    /// What was put last has become a dead letter, with this reason, and nothing else.
    async fn is_dead_letter(&self, entry: &str, reason: &str) {
        assert_eq!(self.scene.depth().await, (0, 0), "{entry}");
        let letters = redis_dead_letters(&self.server, &self.prefix).await;
        let letter = letters.last().expect("a dead letter");
        assert!(letter.starts_with(&format!("entry {entry} ")), "{letter}");
        assert!(letter.contains(reason), "{letter}");
    }

    /// No log was made: nobody was answered.
    async fn said_nothing(&self) {
        let logs = format!("{}*log:*", self.prefix);
        let logs: Vec<String> = self.server.command(&["KEYS", &logs]).await;
        assert_eq!(logs, [""; 0]);
    }
}

/// A request with every field there is.
fn full(holder: &GatewayId) -> RequestEnvelope {
    RequestEnvelope {
        method: "tools/call".to_owned(),
        name: Some("echo".to_owned()),
        headers: [("x-request-id".to_owned(), "r-1".to_owned())].into(),
        deadline_ms: Some(u64::MAX),
        visible: Some(visible("echo")),
        ..legacy_request(holder, &SessionId::generate())
    }
}

fn visible(name: &str) -> Visible {
    Visible {
        names: [name.to_owned()].into(),
        ..Visible::default()
    }
}

#[tokio::test]
async fn what_a_gateway_signed_is_handed_out_as_it_was() {
    let fleet = Fleet::new().await;
    let scene = &fleet.scene;
    for request in [full(&scene.gateway), modern_request(&scene.gateway)] {
        let claim = scene.claimed(&request).await;
        assert_eq!(claim.request, request);
        scene.respond(&claim.ownership(&scene.worker), 1).await;
    }
    let letters = redis_dead_letters(&fleet.server, &fleet.prefix).await;
    assert_eq!(letters, [""; 0]);
}

#[tokio::test]
async fn no_field_of_a_signed_request_can_be_changed() {
    let fleet = Fleet::new().await;
    let victim = &fleet.scene.gateway;
    let fields = fleet.genuine(&full(victim)).await;
    assert_eq!(fields.len(), 16, "a field that this test does not know");
    let own = full(&GatewayId::from("gw-elsewhere"));
    let other = RequestEnvelope {
        principal: Principal::named("somebody else"),
        era: prynai_bus::wire::request::Era::Modern,
        protocol_version: "2026-07-28".to_owned(),
        method: "tools/list".to_owned(),
        name: Some("add".to_owned()),
        request_id: Some(json("2")),
        headers: [("x-request-id".to_owned(), "r-2".to_owned())].into(),
        queued_at_ms: 1,
        deadline_ms: Some(u64::MAX - 1),
        message: json("{}"),
        visible: Some(visible("add")),
        ..own
    };
    // Each value is replaced by one that is as good, but for the signature.
    let other = fleet.genuine(&other).await;
    for (name, value) in &fields {
        let changed = other.iter().find(|(other, _)| other == name);
        let (_, changed) = changed.expect("is there as well");
        // There is one format only.
        assert!(value != changed || name == "v", "{name}");
        let with = |value: Option<&str>| -> Vec<(String, String)> {
            let kept = fields.iter().filter(|(other, _)| other != name).cloned();
            let value = value.map(|value| (name.clone(), value.to_owned()));
            kept.chain(value).collect()
        };
        let changed = if name == "v" { "0" } else { changed };
        for forged in [Some(changed), Some(""), None] {
            let entry = fleet.put(&with(forged)).await;
            assert_eq!(fleet.claim().await, 0, "{name}: {forged:?}");
            let unsigned = name == SIGNATURE && forged.is_none();
            let reason = if unsigned {
                "not signed"
            } else {
                "not as it was signed"
            };
            fleet.is_dead_letter(&entry, reason).await;
        }
    }
    // A field that a later release may know, and one that stands there twice.
    for added in ["from_a_later_release", "principal", "message", SIGNATURE] {
        let mut forged = fields.clone();
        forged.push((added.to_owned(), fields[0].1.clone()));
        let entry = fleet.put(&forged).await;
        assert_eq!(fleet.claim().await, 0, "{added}");
        fleet.is_dead_letter(&entry, "not as it was signed").await;
    }
    fleet.said_nothing().await;

    fleet.put(&fields).await;
    assert_eq!(fleet.claim().await, 1, "the test forges nothing");
}

#[tokio::test]
async fn a_forged_request_is_not_handed_out_when_its_lease_ends_either() {
    let fleet = Fleet::new().await;
    let mut fields = fleet.genuine(&full(&fleet.scene.gateway)).await;
    for (name, value) in &mut fields {
        if name == "principal" {
            *value = value.replace("anonymous", "root");
        }
    }
    let entry = fleet.put(&fields).await;
    // Of a worker without the key, which then dies.
    let (queue, theirs) = (queue(&fleet.prefix), WorkerId::generate());
    let read = [
        "XREADGROUP",
        "GROUP",
        "workers",
        theirs.as_str(),
        "STREAMS",
        &queue,
        ">",
    ];
    fleet.server.command::<Value>(&read).await;
    let workers = &fleet.scene.workers;
    let reclaimed = workers
        .reclaim(&fleet.scene.worker, Duration::ZERO, 9)
        .await;
    assert_eq!(reclaimed.unwrap(), []);
    fleet.is_dead_letter(&entry, "not as it was signed").await;
    fleet.said_nothing().await;
}

/// A script takes some thousands of values at a time.
#[tokio::test]
async fn a_forged_request_of_any_size_becomes_a_dead_letter() {
    let fleet = Fleet::new().await;
    let pairs = (0..10_000).map(|number| (number.to_string(), "x".to_owned()));
    let entry = fleet.put(&pairs.collect::<Vec<_>>()).await;
    assert_eq!(fleet.claim().await, 0);
    fleet.is_dead_letter(&entry, "not signed").await;
}

#[tokio::test]
async fn a_request_of_another_fleet_is_no_request_of_this_one() {
    let (one, other) = (Fleet::new().await, Fleet::new().await);
    let fields = one.genuine(&full(&one.scene.gateway)).await;
    let entry = other.put(&fields).await;
    assert_eq!(other.claim().await, 0);
    other.is_dead_letter(&entry, "not as it was signed").await;
}

#[tokio::test]
async fn a_key_is_introduced_and_replaced_step_by_step() {
    let steps: [([&[&str]; 2], bool); 9] = [
        // Introduced: gateways first.
        ([&["a"], &[]], true),
        ([&["a"], &["a"]], true),
        ([&[], &["a"]], false),
        // Replaced.
        ([&["a"], &["a", "b"]], true),
        ([&["a", "b"], &["a"]], true),
        ([&["b", "a"], &["a", "b"]], true),
        ([&["b"], &["b", "a"]], true),
        ([&["b"], &["b"]], true),
        ([&["b", "a"], &["a"]], false),
    ];
    for (keys, accepted) in steps {
        let fleet = Fleet::with_keys(keys).await;
        let queued = fleet.scene.gateways.enqueue(&fleet.scene.request()).await;
        assert_eq!(fleet.claim().await, usize::from(accepted), "{keys:?}");
        if !accepted {
            fleet
                .is_dead_letter(queued.unwrap().as_str(), "signed")
                .await;
        }
    }
}

#[tokio::test]
async fn a_request_that_becomes_a_dead_letter_is_noticed_by_its_gateway() {
    let fleet = Fleet::with_keys([&["b"], &["a"]]).await;
    let scene = &fleet.scene;
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    assert!(scene.gateways.is_pending(&entry).await.unwrap());
    assert_eq!(fleet.claim().await, 0);
    assert!(!scene.gateways.is_pending(&entry).await.unwrap());
}

/// Mail that lies with a running call.
async fn posted(fleet: &Fleet, stream: StreamId, text: &str) {
    let mailbox = mailbox(fleet, stream);
    fleet
        .server
        .command::<i64>(&["RPUSH", &mailbox, text])
        .await;
}

fn mailbox(fleet: &Fleet, stream: StreamId) -> String {
    format!("{}{{main.0}}:mail:{stream}", fleet.prefix)
}

#[tokio::test]
async fn a_forged_answer_reaches_no_handler() {
    let fleet = Fleet::new().await;
    let scene = &fleet.scene;
    let mut calls = Vec::new();
    for _ in 0..2 {
        let session = SessionId::generate();
        let request = legacy_request(&scene.gateway, &session);
        let owner = scene.claimed(&request).await.ownership(&scene.worker);
        scene.say(&owner, 1).await;
        calls.push((session, owner));
    }
    let [(session, own), (other_session, other)] = &calls[..] else {
        unreachable!()
    };
    let answer = |action: &str| {
        let id = format!("{}.1.0", own.stream);
        format!(r#"{{"jsonrpc":"2.0","id":"{id}","result":{{"action":"{action}"}}}}"#)
    };
    let post =
        async |bus: &dyn SignalChannel, stream: StreamId, session: &SessionId, text: &str| {
            let posted = bus.post_mail(&stream, session, &json(text)).await;
            assert_eq!(posted.unwrap(), Posted::Accepted);
        };
    // As it is, and as it was signed for another call or changed afterwards.
    let gateways = &*scene.gateways;
    posted(&fleet, own.stream, &answer("accept")).await;
    post(gateways, other.stream, other_session, &answer("accept")).await;
    let there = mailbox(&fleet, other.stream);
    let signed: String = fleet.server.command(&["LPOP", &there]).await;
    posted(&fleet, own.stream, &signed).await;
    post(gateways, own.stream, session, &answer("decline")).await;
    let here = mailbox(&fleet, own.stream);
    let signed: String = fleet.server.command(&["LINDEX", &here, "-1"]).await;
    posted(&fleet, own.stream, &signed.replace("decline", "accept")).await;
    posted(&fleet, own.stream, "nonsense").await;

    let taken = scene.workers.take_mail(own, 0).await.unwrap();
    assert_eq!(taken.messages, [json(&answer("decline"))]);
    let log = scene.gateways.read_log(&own.stream, Some(session), 0).await;
    assert_eq!(log.unwrap().map(|log| log.state), Some(LogState::Open));
}

#[tokio::test]
async fn a_worker_without_a_key_reads_what_is_signed() {
    let fleet = Fleet::with_keys([&["a"], &[]]).await;
    let scene = &fleet.scene;
    let session = SessionId::generate();
    let request = legacy_request(&scene.gateway, &session);
    let claim = scene.claimed(&request).await;
    assert_eq!(claim.request, request);
    let owner = claim.ownership(&scene.worker);
    scene.say(&owner, 1).await;
    let letter = json(r#"{"id":"sig 1"}"#);
    let posted = scene.gateways.post_mail(&owner.stream, &session, &letter);
    assert_eq!(posted.await.unwrap(), Posted::Accepted);
    let taken = scene.workers.take_mail(&owner, 0).await.unwrap();
    assert_eq!(taken.messages, [letter]);
    let handed_back = [owner.entry.clone()];
    let handed_back = scene.workers.hand_back(&scene.worker, &handed_back, true);
    handed_back.await.unwrap();
    let again = scene.workers.reclaim(&scene.worker, LONG_LEASE, 1).await;
    assert_eq!(again.unwrap()[0].request, request);
}

#[tokio::test]
async fn what_a_task_left_and_how_its_handler_names_questions_is_signed() {
    let fleet = Fleet::new().await;
    let scene = &fleet.scene;
    // The names of two questions change places: answers would be for the other one.
    let swapped = "local asked = cmsgpack.unpack(redis.call('HGET', KEYS[1], 'asked')) \
                   asked[2], asked[4] = asked[4], asked[2] \
                   return redis.call('HSET', KEYS[1], 'asked', cmsgpack.pack(asked))";
    for (at, forged) in [
        ("nothing", None),
        ("left", Some(["HSET", "", "left", "what nobody left"])),
        ("names", Some(["EVAL", swapped, "1", ""])),
    ] {
        let task = scene.asking(&["a", "b"]).await;
        let log = format!("{}{{main.0}}:log:{}", fleet.prefix, task.stream);
        if let Some(forged) = forged {
            let command = forged.map(|word| if word.is_empty() { &log } else { word });
            fleet.server.command::<i64>(&command).await;
        }
        scene.answer(&task, &["a", "b"]).await;
        let (_, again) = scene.come_back(&scene.worker).await;
        let inputs = scene.workers.inputs(&again).await;
        assert_eq!(inputs.is_err(), forged.is_some(), "{at}: {inputs:?}");
        scene.respond(&again, 2).await;
    }
}
