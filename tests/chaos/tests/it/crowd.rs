//! Many clients at once are served, late rather than refused, and cost only what concerns them.

use futures::future::join_all;
use prynai_bus::wire::change::Change;
use prynai_bus::{BusLimits, ChangeFeed};
use prynai_chaos::scenarios::crowd::{Open, Storm, arrive, come_back};
use prynai_redis_bus::RedisBus;
use prynai_test_harness::cluster::Cluster;

const CLIENTS: usize = 500;
const CONNECTIONS: usize = 100;

/// What a gateway reads of the feed on its own, whoever comes: after each gap of its subscription.
const FEW: u64 = 20;

fn assert_served(storm: &Storm) {
    assert!(storm.is_served(), "{storm}");
    assert!(storm.feed_reads <= FEW, "{storm}");
}

/// Every stream tells of these changes once and in this order.
async fn assert_all_hear(open: &mut [Open], fleet: &Cluster) {
    let url = fleet.redis.url().parse().expect("a URL");
    let bus = RedisBus::connect(&url, "prynai:", BusLimits::default()).await;
    let bus = bus.expect("connects");
    let changes = [
        (Change::ToolsListChanged, "notifications/tools/list_changed"),
        (
            Change::ResourcesListChanged,
            "notifications/resources/list_changed",
        ),
        (
            Change::PromptsListChanged,
            "notifications/prompts/list_changed",
        ),
    ];
    for (change, _) in &changes {
        bus.publish_change(change).await.expect("is published");
    }
    let heard = open.iter_mut().map(async |open| {
        for (_, method) in &changes {
            let message = open.message().await.expect("a message");
            assert_eq!(message["method"], *method);
        }
    });
    let heard = tokio::time::timeout(prynai_test_redis::PATIENCE, join_all(heard)).await;
    heard.expect("all hear of it");
}

#[tokio::test]
async fn a_crowd_is_served_and_comes_back_when_its_gateway_dies() {
    let mut fleet = Cluster::new().gateways(2).start().await;
    let addresses = fleet.addresses();
    let (mut open, arrival) = arrive(&fleet.redis, addresses[0], CLIENTS, CONNECTIONS).await;
    assert_served(&arrival);
    assert_all_hear(&mut open, &fleet).await;
    fleet.gateway_process(0).kill().await;
    let (mut open, back) = come_back(&fleet.redis, addresses[1], open, CONNECTIONS).await;
    assert_served(&back);
    // They were where they had heard everything: nothing is told twice.
    assert_all_hear(&mut open, &fleet).await;
}
