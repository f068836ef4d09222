//! Redis executes a command, and its caller does not hear of it: the reply is lost with its connection, or comes later
//! than the deadline. Or the command never arrived. The caller cannot tell these apart and asks again, and it ends as
//! if done once.
//!
//! Every operation of every port goes through [`in_every_way`], which hits each of its commands in turn. Left out are
//! subscriptions: Redis answers them with pushes, and their users begin anew after every fault (`on_redis::faults`).

mod owned;
mod queued;
mod sessions;
mod stores;
mod streams;
mod tasks;

use std::cell::Cell;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{SessionId, WorkerId};
use prynai_bus::wire::request::CallRef;
use prynai_bus::{Bus, BusError, BusLimits, Claim, Ownership};
use prynai_process::backoff::Backoff;
use prynai_redis_bus::downstream::DownstreamKeys;
use prynai_redis_bus::{FleetKeys, RedisBus};
use prynai_test_redis::PATIENCE;
use prynai_test_redis::replies::{Mishap, ReplyThief, TOO_LATE};
use prynai_test_redis::server::{RedisServer, unique_prefix};
use tokio_util::sync::CancellationToken;

use crate::scene::{Scene, legacy_request, session};

/// Far more commands than any operation has.
const MOST_COMMANDS: usize = 20;

/// How long a claim waits where it may find nothing.
const BRIEF: Duration = Duration::from_millis(50);

const WINDOW: Duration = Duration::from_secs(3600);

/// A bus whose way to Redis loses replies, beside a scene that Redis always answers.
struct Shaky {
    scene: Scene,
    bus: Arc<dyn Bus>,
    way: ReplyThief,
    server: Arc<RedisServer>,
    prefix: String,
    passing: usize,
    mishap: Mishap,
    /// Whether something is to go wrong, and whether anything has.
    is_planned: Cell<bool>,
    has_happened: Cell<bool>,
}

impl Shaky {
    async fn new(limits: BusLimits, passing: usize, mishap: Mishap) -> Self {
        let server = RedisServer::shared().await;
        let prefix = unique_prefix();
        let way = ReplyThief::start(server.address()).await;
        let url = way.url().parse().expect("a URL");
        let keys = FleetKeys {
            downstream: DownstreamKeys::new(&["k".repeat(32).into()]).expect("a key"),
            ..FleetKeys::default()
        };
        let bus = RedisBus::connect_with_keys(&url, &prefix, limits.clone(), keys).await;
        Self {
            scene: Scene::on(&server, &prefix, limits).await,
            bus: bus.expect("connects"),
            way,
            server,
            prefix,
            passing,
            mishap,
            is_planned: Cell::new(false),
            has_happened: Cell::new(false),
        }
    }

    /// From now on something goes wrong.
    fn hit(&self) {
        self.has_happened.set(self.has_hit());
        self.is_planned.set(true);
        self.way.hit_after(self.passing, self.mishap);
    }

    /// Whether anything went wrong: in a case of several operations, with one of them.
    fn has_hit(&self) -> bool {
        self.has_happened.get() || (self.is_planned.get() && self.way.has_hit())
    }

    /// Does something as callers do: again, while the bus is away. The first attempt is hit.
    async fn done<T, F: Future<Output = Result<T, BusError>>>(&self, attempt: impl Fn() -> F) -> T {
        self.hit();
        self.again(attempt).await
    }

    /// The same, and nothing more goes wrong than was to go wrong before.
    async fn again<T, F: Future<Output = Result<T, BusError>>>(
        &self,
        attempt: impl Fn() -> F,
    ) -> T {
        let mut backoff = Backoff::for_at_most(PATIENCE);
        loop {
            match attempt().await {
                Ok(done) => return done,
                Err(BusError::Unavailable(reason)) => assert!(backoff.pause().await, "{reason}"),
                Err(error) => panic!("{error}"),
            }
        }
    }

    /// Claims with the shaky bus until there is something.
    async fn claims(&self, worker: &WorkerId, max: usize) -> Vec<Claim> {
        self.hit();
        self.more_claims(worker, max).await
    }

    /// The same, and nothing more goes wrong.
    async fn more_claims(&self, worker: &WorkerId, max: usize) -> Vec<Claim> {
        let never = CancellationToken::new();
        prynai_test_redis::eventually!({
            let claims = self.bus.claim(worker, max, BRIEF, &never).await;
            claims.ok().filter(|claims| !claims.is_empty())
        })
    }

    /// What nobody has claimed, claimed now.
    async fn left(&self) -> Vec<Claim> {
        let (worker, never) = (WorkerId::generate(), CancellationToken::new());
        let left = self.scene.workers.claim(&worker, 9, BRIEF, &never).await;
        left.expect("claimed")
    }

    async fn session(&self) -> SessionId {
        let id = SessionId::generate();
        let created = self.scene.gateways.create_session(&session(&id)).await;
        created.expect("created");
        id
    }

    /// A call of a session, with the request id 1.
    async fn called(&self, id: &SessionId) -> CallRef {
        let request = legacy_request(&self.scene.gateway, id);
        let entry = self.scene.gateways.enqueue_call(&request).await;
        CallRef {
            stream: request.stream,
            entry: entry.expect("queued"),
        }
    }

    /// A legacy call that has said something.
    async fn talking(&self, id: &SessionId) -> Ownership {
        let request = legacy_request(&self.scene.gateway, id);
        let owner = self.scene.claimed(&request).await;
        let owner = owner.ownership(&self.scene.worker);
        self.scene.say(&owner, 1).await;
        owner
    }
}

/// Goes through a case with each of its commands hit in turn: it does not arrive, its reply is lost, its reply is late.
async fn in_every_way(limits: BusLimits, case: impl AsyncFn(&Shaky)) {
    for mishap in [Mishap::Unasked, Mishap::Lost, TOO_LATE] {
        let mut passing = 0;
        loop {
            let shaky = Shaky::new(limits.clone(), passing, mishap).await;
            case(&shaky).await;
            if !shaky.has_hit() {
                break;
            }
            passing += 1;
            assert!(passing < MOST_COMMANDS, "{mishap:?}: it has no end");
        }
        assert!(passing > 0, "{mishap:?}: nothing was hit");
    }
}

async fn always(case: impl AsyncFn(&Shaky)) {
    in_every_way(BusLimits::default(), case).await;
}

/// None of them fits into an answer.
fn tiny_pages() -> BusLimits {
    BusLimits {
        page_bytes: 1,
        ..BusLimits::default()
    }
}
