//! A bus that makes certain that tasks are on the disk of Redis.

use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use prynai_bus::ids::StreamId;
use prynai_bus::{BusError, BusLimits, TaskStore};
use prynai_redis_bus::RedisBus;
use prynai_redis_bus::settings::{
    EnvelopeSettings, KeySettings, RedisSettings, RedisSignInSettings, RedisTlsSettings,
    TaskDurability,
};
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::RedisServer;
use tokio::time::{Instant, timeout};

use super::{PREFIX, scene_on};
use crate::scene::Scene;

/// Tasks that wait at the same time: twice what one look at the disk serves.
const WAITING: usize = 2 * 1024;

async fn server(appendfsync: &str) -> RedisServer {
    RedisServer::start_durable_with_waitaof(&["--appendfsync", appendfsync]).await
}

async fn connect(server: &RedisServer) -> Result<Arc<RedisBus>, BusError> {
    let settings = RedisSettings {
        redis_url: server.url().parse().expect("a URL"),
        tls: RedisTlsSettings::default(),
        sign_in: RedisSignInSettings::default(),
        keys: KeySettings {
            key_prefix: PREFIX.to_owned(),
        },
        envelope: EnvelopeSettings::default(),
        task_durability: TaskDurability::Synced,
    };
    RedisBus::connect_as_set(&settings, BusLimits::default()).await
}

async fn sync(server: &RedisServer, appendfsync: &str) {
    let set = ["CONFIG", "SET", "appendfsync", appendfsync];
    let _: String = server.command(&set).await;
}

async fn task_of(scene: &Scene) -> StreamId {
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    owner.stream
}

#[tokio::test]
async fn a_task_is_told_once_it_is_on_disk() {
    let server = server("everysec").await;
    let scene = scene_on(&server).await;
    let bus = connect(&server).await.expect("has a disk");
    let task = task_of(&scene).await;
    assert!(bus.settle(&task).await.expect("is on disk"));
    let never = StreamId::generate();
    assert!(!bus.settle(&never).await.expect("looked"), "it never was");
    let call = scene.owned().await;
    assert!(!bus.settle(&call.stream).await.expect("looked"), "no task");

    // Nobody writes to the disk.
    sync(&server, "no").await;
    let task = task_of(&scene).await;
    let begun = Instant::now();
    let refused = bus.settle(&task).await.expect_err("is not on disk");
    assert!(refused.to_string().contains("appendfsync"), "{refused}");
    assert!(begun.elapsed() < Duration::from_secs(7), "took long");
    sync(&server, "everysec").await;
    assert!(bus.settle(&task).await.expect("is on disk"));
}

#[tokio::test]
async fn many_wait_for_the_disk_together_and_not_too_many() {
    let server = server("everysec").await;
    let scene = scene_on(&server).await;
    let bus = connect(&server).await.expect("has a disk");
    sync(&server, "no").await;
    let task = task_of(&scene).await;
    let first = {
        let bus = bus.clone();
        tokio::spawn(async move { bus.settle(&task).await })
    };
    assert_eventually!(server.clients_waiting_for_disk().await == 1);
    let mut crowd = Vec::new();
    for _ in 0..WAITING {
        let bus = bus.clone();
        crowd.push(tokio::spawn(async move { bus.settle(&task).await }));
    }
    // One connection asks for all of them.
    assert_eq!(server.clients_waiting_for_disk().await, 1);
    sync(&server, "everysec").await;
    let begun = Instant::now();
    let (mut settled, mut refused) = (0, 0);
    for answer in join_all(crowd).await {
        match answer.expect("ends") {
            Ok(there) => settled += usize::from(there),
            Err(BusError::Refused(_)) => refused += 1,
            Err(other) => panic!("{other}"),
        }
    }
    assert!(first.await.expect("ends").expect("is on disk"));
    assert_eq!((settled, refused), (WAITING / 2, WAITING / 2));
    assert!(begun.elapsed() < Duration::from_secs(4), "one by one");
}

#[tokio::test]
async fn who_waits_for_the_disk_outlives_the_connection() {
    let server = server("everysec").await;
    let scene = scene_on(&server).await;
    let bus = connect(&server).await.expect("has a disk");
    sync(&server, "no").await;
    let task = task_of(&scene).await;
    let waiting = tokio::spawn(async move { bus.settle(&task).await });
    assert_eventually!(server.clients_waiting_for_disk().await == 1);
    let _: i64 = server
        .command(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"])
        .await;
    sync(&server, "everysec").await;
    let settled = timeout(Duration::from_secs(4), waiting).await;
    let settled = settled.expect("in time").expect("ends");
    assert!(settled.expect("is on disk"));
}

#[tokio::test]
async fn a_task_that_a_fail_over_lost_is_not_told() {
    let server = server("everysec").await;
    let scene = scene_on(&server).await;
    let bus = connect(&server).await.expect("has a disk");
    let task = task_of(&scene).await;
    let log = format!("{PREFIX}{{main.0}}:log:{task}");
    assert_eq!(server.command::<i64>(&["DEL", &log]).await, 1);
    assert!(!bus.settle(&task).await.expect("looked"));
}

#[tokio::test]
async fn a_redis_that_cannot_say_what_is_on_its_disk_is_refused() {
    let without_file = RedisServer::start_durable_with_waitaof(&["--appendonly", "no"]).await;
    let too_old =
        RedisServer::start_durable_with_waitaof(&["--rename-command", "WAITAOF", ""]).await;
    for server in [without_file, too_old] {
        let Err(BusError::Unusable(reason)) = connect(&server).await else {
            panic!("is used");
        };
        for word in ["--task-durability", "7.2", "appendonly yes"] {
            assert!(reason.contains(word), "{reason}");
        }
    }
    // An operator may set this one right.
    let Err(error) = connect(&server("no").await).await else {
        panic!("is used");
    };
    assert!(error.is_passing(), "{error}");
    assert!(error.to_string().contains("appendfsync"), "{error}");
}
