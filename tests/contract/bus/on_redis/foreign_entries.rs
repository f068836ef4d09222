//! What others put into Redis, and what another release left there.

use std::time::Duration;

use prynai_bus::ids::{EntryId, SessionId, WorkerId};
use prynai_bus::operations::AuditFrom;
use prynai_bus::wire::WireError;
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{BusError, BusLimits, Claim, LogState};
use prynai_test_redis::server::{RedisServer, unique_prefix};

use super::{PREFIX, queue, scene_on};
use crate::catalog::catalog;
use crate::scene::{LONG_LEASE, Scene, claim, json, legacy_request, next, redis_dead_letters};

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
    changed.expect("the field is there").1 = value.into();
    let mut add = vec!["XADD", &queue, "*"];
    add.extend(fields.iter().flat_map(|(name, value)| [*name, &**value]));
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

#[tokio::test]
async fn whoever_reads_the_audit_gets_past_what_is_no_record() {
    let server = RedisServer::shared().await;
    let prefix = unique_prefix();
    let scene = Scene::on(&server, &prefix, BusLimits::default()).await;
    let audit = format!("{prefix}{{main.0}}:audit");
    for fields in [["what", "is this?"], ["records", "no JSON"]] {
        let add = [&["XADD", &audit, "*"][..], &fields].concat();
        server.command::<String>(&add).await;
    }
    let line = AuditRecord::new("ok").line().expect("JSON");
    scene.gateways.note(&[line]).await.unwrap();
    let operations = scene.operations().await;
    let start = "0-0".into();
    let page = operations.audit(AuditFrom::After(&start)).await.unwrap();
    let readable: Vec<bool> = page.iter().map(|sight| sight.record.is_some()).collect();
    assert_eq!(readable, [false, false, true]);
}
