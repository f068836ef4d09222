//! Waiting for the first worker, on a memory bus.

use std::collections::BTreeMap;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::FORMAT;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::KNOCK;
use prynai_bus::{BusLimits, Catalog, ChangeFeed};
use prynai_memory_bus::MemoryBus;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::changes::Changes;

const GRACE: Duration = Duration::from_secs(120);
const LONG: Duration = Duration::from_secs(3600);

struct Scene {
    bus: Arc<MemoryBus>,
    shutdown: Shutdown,
    first: FirstWorker,
    _background: JoinSet<()>,
}

impl Scene {
    async fn new() -> Self {
        let bus = MemoryBus::new(BusLimits::default());
        let mut background = JoinSet::new();
        let news = bus.change_news().await.unwrap();
        let (changes, task) = Changes::new(bus.clone(), news).await.unwrap();
        background.spawn(task);
        let (catalog, task) = CatalogCache::new(bus.clone(), &changes).await.unwrap();
        background.spawn(task);
        let shutdown = Shutdown::new();
        let first = FirstWorker::new(
            GatewayId::generate(),
            bus.clone(),
            catalog,
            Turns::new(),
            shutdown.clone(),
            GRACE,
        );
        Self {
            bus,
            shutdown,
            first,
            _background: background,
        }
    }

    async fn announce(&self) {
        let json = |text| RawJson::parse_str(text).unwrap();
        let record = CatalogRecord {
            v: FORMAT,
            server_info: json("{}"),
            capabilities: json("{}"),
            instructions: None,
            protocol_versions: Vec::new(),
            tools: BTreeMap::new(),
            prompts: Default::default(),
        };
        self.bus.announce_catalog(&record).await.unwrap();
    }

    async fn waiting(&self) -> u64 {
        self.bus.backlog().await.unwrap().waiting
    }
}

#[tokio::test(start_paused = true)]
async fn those_who_wait_knock_once_and_go_on_when_the_first_worker_has_announced() {
    let scene = Scene::new().await;
    let all = (0..MOST_WAITING).map(|_| scene.first.catalog(LONG));
    let mut all = Box::pin(futures::future::try_join_all(all));
    assert!(futures::poll!(&mut all).is_pending());
    let one_more = scene.first.catalog(LONG).await;
    assert!(matches!(one_more, Err(RequestError::Crowded)));
    assert_eq!(scene.waiting().await, 1);
    let (announced, ()) = tokio::join!(all, scene.announce());
    assert_eq!(announced.ok().unwrap().len(), MOST_WAITING);
    assert_eq!(scene.first.waiting.available_permits(), MOST_WAITING);

    let never = CancellationToken::new();
    let worker = WorkerId::generate();
    let knocks = scene.bus.claim(&worker, 9, Duration::ZERO, &never).await;
    let knocks = knocks.unwrap();
    assert_eq!(knocks.len(), 1);
    assert_eq!(knocks[0].request.method, KNOCK);
    assert!(knocks[0].request.deadline_ms < Some(scene.bus.now_ms()));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_longer_than_the_grace_of_the_whole_fleet() {
    let scene = Scene::new().await;
    let begun = Instant::now();
    let refused = scene.first.catalog(LONG).await;
    assert!(matches!(refused, Err(RequestError::NoCatalog)));
    assert!((GRACE..GRACE + GRACE / 10).contains(&begun.elapsed()));
    // The knock is there for so long already.
    let begun = Instant::now();
    let refused = scene.first.catalog(LONG).await;
    assert!(matches!(refused, Err(RequestError::NoCatalog)));
    assert!(begun.elapsed() < GRACE / 10);
    assert_eq!(scene.waiting().await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_no_longer_than_it_may_take() {
    let scene = Scene::new().await;
    let begun = Instant::now();
    let refused = scene.first.catalog(Duration::from_secs(2)).await;
    assert!(matches!(refused, Err(RequestError::NoCatalog)));
    assert!(begun.elapsed() < Duration::from_secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_stops_lets_nobody_wait() {
    let scene = Scene::new().await;
    let waits = scene.first.catalog(LONG);
    tokio::pin!(waits);
    assert!(futures::poll!(&mut waits).is_pending());
    scene.shutdown.begin();
    assert!(matches!(waits.await, Err(RequestError::NoCatalog)));
}

#[tokio::test(start_paused = true)]
async fn a_catalog_that_is_there_is_read_and_nobody_knocks() {
    let scene = Scene::new().await;
    scene.announce().await;
    assert!(scene.first.catalog(LONG).await.is_ok());
    assert_eq!(scene.waiting().await, 0);
}
