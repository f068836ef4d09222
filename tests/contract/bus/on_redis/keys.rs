//! What lies in Redis: under one prefix, and no longer than it must.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use prynai_bus::ids::{OperationId, SessionId};
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::change::Change;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::SessionChange;
use prynai_bus::{Bucket, BusLimits, StateScope};
use prynai_test_redis::server::{RedisServer, unique_prefix};

use super::{PREFIX, queue, scene_on};
use crate::catalog::catalog;
use crate::scene::{LONG_LEASE, Scene, call_ref, claim_one, json, legacy_request, session};

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
        let rest = name.strip_prefix(PREFIX);
        let rest = rest.unwrap_or_else(|| panic!("{name} has another prefix"));
        let row = documented().any(|pattern| is_named(rest, pattern));
        assert!(row, "docs/redis.md has no row for {name}");
    }
}

/// The names of keys and channels in the tables of `docs/redis.md`, without the prefix. What is in capital letters
/// stands for something.
fn documented() -> impl Iterator<Item = &'static str> {
    const PAGE: &str = include_str!("../../../../docs/redis.md");
    let rows = PAGE.lines().filter(|line| line.starts_with("| `prynai:"));
    let names = rows.flat_map(|row| row.split(" | ").next().unwrap_or_default().split('`'));
    names.filter_map(|name| name.strip_prefix("prynai:"))
}

fn is_named(name: &str, pattern: &str) -> bool {
    let is_literal = |c: char| !c.is_ascii_uppercase();
    let Some(begin) = pattern.find(|c| !is_literal(c)) else {
        return name == pattern;
    };
    let Some(rest) = name.strip_prefix(&pattern[..begin]) else {
        return false;
    };
    let pattern = pattern[begin..].trim_start_matches(|c| !is_literal(c));
    match pattern.find(|c| !is_literal(c)) {
        None => rest.len() > pattern.len() && rest.ends_with(pattern),
        // The next literal ends what the first capitals stand for.
        Some(end) => rest
            .split_once(&pattern[..end])
            .is_some_and(|(_, rest)| !rest.is_empty()),
    }
}

/// Leaves something of every kind in Redis.
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
    scene.gateways.enqueue_call(&request).await.unwrap();
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    let call = call_ref(&claim);
    scene.say(&claim.ownership(&scene.worker), 1).await;
    scene
        .gateways
        .post_mail(&call.stream, &id, &json("1"))
        .await
        .unwrap();

    let bucket = Bucket {
        name: "few:0123".to_owned(),
        period: Duration::from_secs(60),
        burst: 1,
    };
    scene.gateways.take(&bucket, 1).await.unwrap();
    let record = AuditRecord::new("refused").line().unwrap();
    scene.gateways.note(&[record]).await.unwrap();
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
    let request = legacy_request(&scene.gateway, &id);
    scene.gateways.enqueue_call(&request).await.unwrap();
    let owner = claim_one(&*scene.workers, &scene.worker).await;
    let owner = owner.ownership(&scene.worker);
    let scope = StateScope::Session(id.clone());
    for (key, ttl) in [("a", None), ("b", Some(Duration::from_secs(3600)))] {
        let set = scene.workers.set_state(&scope, key, "1", ttl).await;
        set.unwrap();
    }
    for key in keys().await.iter().filter(|key| key.contains(id.as_str())) {
        let life: i64 = server.command(&["PTTL", key]).await;
        assert!(life > 0, "{key} would outlive its session");
    }
    let caller = Principal::anonymous();
    scene.gateways.end_session(&id, &caller).await.unwrap();
    scene.gateways.forget_session(&id).await.unwrap();
    scene.respond(&owner, 1).await;
    scene.gateways.release(&[owner.stream]).await.unwrap();
    assert_eq!(keys().await, before);
}

#[tokio::test]
async fn a_call_whose_entry_was_deleted_by_hand_is_forgotten() {
    let server = RedisServer::shared().await;
    let prefix = unique_prefix();
    let scene = Scene::on(&server, &prefix, BusLimits::default()).await;
    let id = scene.session().await;
    let deleted = scene.called(&id, "1").await;
    let waiting = scene.called(&id, "2").await;
    let delete = ["XDEL", &queue(&prefix), deleted.entry.as_str()];
    assert_eq!(server.command::<usize>(&delete).await, 1);
    assert_eq!(scene.find(&id, "1").await, Some(deleted));

    let swept = scene.workers.reclaim(&scene.worker, LONG_LEASE, 1).await;
    assert_eq!(swept.unwrap(), []);
    assert_eq!(scene.find(&id, "1").await, None);
    assert_eq!(scene.find(&id, "2").await, Some(waiting));
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
