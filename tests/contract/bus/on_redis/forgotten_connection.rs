//! What lies between has forgotten the connection on which a worker waits, and Redis has not: it would hand out there
//! what nobody hears of.

use prynai_bus::ids::WorkerId;
use prynai_bus::{BusLimits, RequestQueue};
use prynai_redis_bus::RedisBus;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::switch::Switch;
use prynai_test_redis::{PATIENCE, assert_eventually, eventually};
use tokio_util::sync::CancellationToken;

use super::{PREFIX, scene_on};
use crate::scene::until_a_read_blocks;

#[tokio::test]
async fn a_worker_that_lost_its_connection_gets_what_comes_next() {
    let server = RedisServer::start().await;
    let way = Switch::start(server.address()).await;
    let url = format!("redis://{}", way.address());
    let url = url.parse().unwrap();
    let workers = RedisBus::connect(&url, PREFIX, BusLimits::default()).await;
    let workers = workers.unwrap();
    let scene = scene_on(&server).await;
    let (worker, never) = (WorkerId::generate(), CancellationToken::new());
    let (lost, ()) = tokio::join!(workers.claim(&worker, 1, PATIENCE, &never), async {
        until_a_read_blocks(&server).await;
        way.forget();
    });
    assert!(lost.is_err(), "{lost:?}");

    let reads = async || -> Vec<String> {
        let clients: String = server.command(&["CLIENT", "LIST"]).await;
        let reads = clients.lines().filter(|line| line.contains("=xreadgroup"));
        let ids = reads.filter_map(|line| line.split(' ').next());
        ids.map(str::to_owned).collect()
    };
    let before = reads().await;
    let claimed = async {
        let claim = || workers.claim(&worker, 1, PATIENCE / 2, &never);
        eventually!(claim().await.ok())
    };
    let (claimed, entry) = tokio::join!(claimed, async {
        let reads_anew = async || reads().await.iter().any(|id| !before.contains(id));
        assert_eventually!(reads_anew().await);
        scene.gateways.enqueue(&scene.request()).await.unwrap()
    });
    assert_eq!(claimed.len(), 1, "it was handed to nobody");
    assert_eq!(claimed[0].entry, entry);
}
