//! What lies in Redis, and what others may have put there.

use std::collections::BTreeSet;
use std::collections::HashMap;
use std::time::{Duration, Instant};

use prynai_bus::ids::{EntryId, OperationId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::WireError;
use prynai_bus::wire::change::Change;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::session::SessionChange;
use prynai_bus::{BeginCall, BusError, BusLimits, Claim, LogState, StateScope};
use prynai_redis_bus::RedisBus;
use prynai_redis_bus::settings::check_url;
use prynai_test_redis::server::{RedisServer, unique_prefix};

use super::catalog::catalog;
use super::scene::{
    LONG_LEASE, Scene, call_ref, claim, claim_one, json, legacy_request, next, redis_dead_letters,
    session,
};

/// The prefix on servers that have one test only.
pub(super) const PREFIX: &str = "fleet-a:";

/// "Within a second", with room for a slow machine.
pub(super) const PROMPT: Duration = Duration::from_millis(1_500);

pub(super) async fn scene_on(server: &RedisServer) -> Scene {
    Scene::on(server, PREFIX, BusLimits::default()).await
}

pub(super) fn queue(prefix: &str) -> String {
    format!("{prefix}{{main.0}}:requests")
}

#[tokio::test]
async fn every_key_and_channel_has_the_prefix() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let _events = scene.events_of(&scene.gateway).await;
    let _signals = scene.workers.signal_news(&scene.worker).await.unwrap();
    let _changes = scene.gateways.change_news().await.unwrap();
    do_everything(&scene).await;

    let keys: Vec<String> = server.command(&["KEYS", "*"]).await;
    assert!(keys.len() > 10, "{keys:?}");
    let channels: Vec<String> = server.command(&["PUBSUB", "CHANNELS", "*"]).await;
    assert!(channels.len() >= 3, "{channels:?}");
    for name in keys.iter().chain(&channels) {
        assert!(name.starts_with(PREFIX), "{name}");
    }
}

/// Leaves something of every kind in Redis.
async fn begin(scene: &Scene, session: &SessionId, stream: StreamId) {
    let request_id = json("1");
    let begin = BeginCall { stream, request_id };
    let owner = Principal::anonymous();
    let touched = scene.gateways.touch_session(session, &owner, Some(&begin));
    let touched = touched.await;
    assert!(touched.unwrap().is_some_and(|touched| touched.has_room));
}

async fn do_everything(scene: &Scene) {
    let id = SessionId::generate();
    scene.gateways.create_session(&session(&id)).await.unwrap();
    let subscribe = SessionChange::Subscribe("test://a".to_owned());
    assert!(
        scene
            .gateways
            .change_session(&id, &subscribe)
            .await
            .unwrap()
    );

    let request = legacy_request(&scene.gateway, &id);
    let claim = scene.claimed(&request).await;
    let call = call_ref(&claim);
    begin(scene, &id, call.stream).await;
    scene.gateways.place_call(&id, &call).await.unwrap();
    scene.say(&claim.ownership(&scene.worker), 1).await;
    scene
        .gateways
        .post_mail(&call.stream, &id, &json("1"))
        .await
        .unwrap();

    scene.respond(&scene.owned().await, 1).await;
    scene.cancel(&scene.owned().await).await;
    let dead = scene.claimed(&scene.request()).await;
    scene.workers.dead_letter(&dead, "hopeless").await.unwrap();
    scene.gateways.enqueue(&scene.request()).await.unwrap();

    scene
        .workers
        .publish_change(&Change::CatalogChanged)
        .await
        .unwrap();
    scene.workers.announce_catalog(&catalog("1")).await.unwrap();
    for scope in [
        StateScope::Global,
        StateScope::Principal("somebody".to_owned()),
        StateScope::Session(id),
    ] {
        scene
            .workers
            .set_state(&scope, "key", "value", None)
            .await
            .unwrap();
        scene
            .workers
            .increment_state(&scope, "count", 1, None, &OperationId::generate())
            .await
            .unwrap();
    }
}

#[tokio::test]
async fn fleets_with_different_prefixes_do_not_see_each_other() {
    let server = RedisServer::start().await;
    let one = scene_on(&server).await;
    let other = Scene::on(&server, "fleet-b:", BusLimits::default()).await;
    do_everything(&one).await;

    assert_eq!(other.depth().await, (0, 0));
    assert_eq!(other.gateways.read_catalog().await.unwrap(), None);
    let read = other.workers.get_state(&StateScope::Global, "key").await;
    assert_eq!(read.unwrap(), None);
}

#[tokio::test]
async fn a_finished_call_leaves_nothing_behind() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let call = async || {
        let owner = scene.owned().await;
        scene.say(&owner, 1).await;
        scene.respond(&owner, 2).await;
        scene.gateways.release(&[owner.stream]).await.unwrap();
    };
    call().await;
    let before: Vec<String> = server.command(&["KEYS", "*"]).await;
    for _ in 0..20 {
        call().await;
    }
    let after: Vec<String> = server.command(&["KEYS", "*"]).await;
    assert_eq!(after.len(), before.len(), "{after:?}");
    let left: usize = server.command(&["XLEN", &queue(PREFIX)]).await;
    assert_eq!(left, 0);
}

#[tokio::test]
async fn an_ended_session_leaves_nothing_behind() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let keys = async || {
        let keys: Vec<String> = server.command(&["KEYS", "*"]).await;
        keys.into_iter().collect::<BTreeSet<_>>()
    };
    let before = keys().await;
    let id = SessionId::generate();
    scene.gateways.create_session(&session(&id)).await.unwrap();
    let call = call_ref(&scene.claimed(&scene.request()).await);
    begin(&scene, &id, call.stream).await;
    scene.gateways.place_call(&id, &call).await.unwrap();
    let scope = StateScope::Session(id.clone());
    for (key, ttl) in [("a", None), ("b", Some(Duration::from_secs(3600)))] {
        let set = scene.workers.set_state(&scope, key, "1", ttl).await;
        set.unwrap();
    }
    for key in keys().await.iter().filter(|key| key.contains(id.as_str())) {
        let life: i64 = server.command(&["PTTL", key]).await;
        assert!(life > 0, "{key} would outlive its session");
    }
    let owner = Principal::anonymous();
    scene.gateways.end_session(&id, &owner).await.unwrap();
    scene.gateways.forget_session(&id).await.unwrap();
    assert_eq!(keys().await, before);
}

#[tokio::test]
async fn the_autoscaler_reads_a_true_lag() {
    let server = RedisServer::shared().await;
    let prefix = unique_prefix();
    let scene = Scene::on(&server, &prefix, BusLimits::default()).await;
    let lag = async || {
        let groups: Vec<HashMap<String, redis::Value>> =
            server.command(&["XINFO", "GROUPS", &queue(&prefix)]).await;
        redis::from_redis_value::<Option<usize>>(groups[0]["lag"].clone()).unwrap()
    };
    let mut owners = Vec::new();
    for _ in 0..3 {
        owners.push(scene.owned().await);
    }
    for waiting in 1..=2 {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
        assert_eq!(lag().await, Some(waiting));
    }
    // Entries are deleted in another order than they came in. (Should the newest delivered one be
    // deleted while an older one runs, Redis 7.0 says "unknown" until the next delivery. The scale
    // rule on running entries covers that.)
    for owner in [&owners[1], &owners[0], &owners[2]] {
        scene.respond(owner, 1).await;
        assert_eq!(lag().await, Some(2));
    }
    claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(lag().await, Some(1));
}

#[tokio::test]
async fn unreadable_entries_become_dead_letters_and_hold_up_nobody() {
    let server = RedisServer::shared().await;
    let prefix = unique_prefix();
    let scene = Scene::on(&server, &prefix, BusLimits::default()).await;
    let queue = queue(&prefix);
    let mut queued = Vec::new();
    for (fields, _) in UNREADABLE {
        let mut add = vec!["XADD", &queue, "*"];
        add.extend(*fields);
        server.command::<String>(&add).await;
        queued.push(scene.gateways.enqueue(&scene.request()).await.unwrap());
    }

    let mut claimed = Vec::new();
    while claimed.len() < queued.len() {
        let claims = claim(&*scene.workers, &scene.worker, 4).await;
        claimed.extend(claims.into_iter().map(|claim| claim.entry));
    }
    assert_eq!(claimed, queued);
    assert_eq!(
        scene.depth().await,
        (0, queued.len()),
        "the others are gone"
    );

    let letters = redis_dead_letters(&server, &prefix).await;
    assert_eq!(letters.len(), UNREADABLE.len(), "{letters:?}");
    for (letter, (_, reason)) in letters.iter().zip(UNREADABLE) {
        assert!(letter.contains(reason), "{letter}");
    }
}

/// Entries that are not of our making, and what is said of them.
const UNREADABLE: &[(&[&str], &str)] = &[
    (&["hello", "world"], "\"v\" is missing"),
    (&["v", "one"], "\"v\" cannot be read"),
    (
        &["v", "1", "stream", "not a stream"],
        "\"stream\" cannot be read",
    ),
];

/// Queues a request as a neighbouring release might: with one field written otherwise.
async fn enqueue_with(server: &RedisServer, request: &RequestEnvelope, field: &str, value: &str) {
    let queue = queue(PREFIX);
    let mut fields = request.to_fields().unwrap();
    let changed = fields.iter_mut().find(|(name, _)| *name == field);
    changed.expect("the field is there").1 = value.to_owned();
    let mut add = vec!["XADD", &queue, "*"];
    add.extend(fields.iter().flat_map(|(name, value)| [*name, value]));
    server.command::<String>(&add).await;
}

/// The event ends its stream with an error that says that the request could not be read.
fn says_unreadable(event: &StreamEvent, request: &RequestEnvelope) {
    assert_eq!(
        (event.stream, event.kind),
        (request.stream, EventKind::Final)
    );
    let message: serde_json::Value = event.message.as_ref().unwrap().read().unwrap();
    assert_eq!(
        message["id"].to_string(),
        request.request_id.as_ref().map_or("", |id| id.as_str())
    );
    assert_eq!(message["error"]["code"], -32603);
}

#[tokio::test]
async fn the_client_of_an_unreadable_request_is_answered() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let id = SessionId::generate();
    let modern = RequestEnvelope {
        request_id: Some(json("12345678901234567890")),
        ..scene.request()
    };
    let legacy = legacy_request(&scene.gateway, &id);
    for (request, session) in [(&modern, None), (&legacy, Some(&id))] {
        enqueue_with(&server, request, "queued", "yesterday").await;
        assert_eq!(claim(&*scene.workers, &scene.worker, 1).await, []);

        let answer = next(&mut events).await;
        says_unreadable(&answer, request);
        let read = scene.gateways.read_log(&request.stream, session, 0).await;
        let log = read.unwrap().expect("the log is there");
        assert_eq!((log.events, log.state), (vec![answer], LogState::Finished));
    }
    assert_eq!(scene.depth().await, (0, 0));
    assert_eq!(redis_dead_letters(&server, PREFIX).await.len(), 2);
}

#[tokio::test]
async fn the_answer_to_an_unreadable_request_follows_what_was_said() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let request = scene.request();
    enqueue_with(&server, &request, "queued", "yesterday").await;
    // A worker of the release that wrote it begins, and dies.
    let (queue, theirs) = (queue(PREFIX), WorkerId::generate());
    let read = ["XREADGROUP", "GROUP", "workers", theirs.as_str()];
    let read = [&read[..], &["STREAMS", &queue, ">"]].concat();
    server.command::<redis::Value>(&read).await;
    let entries: Vec<(String, Vec<String>)> = server.command(&["XRANGE", &queue, "-", "+"]).await;
    let begun = Claim {
        entry: EntryId::from(entries[0].0.as_str()),
        delivery: 1,
        cancelled: false,
        request: request.clone(),
    };
    let said = scene.say(&begun.ownership(&theirs), 1).await;

    let reclaim = scene.workers.reclaim(&scene.worker, Duration::ZERO, 1);
    assert_eq!(reclaim.await.unwrap(), []);
    assert_eq!(next(&mut events).await, said);
    let answer = next(&mut events).await;
    says_unreadable(&answer, &request);
    assert_eq!(answer.offset, 2);
    assert_eq!(scene.depth().await, (0, 0));
}

#[tokio::test]
async fn a_request_of_a_newer_release_is_left_to_its_workers_for_a_while() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let request = scene.request();
    enqueue_with(&server, &request, "v", "2").await;

    assert_eq!(claim(&*scene.workers, &scene.worker, 1).await, []);
    for _ in 0..2 {
        assert_eq!(scene.depth().await, (0, 1), "it is given up too early");
        assert_eq!(redis_dead_letters(&server, PREFIX).await, [""; 0]);
        // Nobody has begun it: for a worker that can read it, it will be the first delivery.
        let pending = ["XPENDING", &queue(PREFIX), "workers", "-", "+", "1"];
        let pending: Vec<(String, String, i64, i64)> = server.command(&pending).await;
        assert_eq!(pending[0].3, 0);

        let other = WorkerId::generate();
        let reclaim = scene.workers.reclaim(&other, LONG_LEASE, 1).await;
        assert_eq!(reclaim.unwrap(), []);
    }
    says_unreadable(&next(&mut events).await, &request);
    assert_eq!(scene.depth().await, (0, 0));
    let letters = redis_dead_letters(&server, PREFIX).await;
    assert!(letters[0].contains("format 2 is newer"), "{letters:?}");
}

#[tokio::test]
async fn a_catalog_of_a_newer_release_is_told_apart() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let announced = catalog("1");
    scene.workers.announce_catalog(&announced).await.unwrap();
    let keys: Vec<String> = server.command(&["KEYS", "*catalog*"]).await;
    let newer = announced.to_json().unwrap().replace("\"v\":1", "\"v\":2");
    server.command::<()>(&["SET", &keys[0], &newer]).await;

    let refused = scene.gateways.read_catalog().await;
    assert!(
        matches!(refused, Err(BusError::Wire(WireError::Newer(2)))),
        "{refused:?}"
    );
}

#[test]
fn a_wrong_url_is_refused_without_being_repeated() {
    for url in [
        "",
        "localhost",
        "http://user:secret@localhost",
        "redis://user:secret@",
        "redis://user:secret@localhost:port",
        "redis://user:secret@localhost:6379/database",
    ] {
        let reason = check_url(url).expect_err(url);
        assert!(!reason.is_empty());
        assert!(!reason.contains("secret"), "{reason}");
    }
    for url in ["redis://localhost", "rediss://user:secret@[::1]:6380/2"] {
        assert_eq!(check_url(url), Ok(()));
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_reported_without_its_password() {
    let mut server = RedisServer::start().await;
    server.stop();
    let url = format!("redis://user:secret@127.0.0.1:{}", server.port());
    let begun = Instant::now();
    let refused = RedisBus::connect(&url, PREFIX, BusLimits::default()).await;
    let error = refused.err().expect("nothing is there");
    assert!(matches!(error, BusError::Unavailable(_)), "{error:?}");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "{error:?}"
    );
    assert!(begun.elapsed() < 2 * PROMPT);
}
