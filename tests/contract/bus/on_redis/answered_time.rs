//! Only time in which Redis answered counts against those who have entries; and there is one clock.

use std::time::{Duration, Instant};

use prynai_bus::RequestQueue;
use prynai_bus::ids::{EntryId, WorkerId};
use prynai_process::clock::unix_millis;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::{assert_eventually, eventually};

use super::{PREFIX, queue, scene_on};
use crate::scene::{Scene, claim_one};

const LEASE: Duration = Duration::from_secs(1);

/// Several leases, and longer than any pause between two looks of a worker. The tests sleep for so long, since nothing
/// must come of it.
const AWAY: Duration = Duration::from_secs(5);

/// What a worker that looks takes over, if Redis answers.
async fn look(bus: &dyn RequestQueue, worker: &WorkerId) -> Vec<EntryId> {
    let found = bus.reclaim(worker, LEASE, 10).await.unwrap_or_default();
    found.into_iter().map(|claim| claim.entry).collect()
}

/// Two entries of the scene's worker, which is there, and of one that was looked at before Redis went away.
async fn owned_by_two(scene: &Scene, lost: &WorkerId) -> [EntryId; 2] {
    for worker in [&scene.worker, lost] {
        scene.workers.renew(worker, LEASE, &[]).await.unwrap();
    }
    let kept = scene.claimed(&scene.request()).await.entry;
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    let given_up = claim_one(&*scene.workers, lost).await.entry;
    assert_eq!(look(&*scene.workers, lost).await, []);
    [kept, given_up]
}

/// The living one keeps what it renews from then on; what the other one had is found as soon as its lease has ended.
async fn only_the_lost_is_found(scene: &Scene, [kept, given_up]: [EntryId; 2]) {
    let looks = WorkerId::generate();
    let first = eventually!(scene.workers.reclaim(&looks, LEASE, 10).await.ok());
    assert_eq!(
        first,
        [],
        "taken over from a worker that could not renew it"
    );
    let found = eventually!({
        let own = [kept.clone()];
        let renewed = scene.workers.renew(&scene.worker, LEASE, &own).await;
        renewed.unwrap();
        let found = look(&*scene.workers, &looks).await;
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found, [given_up]);
}

#[tokio::test]
async fn time_in_which_redis_stands_still_does_not_count() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let lost = WorkerId::generate();
    let entries = owned_by_two(&scene, &lost).await;
    server.freeze();
    // Redis finds this one in front of all others when it goes on.
    let asked = scene.workers.reclaim(&lost, LEASE, 10).await;
    assert!(asked.is_err(), "{asked:?}");
    tokio::time::sleep(AWAY).await;
    server.thaw();
    only_the_lost_is_found(&scene, entries).await;
}

#[tokio::test]
async fn time_in_which_redis_is_gone_does_not_count() {
    let mut server = RedisServer::start_durable().await;
    let scene = scene_on(&server).await;
    let entries = owned_by_two(&scene, &WorkerId::generate()).await;
    server.stop();
    tokio::time::sleep(AWAY).await;
    server.restart().await;
    only_the_lost_is_found(&scene, entries).await;
}

/// Redis answers whoever looks before the owner has its connection again.
#[tokio::test]
async fn who_was_about_to_renew_when_redis_went_has_time_to_come_back() {
    const LEASE: Duration = Duration::from_secs(3);
    const MOST_OF_IT: Duration = Duration::from_millis(1_800);
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let own = [scene.owned().await.entry];
    let renew = || scene.workers.renew(&scene.worker, LEASE, &own);
    renew().await.unwrap();
    let looks = WorkerId::generate();
    let look = || scene.workers.reclaim(&looks, LEASE, 9);
    assert_eq!(look().await.unwrap(), []);
    tokio::time::sleep(MOST_OF_IT).await;
    assert_eq!(look().await.unwrap(), []);
    server.freeze();
    tokio::time::sleep(AWAY).await;
    server.thaw();
    assert_eq!(eventually!(look().await.ok()), []);
    // Together with what had passed before it is more than a lease.
    tokio::time::sleep(MOST_OF_IT).await;
    assert_eq!(look().await.unwrap(), [], "it was given no time");
    renew().await.unwrap();
}

#[tokio::test]
async fn what_was_given_up_before_an_outage_is_found_after_it_at_once() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let [kept, given_up] = owned_by_two(&scene, &WorkerId::generate()).await;
    let own = [kept];
    let handed_back = scene.workers.hand_back(&scene.worker, &own, true);
    handed_back.await.unwrap();
    server.freeze();
    tokio::time::sleep(AWAY).await;
    server.thaw();
    let looks = WorkerId::generate();
    let found = eventually!({
        let found = look(&*scene.workers, &looks).await;
        (!found.is_empty()).then_some(found)
    });
    assert_eq!(found, own);
    let found_later = async || look(&*scene.workers, &looks).await.contains(&given_up);
    assert_eventually!(found_later().await);
}

#[tokio::test]
async fn what_a_lost_group_had_handed_out_waits_for_the_longest_lease() {
    const BRIEF: Duration = Duration::from_millis(100);
    const LONGEST: Duration = Duration::from_secs(5);
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let [kept, given_up] = owned_by_two(&scene, &WorkerId::generate()).await;
    let own = [kept];
    scene
        .workers
        .renew(&scene.worker, LONGEST, &own)
        .await
        .unwrap();
    let destroy = ["XGROUP", "DESTROY", &queue(PREFIX), "workers"];
    let _: i64 = server.command(&destroy).await;
    // Makes the group again.
    let hasty = WorkerId::generate();
    scene.workers.renew(&hasty, BRIEF, &[]).await.unwrap();
    let (begun, mut came_back) = (Instant::now(), false);
    let found = eventually!({
        let found = scene.workers.reclaim(&hasty, BRIEF, 10).await.unwrap();
        // The owner comes long after the hasty one's lease.
        if !came_back && begun.elapsed() > 10 * BRIEF {
            let renewed = scene.workers.renew(&scene.worker, LONGEST, &own).await;
            renewed.unwrap();
            came_back = true;
        }
        if found.is_empty() { None } else { Some(found) }
    });
    assert!(came_back, "taken over after a lease that was nobody's");
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].entry, given_up);
}

#[tokio::test]
async fn a_full_redis_lets_workers_keep_and_take_over_what_runs() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let entries = owned_by_two(&scene, &WorkerId::generate()).await;
    let _: String = server.command(&["CONFIG", "SET", "maxmemory", "1"]).await;
    only_the_lost_is_found(&scene, entries).await;
}

#[tokio::test]
async fn the_clock_of_the_bus_is_that_of_redis() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    for _ in 0..3 {
        let (seconds, _): (u64, u64) = server.command(&["TIME"]).await;
        let told = scene.gateways.now_ms();
        assert!(told.abs_diff(seconds * 1000) < 3_000, "{told}, {seconds} s");
        assert!(told.abs_diff(unix_millis()) < 1_000);
        let life = Duration::from_secs(6);
        let beat = scene.gateways.beat(&scene.gateway, life).await;
        beat.unwrap();
        look(&*scene.workers, &scene.worker).await;
    }
}
