//! Who takes part in a case, and what they say.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{GatewayId, StreamId, WorkerId};
use prynai_bus::operations::Repairs;
pub(crate) use prynai_bus::testing::{json, legacy_request, modern_request, session};
use prynai_bus::{
    Append, Bus, BusLimits, Claim, Finish, LogState, News, NewsReceiver, Ownership, RequestQueue,
};
use prynai_memory_bus::MemoryBus;
use prynai_redis_bus::settings::{
    EnvelopeSettings, KeySettings, RedisSettings, RedisSignInSettings, RedisTlsSettings,
    TaskDurability,
};
use prynai_redis_bus::{RedisBus, RedisOperations};

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::request::{CallRef, Era, RequestEnvelope};
use prynai_process::secret::Secret;
use prynai_redis_bus::FleetKeys;
use prynai_redis_bus::downstream::DownstreamKeys;
use prynai_redis_bus::sealing::TaskKeys;
use prynai_redis_bus::signature::EnvelopeKeys;
use prynai_test_redis::server::{RedisServer, unique_prefix};
use prynai_test_redis::{PATIENCE, assert_eventually};
use tokio_util::sync::CancellationToken;

/// A lease that does not end within a test.
pub(crate) const LONG_LEASE: Duration = Duration::from_secs(3600);

/// Which bus a case runs against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Redis,
}

/// Both sides of a bus, with one gateway and one worker.
pub(crate) struct Scene {
    /// The bus as gateways have it.
    pub(crate) gateways: Arc<dyn Bus>,
    /// The bus as workers have it.
    pub(crate) workers: Arc<dyn Bus>,
    /// A gateway.
    pub(crate) gateway: GatewayId,
    /// A worker.
    pub(crate) worker: WorkerId,
    store: Store,
}

enum Store {
    Memory(Arc<MemoryBus>),
    Redis(Arc<RedisServer>, String),
    /// A server that the case handles itself.
    OwnRedis {
        url: String,
        prefix: String,
    },
}

// === impl Store ===

impl Store {
    fn own_redis(url: &str, prefix: &str) -> Self {
        Self::OwnRedis {
            url: url.to_owned(),
            prefix: prefix.to_owned(),
        }
    }
}

// === impl Kind ===

impl Kind {
    pub(crate) async fn scene(self) -> Scene {
        self.scene_with(BusLimits::default()).await
    }

    pub(crate) async fn scene_with(self, limits: BusLimits) -> Scene {
        match self {
            Self::Memory => {
                let bus = MemoryBus::new(limits);
                Scene::new(bus.clone(), bus.clone(), Store::Memory(bus))
            }
            Self::Redis => Scene::within(RedisServer::shared().await, limits).await,
        }
    }

    /// A scene that shares its server with no other case.
    pub(crate) async fn secluded_scene(self) -> Scene {
        match self {
            Self::Memory => self.scene().await,
            Self::Redis => {
                let server = Arc::new(RedisServer::start().await);
                Scene::within(server, BusLimits::default()).await
            }
        }
    }
}

// === impl Scene ===

impl Scene {
    fn new(gateways: Arc<dyn Bus>, workers: Arc<dyn Bus>, store: Store) -> Self {
        Self {
            gateways,
            workers,
            gateway: GatewayId::generate(),
            worker: WorkerId::generate(),
            store,
        }
    }

    async fn within(server: Arc<RedisServer>, limits: BusLimits) -> Self {
        let prefix = unique_prefix();
        let scene = Self::on(&server, &prefix, limits).await;
        let store = Store::Redis(server, prefix);
        Self { store, ..scene }
    }

    /// A scene on a server that the case handles itself.
    pub(crate) async fn on(server: &RedisServer, prefix: &str, limits: BusLimits) -> Self {
        Self::at(&server.url(), prefix, limits).await
    }

    /// A scene on whatever the URL leads to.
    pub(crate) async fn at(url: &str, prefix: &str, limits: BusLimits) -> Self {
        let parsed = url.parse().expect("a URL");
        let connect = || RedisBus::connect(&parsed, prefix, limits.clone());
        let gateways = connect().await.expect("the gateways' bus connects");
        let workers = connect().await.expect("the workers' bus connects");
        Self::new(gateways, workers, Store::own_redis(url, prefix))
    }

    /// A scene whose sides have keys, each named by one letter.
    pub(crate) async fn signed(server: &RedisServer, prefix: &str, sides: [&[&str]; 2]) -> Self {
        let signing = |keys: &[Secret]| FleetKeys {
            envelope: EnvelopeKeys::new(keys).expect("keys"),
            ..FleetKeys::default()
        };
        Self::with_keys(
            server,
            prefix,
            sides.map(|letters| signing(&secrets(letters))),
        )
        .await
    }

    /// A scene whose sides have keys that seal tasks, each named by one letter.
    pub(crate) async fn sealed(server: &RedisServer, prefix: &str, sides: [&[&str]; 2]) -> Self {
        let sealing = |keys: &[Secret]| FleetKeys {
            tasks: TaskKeys::new(keys).expect("keys"),
            ..FleetKeys::default()
        };
        Self::with_keys(
            server,
            prefix,
            sides.map(|letters| sealing(&secrets(letters))),
        )
        .await
    }

    /// A scene whose sides have keys that seal tokens for other APIs, each named by one letter.
    pub(crate) async fn downstream(
        server: &RedisServer,
        prefix: &str,
        sides: [&[&str]; 2],
    ) -> Self {
        let sealing = |keys: &[Secret]| FleetKeys {
            downstream: DownstreamKeys::new(keys).expect("keys"),
            ..FleetKeys::default()
        };
        Self::with_keys(
            server,
            prefix,
            sides.map(|letters| sealing(&secrets(letters))),
        )
        .await
    }

    async fn with_keys(
        server: &RedisServer,
        prefix: &str,
        [gateways, workers]: [FleetKeys; 2],
    ) -> Self {
        let url = server.url();
        let parsed = url.parse().expect("a URL");
        let connect = async |keys: FleetKeys| {
            let limits = BusLimits::default();
            let bus = RedisBus::connect_with_keys(&parsed, prefix, limits, keys).await;
            bus.expect("the bus connects")
        };
        let (gateways, workers) = (connect(gateways).await, connect(workers).await);
        Self::new(gateways, workers, Store::own_redis(&url, prefix))
    }

    /// A modern request that the scene's gateway holds.
    pub(crate) fn request(&self) -> RequestEnvelope {
        modern_request(&self.gateway)
    }

    /// Queues a request and lets the scene's worker claim it.
    pub(crate) async fn claimed(&self, request: &RequestEnvelope) -> Claim {
        let entry = self.gateways.enqueue(request).await.expect("enqueued");
        let claim = claim_one(&*self.workers, &self.worker).await;
        assert_eq!(claim.entry, entry, "the queue held another entry before");
        claim
    }

    /// Queues a modern request, lets the scene's worker claim it, and gives its right to write.
    pub(crate) async fn owned(&self) -> Ownership {
        let claim = self.claimed(&self.request()).await;
        claim.ownership(&self.worker)
    }

    /// Lets another worker reclaim an entry after the scene's worker gave it up half done.
    pub(crate) async fn passed_on(&self, from: &Ownership, to: &WorkerId) -> Claim {
        let entries = [from.entry.clone()];
        let handed_back = self.workers.hand_back(&from.worker, &entries, true).await;
        handed_back.expect("handed back");
        let mut claims = self
            .workers
            .reclaim(to, LONG_LEASE, 10)
            .await
            .expect("reclaimed");
        assert_eq!(claims.len(), 1, "{claims:?}");
        claims.remove(0)
    }

    /// Appends a message and expects that it is taken.
    pub(crate) async fn say(&self, owner: &Ownership, offset: u64) -> StreamEvent {
        let event = message(owner.stream, offset);
        let appended = self.workers.append(owner, &event).await.expect("appended");
        assert_eq!(appended, Ok(()), "offset {offset}");
        event
    }

    /// Finishes one request and expects that it is taken.
    pub(crate) async fn respond(&self, owner: &Ownership, offset: u64) -> StreamEvent {
        let event = response(owner.stream, offset);
        let answers = self.workers.finish(&[finish(owner, &event)]).await;
        assert_eq!(answers.expect("finished"), [Ok(())], "offset {offset}");
        event
    }

    /// Cancels a call.
    pub(crate) async fn cancel(&self, owner: &Ownership) {
        let (stream, entry) = (&owner.stream, Some(&owner.entry));
        let cancelled = self.gateways.cancel_call(stream, entry, owner.era).await;
        cancelled.expect("cancelled");
    }

    /// Cancels a request that may or may not be queued.
    pub(crate) async fn cancel_unknown(&self, stream: StreamId) {
        let cancelled = self.gateways.cancel_call(&stream, None, Era::Modern).await;
        cancelled.expect("cancelled");
    }

    /// The events of a gateway, with the first gap taken out.
    pub(crate) async fn events_of(&self, gateway: &GatewayId) -> NewsReceiver<StreamEvent> {
        begun(self.gateways.event_news(gateway).await.expect("subscribed")).await
    }

    /// What lies in the log of a modern stream.
    pub(crate) async fn log(&self, stream: StreamId) -> Option<(Vec<StreamEvent>, LogState)> {
        let read = self.gateways.read_log(&stream, None, 0).await;
        read.expect("read").map(|page| (page.events, page.state))
    }

    /// Entries that wait, and entries that run.
    pub(crate) async fn depth(&self) -> (usize, usize) {
        match &self.store {
            Store::Memory(bus) => bus.queue_depth(),
            Store::Redis(server, prefix) => redis_depth(&server.url(), prefix).await,
            Store::OwnRedis { url, prefix } => redis_depth(url, prefix).await,
        }
    }

    /// Waits until a claim, polled by the same task, waits for an entry. In a scene of
    /// [`Kind::secluded_scene`] only: nobody else's claim may wait on the same server.
    pub(crate) async fn until_a_claim_waits(&self) {
        match &self.store {
            // All that the task polls is polled once before this goes on.
            Store::Memory(_) => tokio::task::yield_now().await,
            Store::Redis(server, _) => until_a_read_blocks(server).await,
            Store::OwnRedis { .. } => panic!("the case looks itself, with until_a_read_blocks"),
        }
    }

    /// The bus as operators have it.
    pub(crate) async fn operations(&self) -> Arc<dyn Repairs> {
        let (url, prefix) = match &self.store {
            Store::Memory(bus) => return bus.clone(),
            Store::Redis(server, prefix) => (server.url(), prefix),
            Store::OwnRedis { url, prefix } => (url.clone(), prefix),
        };
        let settings = RedisSettings {
            redis_url: url.parse().expect("a URL"),
            tls: RedisTlsSettings::default(),
            sign_in: RedisSignInSettings::default(),
            keys: KeySettings {
                key_prefix: prefix.clone(),
            },
            envelope: EnvelopeSettings::default(),
            task_durability: TaskDurability::AsSet,
        };
        let connected = RedisOperations::connect(&settings).await;
        Arc::new(connected.expect("the operators' connection"))
    }

    /// The dead letters, each as one text.
    pub(crate) async fn dead_letters(&self) -> Vec<String> {
        match &self.store {
            Store::Memory(bus) => bus
                .dead_letters()
                .iter()
                .map(|letter| format!("{} {:?}", letter.reason, letter.claim))
                .collect(),
            Store::Redis(server, prefix) => redis_dead_letters(server, prefix).await,
            Store::OwnRedis { .. } => panic!("the case looks itself, with redis_dead_letters"),
        }
    }
}

/// Waits until a worker waits for entries on a server of its own.
pub(crate) async fn until_a_read_blocks(server: &RedisServer) {
    assert_eventually!({
        let clients: String = server.command(&["CLIENT", "LIST"]).await;
        let blocks = |client: &str| client.contains(" flags=b") && client.contains("=xreadgroup");
        clients.lines().any(blocks)
    });
}

/// Entries that wait, and entries that run, as an operator would count them.
async fn redis_depth(url: &str, prefix: &str) -> (usize, usize) {
    let client = redis::Client::open(url).expect("a URL");
    let connection = client.get_multiplexed_async_connection().await;
    let mut connection = connection.expect("connects");
    let queue = format!("{prefix}{{main.0}}:requests");
    // Without its group, a queue has nothing that runs.
    let both = "local pending = redis.pcall('XPENDING', KEYS[1], 'workers')
        return {redis.call('XLEN', KEYS[1]), pending.err and 0 or pending[1]}";
    let mut look = redis::cmd("EVAL");
    look.arg(both).arg(1).arg(&queue);
    let (length, running): (usize, usize) = look.query_async(&mut connection).await.expect("depth");
    (length - running, running)
}

/// Reads the dead letters as an operator would.
pub(crate) async fn redis_dead_letters(server: &RedisServer, prefix: &str) -> Vec<String> {
    let pattern = format!("{prefix}*:dead");
    let keys: Vec<String> = server.command(&["KEYS", &pattern]).await;
    let mut letters = Vec::new();
    for key in keys {
        let found: Vec<(String, Vec<String>)> = server.command(&["XRANGE", &key, "-", "+"]).await;
        letters.extend(found.into_iter().map(|(_, fields)| fields.join(" ")));
    }
    letters
}

/// Where a claimed call is found.
pub(crate) fn call_ref(claim: &Claim) -> CallRef {
    CallRef {
        stream: claim.request.stream,
        entry: claim.entry.clone(),
    }
}

/// A notification.
pub(crate) fn message(stream: StreamId, offset: u64) -> StreamEvent {
    let text = format!(
        r#"{{"jsonrpc":"2.0","method":"notifications/progress","params":{{"progress":{offset}}}}}"#
    );
    StreamEvent::new(stream, offset, EventKind::Message, json(&text))
}

/// A response.
pub(crate) fn response(stream: StreamId, offset: u64) -> StreamEvent {
    let text = r#"{"jsonrpc":"2.0","id":1,"result":{"text":"done"}}"#;
    StreamEvent::new(stream, offset, EventKind::Final, json(text))
}

pub(crate) fn append(owner: &Ownership, events: &[StreamEvent]) -> Append {
    Append {
        ownership: owner.clone(),
        events: events.to_vec(),
    }
}

pub(crate) fn finish(owner: &Ownership, event: &StreamEvent) -> Finish {
    Finish {
        ownership: owner.clone(),
        record: None,
        earlier: Vec::new(),
        event: Some(event.clone()),
    }
}

/// Claims exactly one entry.
pub(crate) async fn claim_one(bus: &dyn RequestQueue, worker: &WorkerId) -> Claim {
    let mut claims = claim(bus, worker, 1).await;
    assert_eq!(claims.len(), 1, "nothing to claim");
    claims.remove(0)
}

/// Claims what waits, waiting long for the first entry.
pub(crate) async fn claim<B: RequestQueue + ?Sized>(
    bus: &B,
    worker: &WorkerId,
    max: usize,
) -> Vec<Claim> {
    let claims = bus
        .claim(worker, max, PATIENCE, &CancellationToken::new())
        .await;
    claims.expect("claimed")
}

/// A subscription whose first message, the gap, was received: from now on it hears everything.
pub(crate) async fn begun<T: std::fmt::Debug + PartialEq>(
    mut news: NewsReceiver<T>,
) -> NewsReceiver<T> {
    let first = tokio::time::timeout(PATIENCE, news.recv()).await;
    assert_eq!(first.expect("the first message"), Some(News::Gap));
    news
}

/// The next item of a subscription that nothing disturbs.
pub(crate) async fn next<T: std::fmt::Debug>(news: &mut NewsReceiver<T>) -> T {
    let received = tokio::time::timeout(PATIENCE, news.recv()).await;
    match received.expect("no news came") {
        Some(News::Item(item)) => item,
        other => panic!("expected an item, got {other:?}"),
    }
}

/// Keys, each named by one letter.
fn secrets(letters: &[&str]) -> Vec<Secret> {
    letters
        .iter()
        .map(|letter| letter.repeat(32).into())
        .collect()
}
