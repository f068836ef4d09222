//! Another Redis becomes the master.

use prynai_bus::BusLimits;
use prynai_redis_bus::RedisBus;
use prynai_test_redis::assert_eventually;
use prynai_test_redis::sentinels::Sentinels;
use prynai_test_redis::server::RedisServer;

use super::Fleet;

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
    assert!(answered > 2, "{answered} answered, {refused} refused");
    // None is refused when one call is on its way while the master is away: its answer comes afterwards.
    assert!(fleet.log().contains("the connection to Redis is lost"));
    assert!(!fleet.log().contains("lost its data"), "{}", fleet.log());
    let queued = ["XLEN", prynai_test_harness::cluster::QUEUE];
    assert_eventually!(first.command::<i64>(&queued).await == 0);
}

#[tokio::test]
async fn a_replica_is_waited_for_until_it_is_the_master() {
    let master = RedisServer::start().await;
    let replica = RedisServer::start_replica_of(&master).await;
    let url = replica.url().parse().expect("a URL");
    let refused = RedisBus::connect(&url, "x:", BusLimits::default()).await;
    let reason = refused.err().expect("is refused").to_string();
    assert!(reason.contains("is a replica"), "{reason}");
    let _: String = replica.command(&["REPLICAOF", "NO", "ONE"]).await;
    let connected = RedisBus::connect(&url, "x:", BusLimits::default()).await;
    assert!(connected.is_ok());
}
