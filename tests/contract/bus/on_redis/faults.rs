//! Redis stops, hangs, forgets, or cuts a subscription: what the bus makes of it.

use std::fmt::Debug;
use std::future::Future;
use std::time::{Duration, Instant};

use prynai_bus::ids::{SessionId, WorkerId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::principal::Principal;
use prynai_bus::{
    BusError, BusLimits, LogState, News, NewsReceiver, Ownership, SessionStore, StateScope,
};
use prynai_redis_bus::RedisBus;
use prynai_test_redis::server::RedisServer;
use prynai_test_redis::trickle::Trickle;
use prynai_test_redis::{PATIENCE, assert_eventually, eventually};
use tokio_util::sync::CancellationToken;

use super::{PREFIX, PROMPT, queue, scene_on};
use crate::scene::{
    LONG_LEASE, Scene, append, begun, claim_one, finish, message, next, session,
    until_a_read_blocks,
};

/// A lease that ends while a test looks on.
const BRIEF: Duration = Duration::from_millis(500);

/// The call fails because Redis is away, and says so promptly.
async fn is_unavailable<T: Debug>(call: impl Future<Output = Result<T, BusError>>) {
    let begun = Instant::now();
    let answer = call.await;
    assert!(
        matches!(answer, Err(BusError::Unavailable(_))),
        "{answer:?}"
    );
    assert!(begun.elapsed() < PROMPT, "{:?}", begun.elapsed());
}

/// Reads on until the gap that follows a fault.
pub(super) async fn until_gap<T>(news: &mut NewsReceiver<T>) {
    loop {
        let received = tokio::time::timeout(PATIENCE, news.recv()).await;
        match received.expect("no gap came") {
            Some(News::Gap) => return,
            Some(News::Item(_)) => {}
            None => panic!("the subscription ended"),
        }
    }
}

#[tokio::test]
async fn a_restart_with_persistence_loses_nothing() {
    let mut server = RedisServer::start_durable().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    assert_eq!(next(&mut events).await, first);
    let waiting = scene.gateways.enqueue(&scene.request()).await.unwrap();

    server.restart().await;

    assert_eventually!(scene.gateways.health().await.is_ok());
    assert_eventually!(scene.workers.health().await.is_ok());
    assert_eq!(scene.depth().await, (1, 1));
    until_gap(&mut events).await;
    let last = scene.respond(&owner, 2).await;
    assert_eq!(next(&mut events).await, last);
    let expected = Some((vec![first, last], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(claim.entry, waiting);
}

#[tokio::test]
async fn a_restart_without_persistence_is_recovered_from() {
    let mut server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let lost = scene.owned().await;
    scene.say(&lost, 1).await;
    let before = scene.gateways.newest_change().await.unwrap();
    scene
        .workers
        .publish_change(&Change::ToolsListChanged)
        .await
        .unwrap();

    server.restart().await;

    assert_eventually!(scene.gateways.health().await.is_ok());
    assert_eventually!(scene.workers.health().await.is_ok());
    until_gap(&mut events).await;
    // What is lost shows as lost.
    assert_eq!(scene.log(lost.stream).await, None);
    let page = scene.gateways.read_changes(&before, 10).await.unwrap();
    assert_eq!((page.changes, page.lost), (Vec::new(), true));
    let newest = scene.gateways.newest_change().await.unwrap();
    assert_ne!(newest.epoch, before.epoch);

    let owner = scene.owned().await;
    let last = scene.respond(&owner, 1).await;
    assert_eq!(next(&mut events).await, last);
}

#[tokio::test]
async fn while_redis_is_stopped_every_call_fails_promptly() {
    let mut server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let owner = scene.owned().await;
    server.stop();
    every_call_fails_promptly(&scene, &owner).await;

    server.restart().await;
    assert_eventually!(scene.gateways.health().await.is_ok());
}

#[tokio::test]
async fn while_redis_hangs_every_call_fails_promptly() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let owner = scene.owned().await;
    server.freeze();
    every_call_fails_promptly(&scene, &owner).await;

    server.thaw();
    assert_eventually!(scene.gateways.health().await.is_ok());
}

async fn every_call_fails_promptly(scene: &Scene, owner: &Ownership) {
    let bus = &scene.gateways;
    let id = SessionId::generate();
    let entries = [owner.entry.clone()];
    let event = message(owner.stream, 1);
    let change = Change::CatalogChanged;
    is_unavailable(bus.health()).await;
    is_unavailable(bus.enqueue(&scene.request())).await;
    is_unavailable(bus.is_pending(&owner.entry)).await;
    is_unavailable(bus.renew(&owner.worker, LONG_LEASE, &entries)).await;
    is_unavailable(bus.reclaim(&owner.worker, LONG_LEASE, 1)).await;
    is_unavailable(bus.append(owner, &event)).await;
    is_unavailable(bus.finish(&[finish(owner, &event)])).await;
    is_unavailable(bus.follow(&owner.stream, &scene.gateway, None)).await;
    is_unavailable(bus.read_log(&owner.stream, None, 0)).await;
    is_unavailable(bus.event_news(&scene.gateway)).await;
    is_unavailable(bus.take_mail(owner, 0)).await;
    is_unavailable(bus.touch_session(&id, &Principal::anonymous())).await;
    is_unavailable(bus.publish_change(&change)).await;
    is_unavailable(bus.read_catalog()).await;
    is_unavailable(bus.get_state(&StateScope::Global, "key")).await;
}

#[tokio::test]
async fn a_claim_that_waits_while_redis_goes_ends_and_a_later_one_works() {
    let mut server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let stop = CancellationToken::new();
    let waiting = scene.workers.claim(&scene.worker, 1, LONG_LEASE, &stop);
    let (claims, ()) = tokio::join!(tokio::time::timeout(PATIENCE, waiting), async {
        until_a_read_blocks(&server).await;
        server.stop();
    });
    let claims = claims.expect("the claim goes on for ever");
    assert!(
        matches!(&claims, Err(BusError::Unavailable(_))),
        "{claims:?}"
    );

    server.restart().await;
    assert_eventually!(scene.gateways.enqueue(&scene.request()).await.is_ok());
    let wait = Duration::from_millis(100);
    let claims = eventually!({
        let claims = scene.workers.claim(&scene.worker, 1, wait, &stop).await;
        claims.ok().filter(|claims| !claims.is_empty())
    });
    assert_eq!(claims.len(), 1);
}

#[tokio::test]
async fn a_consumer_group_that_is_gone_is_made_again() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    for _ in 0..2 {
        scene.respond(&scene.owned().await, 1).await;
        server.command::<()>(&["FLUSHALL"]).await;
        // Nothing that was queued before a worker looks is passed over.
        let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
        assert_eq!(scene.depth().await, (1, 0));
        let claim = claim_one(&*scene.workers, &scene.worker).await;
        assert_eq!(claim.entry, entry);
        scene.respond(&claim.ownership(&scene.worker), 1).await;

        server.command::<()>(&["FLUSHALL"]).await;
        let other = WorkerId::generate();
        scene
            .workers
            .renew(&other, LONG_LEASE, &[claim.entry])
            .await
            .unwrap();
        let reclaim = scene.workers.reclaim(&other, LONG_LEASE, 1).await;
        assert_eq!(reclaim.unwrap(), []);
    }
}

#[tokio::test]
async fn what_a_lost_group_had_handed_out_is_not_begun_again() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let kept = scene.owned().await;
    let answered = scene.owned().await;
    let lost = scene.owned().await;
    let queue = queue(PREFIX);
    let destroy = ["XGROUP", "DESTROY", &queue, "workers"];
    let _: i64 = server.command(&destroy).await;

    // Whoever runs something keeps it, and may end it.
    let own = [kept.entry.clone()];
    scene
        .workers
        .renew(&scene.worker, BRIEF, &own)
        .await
        .unwrap();
    let pending = ["XPENDING", &queue, "workers", "-", "+", "9"];
    let held: Vec<(String, String, i64, i64)> = server.command(&pending).await;
    let owner = held.iter().find(|(entry, ..)| entry == kept.entry.as_str());
    assert_eq!(
        owner.map(|(_, owner, ..)| owner.as_str()),
        Some(scene.worker.as_str())
    );
    scene.respond(&answered, 1).await;
    let never = CancellationToken::new();
    let other = WorkerId::generate();
    let claims = scene.workers.claim(&other, 9, BRIEF, &never).await;
    assert_eq!(claims.unwrap(), [], "it would be begun a second time");

    // What nobody renews is found as what a lost worker had.
    let reclaimed = eventually!({
        let reclaimed = scene.workers.reclaim(&other, BRIEF, 9).await.unwrap();
        let of_lost = reclaimed.into_iter().find(|c| c.entry == lost.entry);
        scene
            .workers
            .renew(&scene.worker, BRIEF, &own)
            .await
            .unwrap();
        of_lost
    });
    assert_eq!(reclaimed.delivery, 2);
    scene.respond(&kept, 1).await;
}

#[tokio::test]
async fn events_beside_those_that_need_the_lost_group_are_told() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let (begun, new) = (scene.owned().await, scene.owned().await);
    scene.say(&begun, 1).await;
    next(&mut events).await;
    let destroy = ["XGROUP", "DESTROY", &queue(PREFIX), "workers"];
    let _: i64 = server.command(&destroy).await;

    let second = message(begun.stream, 2);
    let appends = [
        append(&begun, std::slice::from_ref(&second)),
        append(&new, &[message(new.stream, 1)]),
    ];
    let answers = scene.workers.append_all(&appends).await;
    assert_eq!(answers.unwrap()[0], Ok(()));
    assert_eq!(next(&mut events).await, second);
}

#[tokio::test]
async fn a_waiting_claim_survives_the_loss_of_its_group() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let stop = CancellationToken::new();
    let waiting = async {
        loop {
            let claims = scene.workers.claim(&scene.worker, 1, PATIENCE, &stop).await;
            if let Ok(claims) = claims {
                break claims;
            }
        }
    };
    let (claims, entry) = tokio::join!(waiting, async {
        until_a_read_blocks(&server).await;
        server.command::<()>(&["FLUSHALL"]).await;
        scene.gateways.enqueue(&scene.request()).await.unwrap()
    });
    let claimed: Vec<_> = claims.into_iter().map(|claim| claim.entry).collect();
    assert_eq!(claimed, [entry]);
}

#[tokio::test]
async fn forgotten_scripts_are_loaded_again() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    for round in 1..3 {
        server.command::<()>(&["SCRIPT", "FLUSH"]).await;
        let owner = scene.owned().await;
        scene.say(&owner, 1).await;
        server.command::<()>(&["SCRIPT", "FLUSH"]).await;
        scene.respond(&owner, 2).await;
        let log = scene.log(owner.stream).await;
        assert!(
            log.is_some_and(|(events, _)| events.len() == 2),
            "round {round}"
        );
    }
}

#[tokio::test]
async fn a_killed_subscription_says_gap_and_hears_again() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    let mut changes = begun(scene.gateways.change_news().await.unwrap()).await;
    let (owner, task) = (scene.owned().await, scene.owned().await);
    scene.promote(&task, 1).await;
    let _promoted = next(&mut events).await;
    let mut tasks = scene.listen(&[task.stream]).await;

    let killed: i64 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    assert!(killed >= 4, "{killed} subscriptions were killed");
    until_gap(&mut events).await;
    until_gap(&mut signals).await;
    until_gap(&mut changes).await;
    until_gap(&mut tasks).await;
    scene.say_of(&task, "half").await;
    let told = next(&mut tasks).await.sight.expect("is told");
    assert_eq!(told.message.as_deref(), Some("half"));

    let first = scene.say(&owner, 1).await;
    assert_eq!(next(&mut events).await, first);
    scene.cancel(&owner).await;
    assert_eq!(next(&mut signals).await.stream, owner.stream);
    let change = Change::ToolsListChanged;
    scene.workers.publish_change(&change).await.unwrap();
    assert_eq!(next(&mut changes).await.change, change);
    assert_eventually!(scene.gateways.health().await.is_ok());
}

#[tokio::test]
async fn a_task_that_nobody_listens_to_any_more_has_no_channel() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let (first, second) = (scene.owned().await, scene.owned().await);
    let names = [&first, &second].map(|task| task.stream);
    for task in [&first, &second] {
        scene.promote(task, 1).await;
    }
    let both = scene.listen(&names).await;
    let mut one = scene.listen(&names[..1]).await;
    let again = scene.listen(&names[..1]).await;
    let channels = async |names: usize| {
        assert_eventually!({
            let all: Vec<String> = server.command(&["PUBSUB", "CHANNELS", "*:log:*"]).await;
            all.len() == names
        });
    };
    channels(2).await;
    drop((both, again));
    channels(1).await;
    scene.say_of(&first, "half").await;
    let told = next(&mut one).await.sight.expect("is told");
    assert_eq!(told.message.as_deref(), Some("half"));
    drop(one);
    channels(0).await;
    // Whoever comes then is heard again.
    let mut news = scene.listen(&names).await;
    scene.say_of(&second, "half").await;
    assert_eq!(next(&mut news).await.name, second.stream);
}

#[tokio::test]
async fn health_fails_while_a_subscription_is_gone() {
    let server = RedisServer::start().await;
    let scene = scene_on(&server).await;
    let _events = scene.events_of(&scene.gateway).await;
    scene.gateways.health().await.unwrap();

    // Subscriptions are refused from now on; commands go on to work.
    let user = ["ACL", "SETUSER", "default", "resetchannels"];
    server.command::<()>(&user).await;
    let _: i64 = server.command(&["CLIENT", "KILL", "TYPE", "pubsub"]).await;
    let deaf = eventually!(scene.gateways.health().await.err());
    assert!(matches!(deaf, BusError::Deaf(_)), "{deaf:?}");

    server
        .command::<()>(&["ACL", "SETUSER", "default", "allchannels"])
        .await;
    assert_eventually!(scene.gateways.health().await.is_ok());
}

#[tokio::test]
async fn a_connection_that_answers_others_survives_late_answers() {
    const CALLS: usize = 40;
    let server = RedisServer::start().await;
    let way = Trickle::start(server.address()).await;
    let url = format!("redis://{}", way.address());
    let url = url.parse().unwrap();
    let bus = RedisBus::connect(&url, PREFIX, BusLimits::default());
    let bus = bus.await.unwrap();
    let (id, caller) = (SessionId::generate(), Principal::anonymous());
    bus.create_session(&session(&id)).await.unwrap();
    // The connection that all calls share has run a script last.
    let connection = async || -> Vec<String> {
        assert_eventually!(bus.touch_session(&id, &caller).await.is_ok());
        let clients: String = server.command(&["CLIENT", "LIST"]).await;
        let shared = clients.lines().filter(|line| line.contains("cmd=evalsha"));
        let ids = shared.filter_map(|line| line.split(' ').next());
        ids.map(str::to_owned).collect()
    };
    let before = connection().await;
    assert_eq!(before.len(), 1);

    way.set_slow(true);
    let touched = (0..CALLS).map(|_| bus.touch_session(&id, &caller));
    let touched = futures::future::join_all(touched).await;
    way.set_slow(false);

    let late = touched.iter().filter(|touched| touched.is_err()).count();
    assert!(0 < late && late < CALLS, "{late} of {CALLS} were late");
    assert_eq!(connection().await, before);
}
