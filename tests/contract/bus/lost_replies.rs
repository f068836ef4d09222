//! Redis executes a command, and its caller does not hear of it: the reply is lost with its connection, or later than the
//! deadline. Or the command never arrived. The caller cannot tell these apart and asks again, and it ends as if done once.
//!
//! Every operation of every port goes through [`in_every_way`], which hits each of its commands in turn. Left out are
//! subscriptions: Redis answers them with pushes, and their users begin anew after every fault (`redis_faults`).

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{OperationId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::session::SessionChange;
use prynai_bus::{
    BeginCall, BegunCall, Bus, BusError, BusLimits, Catalog, ChangeFeed, Claim, EventLog, KeyState,
    KeyUse, Liveness, LogState, OutcomeStore, Ownership, Placed, Posted, RequestQueue,
    SessionStore, SignalChannel, StateScope, StateStore, TakeOver,
};
use prynai_process::backoff::Backoff;
use prynai_redis_bus::RedisBus;
use prynai_test_redis::PATIENCE;
use prynai_test_redis::replies::{Mishap, ReplyThief, TOO_LATE};
use prynai_test_redis::seed::Seed;
use prynai_test_redis::server::{RedisServer, unique_prefix};
use tokio_util::sync::CancellationToken;

use super::catalog::catalog;
use super::scene::{
    LONG_LEASE, Scene, call_ref, claim_one, finish, json, legacy_request, message, next,
    redis_dead_letters, response, session,
};

/// Far more commands than any operation has.
const MOST_COMMANDS: usize = 20;

/// How long a claim waits where it may find nothing.
const BRIEF: Duration = Duration::from_millis(50);

const WINDOW: Duration = Duration::from_secs(3600);

/// A bus whose way to Redis loses replies, beside a scene that Redis always answers.
struct Shaky {
    scene: Scene,
    bus: Arc<RedisBus>,
    way: ReplyThief,
    server: Arc<RedisServer>,
    prefix: String,
    passing: usize,
    mishap: Mishap,
}

impl Shaky {
    async fn new(limits: BusLimits, passing: usize, mishap: Mishap) -> Self {
        let server = RedisServer::shared().await;
        let prefix = unique_prefix();
        let way = ReplyThief::start(server.address()).await;
        let bus = RedisBus::connect(&way.url(), &prefix, limits.clone()).await;
        Self {
            scene: Scene::on(&server, &prefix, limits).await,
            bus: bus.expect("connects"),
            way,
            server,
            prefix,
            passing,
            mishap,
        }
    }

    /// From now on something goes wrong.
    fn hit(&self) {
        self.way.hit_after(self.passing, self.mishap);
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

    /// A call of a session that is not placed yet.
    async fn begun(&self, id: &SessionId) -> BeginCall {
        let begin = BeginCall {
            stream: StreamId::generate(),
            request_id: json("1"),
        };
        let owner = Principal::anonymous();
        let touched = self.scene.gateways.touch_session(id, &owner, Some(&begin));
        let touched = touched.await.expect("touched");
        assert!(touched.is_some_and(|touched| touched.has_room));
        begin
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
            if !shaky.way.has_hit() {
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

// Request queue

#[tokio::test]
async fn a_request_is_queued_once_or_never_begun() {
    always(async |shaky| {
        let request = shaky.scene.request();
        shaky.hit();
        let queued = shaky.bus.enqueue(&request).await;
        let claims = shaky.left().await;
        match queued {
            Ok(entry) => {
                assert_eq!(claims.len(), 1, "{claims:?}");
                assert_eq!((&claims[0].entry, claims[0].cancelled), (&entry, false));
            }
            Err(BusError::Unavailable(_)) => assert!(claims.iter().all(|c| c.cancelled)),
            Err(error) => panic!("{error}"),
        }
        if shaky.mishap != Mishap::Unasked || !shaky.way.has_hit() {
            assert_eq!(claims.len(), 1, "it was queued and is found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_request_that_was_answered_meanwhile_is_found() {
    let shaky = Shaky::new(BusLimits::default(), 0, TOO_LATE).await;
    let request = shaky.scene.request();
    shaky.hit();
    let (queued, owner) = tokio::join!(shaky.bus.enqueue(&request), async {
        let claim = claim_one(&*shaky.scene.workers, &shaky.scene.worker).await;
        let owner = claim.ownership(&shaky.scene.worker);
        shaky.scene.respond(&owner, 1).await;
        owner
    });
    assert_eq!(queued.unwrap(), owner.entry);
}

#[tokio::test]
async fn a_request_of_which_nobody_knows_is_told_and_can_be_withdrawn() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let request = shaky.scene.request();
    shaky.way.hit_one_in(1, Seed::new(1));
    let queued = shaky.bus.enqueue(&request).await;
    assert!(matches!(queued, Err(BusError::Unanswered(_))), "{queued:?}");
    shaky.way.stop();
    shaky.scene.cancel_unknown(request.stream).await;
    assert!(shaky.left().await.iter().all(|claim| claim.cancelled));
}

#[tokio::test]
async fn what_a_lost_read_handed_out_is_claimed() {
    always(async |shaky| {
        let worker = WorkerId::generate();
        let mut expected = BTreeSet::new();
        for _ in 0..2 {
            let entry = shaky.scene.gateways.enqueue(&shaky.scene.request()).await;
            expected.insert(entry.unwrap());
        }
        let claims = shaky.claims(&worker, 2).await;
        let claimed: BTreeSet<_> = claims.iter().map(|claim| claim.entry.clone()).collect();
        assert_eq!((claims.len(), claimed), (2, expected));
        assert!(claims.iter().all(|claim| claim.delivery == 1));
        assert_eq!(shaky.scene.depth().await, (0, 2));

        let never = CancellationToken::new();
        let claim = || shaky.bus.claim(&worker, 2, BRIEF, &never);
        let again = shaky.again(claim).await;
        assert_eq!(again, [], "a request is begun twice");
        for claim in &claims {
            let owner = claim.ownership(&worker);
            shaky.scene.respond(&owner, 1).await;
        }
    })
    .await;
}

/// None of them fits into an answer.
fn tiny_pages() -> BusLimits {
    BusLimits {
        page_bytes: 1,
        ..BusLimits::default()
    }
}

#[tokio::test]
async fn what_a_lost_read_handed_out_is_claimed_in_parts() {
    in_every_way(tiny_pages(), async |shaky| {
        let worker = WorkerId::generate();
        let mut expected = Vec::new();
        for _ in 0..3 {
            let entry = shaky.scene.gateways.enqueue(&shaky.scene.request()).await;
            expected.push(entry.unwrap());
        }
        let mut claimed = Vec::new();
        while claimed.len() < 3 {
            let claims = match claimed.is_empty() {
                true => shaky.claims(&worker, 3).await,
                false => shaky.more_claims(&worker, 3).await,
            };
            claimed.extend(claims.into_iter().map(|claim| claim.entry));
        }
        assert_eq!(claimed, expected, "each once");
    })
    .await;
}

#[tokio::test]
async fn what_a_lost_reclaim_took_is_given_again_in_parts() {
    in_every_way(tiny_pages(), async |shaky| {
        let (mut expected, worker) = (Vec::new(), WorkerId::generate());
        for _ in 0..3 {
            let from = shaky.scene.owned().await;
            let entries = [from.entry.clone()];
            let given_up = shaky.scene.workers.hand_back(&from.worker, &entries, true);
            given_up.await.unwrap();
            expected.extend(entries);
        }
        shaky.hit();
        let mut reclaimed = Vec::new();
        loop {
            let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
            let claims = shaky.again(reclaim).await;
            if claims.is_empty() {
                break;
            }
            assert_eq!(claims.len(), 1, "{claims:?}");
            assert_eq!(claims[0].delivery, 2);
            reclaimed.extend(claims.into_iter().map(|claim| claim.entry));
        }
        assert_eq!(reclaimed, expected, "each once");
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_stops_still_gets_what_a_lost_read_handed_out() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let (worker, stop) = (WorkerId::generate(), CancellationToken::new());
    let bus = &shaky.scene.gateways;
    let first = bus.enqueue(&shaky.scene.request()).await.unwrap();
    let read = shaky.bus.claim(&worker, 1, BRIEF, &stop).await.unwrap();
    assert_eq!(read[0].entry, first);

    let entry = bus.enqueue(&shaky.scene.request()).await.unwrap();
    shaky.hit();
    assert!(shaky.bus.claim(&worker, 1, BRIEF, &stop).await.is_err());
    stop.cancel();
    let owed = prynai_test_redis::eventually!(
        shaky
            .bus
            .claim(&worker, 1, Duration::ZERO, &stop)
            .await
            .ok()
    );
    assert_eq!(owed.len(), 1, "and not what it has");
    assert_eq!(owed[0].entry, entry);
    let handed_back = shaky.bus.hand_back(&worker, &[entry], false).await;
    handed_back.unwrap();
    let none = shaky.bus.claim(&worker, 1, Duration::ZERO, &stop).await;
    assert_eq!(none.unwrap(), []);
}

/// One read is lost while the worker takes over what another one gave back unbegun: a first delivery as well.
#[tokio::test]
async fn a_lost_read_and_a_reclaim_are_told_apart() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let (worker, never) = (WorkerId::generate(), CancellationToken::new());
    let bus = &shaky.scene.gateways;
    let owed = bus.enqueue(&shaky.scene.request()).await.unwrap();
    // Not the first one: a new connection asks about the queue before it reads.
    shaky.way.hit_reply_to("XREADGROUP", Mishap::Lost);
    assert!(shaky.bus.claim(&worker, 1, BRIEF, &never).await.is_err());

    let given_back = shaky.scene.owned().await;
    let entries = [given_back.entry.clone()];
    let handed_back = shaky
        .scene
        .workers
        .hand_back(&given_back.worker, &entries, false);
    handed_back.await.unwrap();
    let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
    let reclaimed = shaky.done(reclaim).await;
    assert_eq!(reclaimed.len(), 1);
    assert_eq!(
        (&reclaimed[0].entry, reclaimed[0].delivery),
        (&entries[0], 1)
    );

    let claims = shaky.bus.claim(&worker, 9, BRIEF, &never).await.unwrap();
    // The older of the two may be left to its lease, but none is given twice.
    assert!(claims.iter().all(|claim| claim.entry == owed), "{claims:?}");
}

#[tokio::test]
async fn leases_are_renewed() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        let entries = [owner.entry.clone()];
        shaky
            .done(|| shaky.bus.renew(&owner.worker, LONG_LEASE, &entries))
            .await;
        shaky
            .done(|| shaky.bus.renew_all(&owner.worker, LONG_LEASE))
            .await;
        shaky.scene.respond(&owner, 1).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_lost_reclaim_took_is_given_again() {
    always(async |shaky| {
        let (from, worker) = (shaky.scene.owned().await, WorkerId::generate());
        let entries = [from.entry.clone()];
        let given_up = shaky.scene.workers.hand_back(&from.worker, &entries, true);
        given_up.await.unwrap();
        let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
        let claims = shaky.done(reclaim).await;
        assert_eq!(claims.len(), 1, "{claims:?}");
        assert_eq!((&claims[0].entry, claims[0].delivery), (&from.entry, 2));
        let again = shaky.again(reclaim).await;
        assert_eq!(again, [], "a request is begun twice");

        let owner = claims[0].ownership(&worker);
        let taken = shaky.scene.workers.take_over(&owner).await.unwrap();
        assert_eq!(taken, TakeOver::Taken { newest: 0 });
    })
    .await;
}

#[tokio::test]
async fn what_is_handed_back_is_handed_back_once() {
    always(async |shaky| {
        let (from, other) = (shaky.scene.owned().await, WorkerId::generate());
        let entries = [from.entry.clone()];
        let hand_back = || shaky.bus.hand_back(&from.worker, &entries, false);
        shaky.done(hand_back).await;
        let reclaim = || shaky.scene.workers.reclaim(&other, LONG_LEASE, 9);
        let claims = reclaim().await.unwrap();
        assert_eq!((claims.len(), claims[0].delivery), (1, 1));
        shaky.again(hand_back).await;
        assert_eq!(reclaim().await.unwrap(), [], "it is another worker's");
    })
    .await;
}

#[tokio::test]
async fn a_call_ends_once() {
    always(async |shaky| {
        let mut events = shaky.scene.events_of(&shaky.scene.gateway).await;
        let owner = shaky.scene.owned().await;
        let first = message(owner.stream, 1);
        let appended = shaky.done(|| shaky.bus.append(&owner, &first)).await;
        assert_eq!(appended, Ok(()));
        let last = response(owner.stream, 2);
        let finishes = [finish(&owner, &last)];
        let finished = shaky.done(|| shaky.bus.finish(&finishes)).await;
        assert_eq!(finished, [Ok(())]);
        // A stream of one event is made by its end.
        let quick = shaky.scene.owned().await;
        let only = response(quick.stream, 1);
        let finishes = [finish(&quick, &only)];
        let finished = shaky.done(|| shaky.bus.finish(&finishes)).await;
        assert_eq!(finished, [Ok(())]);

        for event in [&first, &last, &only] {
            assert_eq!(next(&mut events).await, *event, "heard once, in order");
        }
        let log = shaky.scene.log(owner.stream).await;
        assert_eq!(log, Some((vec![first, last], LogState::Finished)));
        assert_eq!(shaky.scene.depth().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn an_entry_is_buried_once() {
    always(async |shaky| {
        let claim = shaky.scene.claimed(&shaky.scene.request()).await;
        shaky
            .done(|| shaky.bus.dead_letter(&claim, "hopeless"))
            .await;
        let letters = redis_dead_letters(&shaky.server, &shaky.prefix).await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!(shaky.scene.depth().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn the_queue_is_looked_at() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        assert_eq!(shaky.scene.depth().await, (0, 1));
        assert!(shaky.done(|| shaky.bus.is_pending(&owner.entry)).await);
        assert!(shaky.done(|| shaky.bus.queue_room(usize::MAX)).await > 0);
        shaky.done(|| shaky.bus.health()).await;
    })
    .await;
}

// Event log

#[tokio::test]
async fn a_log_is_opened_followed_and_released() {
    always(async |shaky| {
        let (scene, bus) = (&shaky.scene, &shaky.bus);
        let owner = scene.owned().await;
        let (stream, gateway) = (owner.stream, &scene.gateway);
        let open = || bus.open_log(&stream, gateway, None, Era::Modern);
        shaky.done(open).await;
        let event = scene.say(&owner, 1).await;
        let read = shaky.done(|| bus.read_log(&stream, None, 0)).await;
        assert_eq!(read.unwrap().events, [event]);
        let newest = shaky.done(|| bus.follow(&stream, gateway, None)).await;
        assert_eq!(newest, Some(1));
        scene.respond(&owner, 2).await;
        let streams = [stream];
        shaky.done(|| bus.release(&streams)).await;
        assert_eq!(scene.log(stream).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_log_is_kept_briefly() {
    let limits = BusLimits {
        brief_retention: Duration::from_millis(1),
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let id = shaky.session().await;
        let owner = shaky.talking(&id).await;
        shaky.scene.respond(&owner, 2).await;
        let gateways = &shaky.scene.gateways;
        let log = || gateways.read_log(&owner.stream, Some(&id), 0);
        assert!(log().await.unwrap().is_some());
        shaky.done(|| shaky.bus.keep_briefly(&owner.stream)).await;
        prynai_test_redis::assert_eventually!(log().await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_taken_over() {
    always(async |shaky| {
        let (from, worker) = (shaky.scene.owned().await, WorkerId::generate());
        shaky.scene.say(&from, 1).await;
        let owner = shaky
            .scene
            .passed_on(&from, &worker)
            .await
            .ownership(&worker);
        let taken = shaky.done(|| shaky.bus.take_over(&owner)).await;
        assert_eq!(taken, TakeOver::Taken { newest: 1 });
        shaky.scene.respond(&owner, 2).await;
    })
    .await;
}

// Signals

#[tokio::test]
async fn a_call_is_cancelled() {
    always(async |shaky| {
        let waiting = shaky.scene.request();
        let entry = shaky.scene.gateways.enqueue(&waiting).await.unwrap();
        let unknown = StreamId::generate();
        let cancel = || {
            shaky
                .bus
                .cancel_call(&waiting.stream, Some(&entry), Era::Modern)
        };
        shaky.done(cancel).await;
        let cancel = || shaky.bus.cancel_call(&unknown, None, Era::Modern);
        shaky.done(cancel).await;
        let streams = [waiting.stream, unknown];
        let marked = shaky.done(|| shaky.bus.cancelled_among(&streams)).await;
        assert_eq!(marked, streams);
        // A reply about the marks is lost as well.
        let claims = shaky.claims(&WorkerId::generate(), 1).await;
        assert!(claims[0].cancelled, "a cancelled call is begun");
    })
    .await;
}

#[tokio::test]
async fn messages_that_are_larger_than_a_page_are_taken_once() {
    in_every_way(tiny_pages(), async |shaky| {
        let id = shaky.session().await;
        let owner = shaky.talking(&id).await;
        let letters = [json("[1]"), json("[2]")];
        for letter in &letters {
            let posted = shaky.scene.gateways.post_mail(&owner.stream, &id, letter);
            assert_eq!(posted.await.unwrap(), Posted::Accepted);
        }
        shaky.hit();
        let (mut taken, mut received) = (Vec::new(), 0);
        loop {
            let take = || shaky.bus.take_mail(&owner, received);
            let mail = shaky.again(take).await;
            if mail.received == received {
                break;
            }
            assert_eq!(mail.messages.len(), 1);
            taken.extend(mail.messages);
            received = mail.received;
        }
        assert_eq!(taken, letters);
    })
    .await;
}

#[tokio::test]
async fn a_message_is_posted_and_taken_once() {
    always(async |shaky| {
        let id = shaky.session().await;
        let owner = shaky.talking(&id).await;
        let letters = [json("1"), json("2")];
        for letter in &letters {
            let post = || shaky.bus.post_mail(&owner.stream, &id, letter);
            assert_eq!(shaky.done(post).await, Posted::Accepted);
        }
        let mail = shaky.done(|| shaky.bus.take_mail(&owner, 0)).await;
        assert_eq!(mail.messages, letters);
        let received = mail.received;
        let mail = shaky.done(|| shaky.bus.take_mail(&owner, received)).await;
        assert_eq!(mail.messages, [] as [RawJson; 0]);
        assert_eq!(mail.received, received);
    })
    .await;
}

#[tokio::test]
async fn a_gateway_is_heard() {
    always(async |shaky| {
        let gateways = [shaky.scene.gateway.clone()];
        shaky.done(|| shaky.bus.beat(&gateways[0], WINDOW)).await;
        let silent = shaky.done(|| shaky.bus.silent_among(&gateways)).await;
        assert_eq!(silent, []);
    })
    .await;
}

// Sessions

#[tokio::test]
async fn a_session_is_opened_used_and_changed() {
    let limits = BusLimits {
        session_calls: 1,
        session_subscriptions: 1,
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let (bus, owner) = (&shaky.bus, Principal::anonymous());
        let opened = session(&SessionId::generate());
        let id = opened.id.clone();
        shaky.done(|| bus.create_session(&opened)).await;
        let begin = BeginCall {
            stream: StreamId::generate(),
            request_id: json("1"),
        };
        let touch = || bus.touch_session(&id, &owner, Some(&begin));
        let touched = shaky.done(touch).await.expect("it lives");
        assert!(touched.has_room, "it has the room itself");
        shaky.done(|| bus.forget_call(&id, &begin.stream)).await;
        for uri in ["test://a", "test://b"] {
            let subscribe = SessionChange::Subscribe(uri.to_owned());
            assert!(shaky.done(|| bus.change_session(&id, &subscribe)).await);
            let touched = shaky.done(touch).await.expect("it lives");
            assert!(touched.has_room);
            assert!(shaky.done(|| bus.keep_session(&id, &owner)).await);
            let uris = shaky.done(|| bus.subscriptions(&id)).await;
            assert!(uris.expect("it lives").contains(uri));
            let unsubscribe = SessionChange::Unsubscribe(uri.to_owned());
            assert!(shaky.done(|| bus.change_session(&id, &unsubscribe)).await);
        }
    })
    .await;
}

#[tokio::test]
async fn the_calls_of_a_session_that_ends_are_named() {
    always(async |shaky| {
        let (bus, owner) = (&shaky.bus, Principal::anonymous());
        let id = shaky.session().await;
        let stream = shaky.begun(&id).await.stream;
        let running = BegunCall {
            stream,
            entry: None,
        };
        let ended = shaky.done(|| bus.end_session(&id, &owner)).await;
        assert_eq!(ended, Some(vec![running]));
        shaky.done(|| bus.forget_session(&id)).await;
        let ended = shaky.scene.gateways.end_session(&id, &owner).await;
        assert_eq!(ended.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_cancel_reaches_a_call_that_is_being_placed() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let id = shaky.session().await;
        let begin = shaky.begun(&id).await;
        let cancel = || bus.cancel_calls(&id, &begin.request_id);
        let found = shaky.done(cancel).await;
        assert_eq!(found.len(), 1);
        let claim = shaky.scene.claimed(&shaky.scene.request()).await;
        let call = prynai_bus::wire::request::CallRef {
            stream: begin.stream,
            ..call_ref(&claim)
        };
        let placed = shaky.done(|| bus.place_call(&id, &call)).await;
        assert_eq!(placed, Placed::Cancelled);
    })
    .await;
}

// Feed, catalog, state, outcomes

/// The one operation that may come out double: a change says that there is something to look at.
#[tokio::test]
async fn a_change_is_published_at_least_once() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let before = shaky.done(|| bus.newest_change()).await;
        let change = Change::ToolsListChanged;
        shaky.done(|| bus.publish_change(&change)).await;
        let page = shaky.done(|| bus.read_changes(&before, 9)).await;
        assert!((1..=2).contains(&page.changes.len()), "{page:?}");
        assert!(page.changes.iter().all(|c| c.change == change) && !page.lost);
    })
    .await;
}

#[tokio::test]
async fn a_catalog_is_announced_once() {
    always(async |shaky| {
        let before = shaky.scene.gateways.newest_change().await.unwrap();
        let record = catalog("1");
        shaky.done(|| shaky.bus.announce_catalog(&record)).await;
        let read = shaky.done(|| shaky.bus.read_catalog()).await;
        assert_eq!(read, Some(record));
        let page = shaky.scene.gateways.read_changes(&before, 9).await.unwrap();
        assert_eq!(page.changes.len(), 1, "{page:?}");
    })
    .await;
}

#[tokio::test]
async fn a_value_is_counted_and_removed_once() {
    always(async |shaky| {
        let bus = &shaky.bus;
        for scope in [
            StateScope::Global,
            StateScope::Principal("somebody".to_owned()),
            StateScope::Session(shaky.session().await),
        ] {
            let key = "count";
            shaky.done(|| bus.set_state(&scope, key, "40", None)).await;
            let add = OperationId::generate();
            let increment = || bus.increment_state(&scope, key, 2, None, &add);
            assert_eq!(shaky.done(increment).await, 42, "{scope:?}");
            let read = shaky.done(|| bus.get_state(&scope, key)).await;
            assert_eq!(read.as_deref(), Some("42"), "{scope:?}");
            let remove = OperationId::generate();
            let removed = shaky.done(|| bus.remove_state(&scope, key, &remove)).await;
            assert!(removed, "{scope:?}");
            let read = shaky.scene.workers.get_state(&scope, key).await;
            assert_eq!(read.unwrap(), None, "{scope:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_is_used_once() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let once = |record: &str| KeyUse {
            record: record.to_owned(),
            fingerprint: "f".to_owned(),
            stream: StreamId::generate(),
            delivery: 1,
            share: Principal::anonymous().share(),
        };
        let (ended, released, concluded) = (once("ended"), once("released"), once("concluded"));
        let outcome = Outcome::result(json("1"));
        for once in [&ended, &released] {
            let begun = shaky.done(|| bus.begin_once(once, WINDOW)).await;
            assert_eq!(begun, KeyState::Yours);
        }
        shaky
            .done(|| bus.record_outcome(&ended, &outcome, WINDOW))
            .await;
        shaky.done(|| bus.release_key(&released)).await;
        // The caller answers with the outcome, whether it is told that it is its own or that it was there.
        shaky
            .done(|| bus.conclude_once(&concluded, &outcome, WINDOW))
            .await;

        for (record, expected) in [
            ("ended", KeyState::Ended(outcome.clone())),
            ("released", KeyState::Yours),
            ("concluded", KeyState::Ended(outcome.clone())),
        ] {
            let met = shaky.scene.workers.begin_once(&once(record), WINDOW).await;
            assert_eq!(met.unwrap(), expected, "{record}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_value_counts_once_to_its_share() {
    let limits = BusLimits {
        caller_kept: 100_000,
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let (bus, others) = (&shaky.bus, &shaky.scene.workers);
        let share = Principal::anonymous().share();
        let scope = StateScope::Session(shaky.session().await);
        let large = || bus.count_state(&share, &scope, "large", Some(60_000), None);
        shaky.done(large).await;
        let small = others.count_state(&share, &scope, "small", Some(20_000), None);
        small.await.expect("it was counted once");
        shaky.done(|| bus.check_room(&share)).await;

        let forget = || bus.count_state(&share, &scope, "large", None, None);
        shaky.done(forget).await;
        let again = others.count_state(&share, &scope, "another", Some(60_000), None);
        again.await.expect("it was forgotten");
    })
    .await;
}
