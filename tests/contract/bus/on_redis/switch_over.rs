//! The master changes: behind one address, as Sentinels find it, and with or without all that was written.

use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::{BusLimits, RequestQueue, StateScope};
use prynai_redis_bus::RedisBus;
use prynai_test_redis::sentinels::Sentinels;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::switch::Switch;
use prynai_test_redis::{PATIENCE, assert_eventually, eventually};
use tokio_util::sync::CancellationToken;

use super::PREFIX;
use super::faults::until_gap;
use crate::scene::{Scene, begun, claim_one, next, until_a_read_blocks};

/// A lease that ends while a test looks on.
const BRIEF: Duration = Duration::from_millis(500);

/// A master, its replica, the address of both, and who uses it.
struct Pair {
    master: RedisServer,
    replica: RedisServer,
    address: Switch,
    scene: Scene,
}

impl Pair {
    async fn start() -> Self {
        let master = RedisServer::start().await;
        let replica = RedisServer::start_replica_of(&master).await;
        let address = Switch::start(master.address()).await;
        let url = format!("redis://{}", address.address());
        let scene = Scene::at(&url, PREFIX, BusLimits::default()).await;
        Self {
            master,
            replica,
            address,
            scene,
        }
    }

    /// Plans the change: nothing is lost and no connection is cut.
    async fn hand_over(&self) {
        self.address.lead_to(self.replica.address());
        self.master.hand_over_to(&self.replica).await;
    }

    /// The replica stops following here.
    async fn stop_replication(&self) {
        let _: String = self.replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    }

    /// The master dies.
    fn fail_over(&mut self) {
        self.master.stop();
        self.address.turn_to(self.replica.address());
    }

    async fn serves(&self) {
        assert_eventually!(self.scene.gateways.health().await.is_ok());
        assert_eventually!(self.scene.workers.health().await.is_ok());
    }
}

/// What a worker is given that takes what waits.
async fn claims(bus: &dyn RequestQueue, worker: &WorkerId) -> usize {
    let stop = CancellationToken::new();
    let claimed = eventually!(bus.claim(worker, 9, BRIEF, &stop).await.ok());
    claimed.len()
}

#[tokio::test]
async fn a_demoted_master_is_left_by_every_connection() {
    let pair = Pair::start().await;
    let scene = &pair.scene;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    let owner = scene.owned().await;
    for bus in [&scene.gateways, &scene.workers] {
        bus.get_state(&StateScope::Global, "key").await.unwrap();
    }
    let stop = CancellationToken::new();
    let waiting = async {
        eventually!({
            let claimed = scene.workers.claim(&scene.worker, 1, PATIENCE, &stop).await;
            claimed.ok().filter(|claims| !claims.is_empty())
        })
    };
    let (claimed, entry) = tokio::join!(waiting, async {
        until_a_read_blocks(&pair.master).await;
        pair.hand_over().await;
        eventually!(scene.gateways.enqueue(&scene.request()).await.ok())
    });
    assert_eq!(claimed[0].entry, entry);
    assert_eq!(claimed[0].delivery, 1);
    pair.serves().await;

    let left = async || {
        let clients: String = pair.master.command(&["CLIENT", "LIST"]).await;
        let is_ours = |line: &&str| !line.contains("cmd=client") && !line.contains(" flags=M");
        clients.lines().filter(is_ours).count()
    };
    assert_eventually!(left().await == 0, "connections stay with the old master");
    until_gap(&mut events).await;
    until_gap(&mut signals).await;
    let last = scene.respond(&owner, 1).await;
    assert_eq!(next(&mut events).await, last);
    let running = claimed[0].ownership(&scene.worker);
    scene.cancel(&running).await;
    assert_eq!(next(&mut signals).await.stream, running.stream);
}

#[tokio::test]
async fn what_waits_during_a_planned_switch_over_is_begun_at_once() {
    let pair = Pair::start().await;
    let scene = &pair.scene;
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    pair.hand_over().await;
    pair.serves().await;
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!((claim.entry, claim.delivery), (entry, 1));
}

#[tokio::test]
async fn what_a_lagging_replica_does_not_know_to_be_answered_is_not_begun_again() {
    let mut pair = Pair::start().await;
    let entry = pair.scene.gateways.enqueue(&pair.scene.request()).await;
    let entry = entry.unwrap();
    let known: i64 = pair.master.command(&["WAIT", "1", "10000"]).await;
    assert_eq!(known, 1);
    pair.stop_replication().await;
    let claim = claim_one(&*pair.scene.workers, &pair.scene.worker).await;
    assert_eq!(claim.entry, entry);
    pair.scene
        .respond(&claim.ownership(&pair.scene.worker), 1)
        .await;
    pair.fail_over();

    // A worker that never saw the old master finds it out as well.
    let url = format!("redis://{}", pair.address.address());
    let url = url.parse().unwrap();
    let fresh = eventually!(
        RedisBus::connect(&url, PREFIX, BusLimits::default())
            .await
            .ok()
    );
    let worker = WorkerId::generate();
    assert_eq!(claims(&*fresh, &worker).await, 0, "it would run again");
    pair.serves().await;
    assert_eq!(claims(&*pair.scene.workers, &worker).await, 0);
    let reclaimed = eventually!({
        let reclaimed = fresh.reclaim(&worker, BRIEF, 9).await.unwrap();
        reclaimed.into_iter().next()
    });
    assert_eq!((reclaimed.entry, reclaimed.delivery), (entry, 2));

    // What comes after that is begun as ever.
    let entry = pair
        .scene
        .gateways
        .enqueue(&pair.scene.request())
        .await
        .unwrap();
    let claim = claim_one(&*fresh, &worker).await;
    assert_eq!((claim.entry, claim.delivery), (entry, 1));
}

/// Nobody has lost a connection, and the old master itself says that it was ahead.
#[tokio::test]
async fn what_a_demoted_master_had_ahead_of_its_successor_is_not_begun_again() {
    let pair = Pair::start().await;
    let scene = &pair.scene;
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    let known: i64 = pair.master.command(&["WAIT", "1", "10000"]).await;
    assert_eq!(known, 1);
    pair.stop_replication().await;
    let owner = claim_one(&*scene.workers, &scene.worker).await;
    scene.respond(&owner.ownership(&scene.worker), 1).await;
    pair.address.lead_to(pair.replica.address());
    let port = pair.replica.port().to_string();
    let follow = ["REPLICAOF", "127.0.0.1", &port];
    let _: String = pair.master.command(&follow).await;

    pair.serves().await;
    let worker = WorkerId::generate();
    assert_eq!(
        claims(&*scene.workers, &worker).await,
        0,
        "it would run again"
    );
    let reclaimed = eventually!({
        let reclaimed = scene.workers.reclaim(&worker, BRIEF, 9).await.unwrap();
        reclaimed.into_iter().next()
    });
    assert_eq!((reclaimed.entry, reclaimed.delivery), (entry, 2));
}

#[tokio::test]
async fn a_restart_from_a_file_that_may_lack_the_last_second_begins_nothing_again() {
    let args = ["--appendonly", "yes", "--appendfsync", "everysec"];
    let mut server = RedisServer::start_with(&args).await;
    let scene = Scene::on(&server, PREFIX, BusLimits::default()).await;
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    // While it waits for a slow disk, Redis keeps writes to itself, and would lose this one.
    assert_eventually!({
        let facts: String = server.command(&["INFO", "persistence"]).await;
        facts.contains("aof_buffer_length:0\r")
    });
    server.restart().await;
    assert_eventually!(scene.workers.health().await.is_ok());
    assert_eq!(claims(&*scene.workers, &scene.worker).await, 0);
    let reclaimed = eventually!({
        let reclaimed = scene
            .workers
            .reclaim(&scene.worker, BRIEF, 9)
            .await
            .unwrap();
        reclaimed.into_iter().next()
    });
    assert_eq!((reclaimed.entry, reclaimed.delivery), (entry, 2));
}

#[tokio::test]
async fn the_master_that_sentinels_name_is_followed() {
    let master = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&master).await;
    let mut sentinels = Sentinels::watch(&master).await;
    let scene = Scene::at(&sentinels.url(), PREFIX, BusLimits::default()).await;
    let mut events = scene.events_of(&scene.gateway).await;
    scene.respond(&scene.owned().await, 1).await;
    next(&mut events).await;

    // One Sentinel is dead, and a fail-over is ordered: the old master lives on as a replica.
    sentinels.kill_first();
    sentinels.fail_over().await;
    assert_eventually!(replica.is_replicated("role:master").await);
    assert_eventually!(master.is_replicated("role:slave").await);
    assert_eventually!(scene.gateways.health().await.is_ok());
    assert_eventually!(scene.workers.health().await.is_ok());
    until_gap(&mut events).await;
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    let queue = super::queue(PREFIX);
    let queued: i64 = replica.command(&["XLEN", &queue]).await;
    assert_eq!(queued, 1);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(claim.entry, entry);
    let last = scene.respond(&claim.ownership(&scene.worker), 1).await;
    assert_eq!(next(&mut events).await, last);
}
