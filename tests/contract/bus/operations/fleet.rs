//! Processes and sessions.

use std::collections::BTreeSet;
use std::time::Duration;

use prynai_bus::ids::{GatewayId, SessionId, WorkerId};
use prynai_bus::shown;
use prynai_bus::wire::session::SessionChange;

use crate::scene::{Kind, LONG_LEASE, begun, legacy_request, session};

for_both_buses! {
    a_fleet_says_where_it_is,
    a_worker_is_told_with_what_it_runs,
    a_worker_that_stopped_is_not_taken_for_a_lost_one,
    a_worker_without_work_lives_as_long_as_it_listens,
    a_worker_that_drains_is_told_so_for_a_while,
    a_worker_that_claims_nothing_is_silent_only_while_requests_wait,
    a_gateway_is_told_while_it_lives_and_afterwards,
    all_sessions_are_passed,
    a_session_is_told_with_its_calls,
    a_closer_look_finds_claims_and_streams_without_an_owner,
}

async fn a_fleet_says_where_it_is(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let place = operations.place().await.unwrap();
    assert!(place.is_there, "{place:?}");
    assert!(
        !place.bus.is_empty() && place.others.is_empty(),
        "{place:?}"
    );
    let overview = operations.overview().await.unwrap();
    assert!(overview.has_group && !overview.has_catalog, "{overview:?}");
    assert_eq!(overview.oldest_waiting_ms, None);
    assert!(overview.now_ms.abs_diff(scene.gateways.now_ms()) < 60_000);
}

async fn a_worker_is_told_with_what_it_runs(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    assert_eq!(operations.workers().await.unwrap().len(), 0);
    let claim = scene.claimed(&scene.request()).await;
    scene.claimed(&scene.request()).await;
    let told = operations.workers().await.unwrap();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].worker, scene.worker.to_string());
    assert!(told[0].is_alive && !told[0].is_listening, "{told:?}");
    assert_eq!((told[0].running, told[0].lease_ms), (2, None));
    assert_eq!(told[0].oldest, Some(claim.entry.to_string()));

    let _signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    let renewed = scene.workers.renew_all(&scene.worker, LONG_LEASE).await;
    renewed.unwrap();
    let other = WorkerId::from("zz-other");
    scene.workers.renew_all(&other, LONG_LEASE).await.unwrap();
    let told = operations.workers().await.unwrap();
    assert!(told[0].is_listening, "{told:?}");
    assert_eq!(told[0].lease_ms, Some(3_600_000));
    assert!(
        told.iter().skip(1).all(|worker| worker.running == 0),
        "{told:?}"
    );
}

async fn a_worker_that_stopped_is_not_taken_for_a_lost_one(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let renew = async |lease| {
        scene
            .workers
            .renew(&scene.worker, lease, &[])
            .await
            .unwrap()
    };
    renew(LONG_LEASE).await;
    let kept = scene.claimed(&scene.request()).await;
    renew(Duration::ZERO).await;
    let told = operations.workers().await.unwrap().remove(0);
    assert!(told.has_stopped && !told.is_alive, "{told:?}");
    assert_eq!((told.running, told.lease_ms), (1, None));

    // A renewal that was on its way meanwhile.
    renew(LONG_LEASE).await;
    let renewed = scene.workers.renew_all(&scene.worker, LONG_LEASE).await;
    renewed.unwrap();
    assert!(operations.workers().await.unwrap()[0].has_stopped);
    let (other, brief) = (WorkerId::generate(), Duration::from_millis(300));
    let taken = prynai_test_redis::eventually!({
        let taken = scene.workers.reclaim(&other, brief, 10).await.unwrap();
        taken.into_iter().next()
    });
    assert_eq!((taken.entry, taken.delivery), (kept.entry, 2));
}

async fn a_worker_without_work_lives_as_long_as_it_listens(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    let claim = scene.claimed(&scene.request()).await;
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    let look = async || operations.workers().await.unwrap().remove(0);
    // Longer than a worker that has work may be silent.
    prynai_test_redis::assert_eventually!(look().await.heard_ms_ago > 10_500);
    assert!(look().await.is_alive);
    drop(signals);
    prynai_test_redis::assert_eventually!(!look().await.is_alive);
}

async fn a_worker_that_drains_is_told_so_for_a_while(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let renewed = scene.workers.renew(&scene.worker, LONG_LEASE, &[]).await;
    renewed.unwrap();
    scene.claimed(&scene.request()).await;
    let look = async || operations.workers().await.unwrap().remove(0);
    assert!(!look().await.is_draining);
    let told = scene.workers.tell_draining(&scene.worker, LONG_LEASE).await;
    told.unwrap();
    assert!(look().await.is_draining);
    let brief = Duration::from_millis(1);
    let told = scene.workers.tell_draining(&scene.worker, brief).await;
    told.unwrap();
    prynai_test_redis::assert_eventually!(!look().await.is_draining);
    let told = scene.workers.tell_draining(&scene.worker, LONG_LEASE).await;
    told.unwrap();
    let ended = scene
        .workers
        .renew(&scene.worker, Duration::ZERO, &[])
        .await;
    ended.unwrap();
    let told = look().await;
    assert!(told.has_stopped && !told.is_draining, "{told:?}");
}

async fn a_worker_that_claims_nothing_is_silent_only_while_requests_wait(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let _signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    let claim = scene.claimed(&scene.request()).await;
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    let look = async || operations.workers().await.unwrap().remove(0);
    prynai_test_redis::assert_eventually!(look().await.heard_ms_ago > 10_500);
    assert!(!look().await.is_silent);
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    // A healthy worker may be about to take it.
    assert!(!look().await.is_silent);
    prynai_test_redis::assert_eventually!(look().await.is_silent);
    assert!(look().await.is_alive);
}

async fn a_gateway_is_told_while_it_lives_and_afterwards(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    assert_eq!(operations.gateways().await.unwrap().len(), 0);
    let (short, long) = (Duration::from_millis(1), Duration::from_secs(60));
    let gone = GatewayId::generate();
    scene.gateways.beat(&gone, short).await.unwrap();
    scene.gateways.beat(&scene.gateway, long).await.unwrap();
    let _events = begun(scene.gateways.event_news(&scene.gateway).await.unwrap()).await;
    let silent = async || {
        scene
            .workers
            .silent_among(std::slice::from_ref(&gone))
            .await
            .unwrap()
    };
    prynai_test_redis::assert_eventually!(!silent().await.is_empty());
    let told = operations.gateways().await.unwrap();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!(told[0].gateway, scene.gateway.to_string());
    assert!(told[0].is_alive && told[0].is_listening && told[0].version.is_some());
    assert_eq!(told[1].gateway, gone.to_string());
    assert!(
        !told[1].is_alive && told[1].heard_ms_ago.is_some(),
        "{told:?}"
    );
}

async fn all_sessions_are_passed(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let mut made = BTreeSet::new();
    for _ in 0..250 {
        let id = SessionId::generate();
        scene.gateways.create_session(&session(&id)).await.unwrap();
        made.insert(shown::session(id.as_str()).to_owned());
    }
    let (mut passed, mut after) = (BTreeSet::new(), 0);
    loop {
        let page = operations.sessions(after).await.unwrap();
        passed.extend(page.sessions.into_iter().map(|session| session.session));
        match page.next {
            Some(next) => after = next,
            None => break,
        }
    }
    assert_eq!(passed, made);
}

async fn a_session_is_told_with_its_calls(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let id = SessionId::generate();
    scene.gateways.create_session(&session(&id)).await.unwrap();
    let subscribe = SessionChange::Subscribe("db://a".to_owned());
    scene
        .gateways
        .change_session(&id, &subscribe)
        .await
        .unwrap();
    let request = legacy_request(&scene.gateway, &id);
    scene.gateways.enqueue_call(&request).await.unwrap();
    let mut told = Vec::new();
    let mut after = Some(0);
    while let Some(begin) = after {
        let page = operations.sessions(begin).await.unwrap();
        told.extend(page.sessions);
        after = page.next;
    }
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].session, shown::session(id.as_str()));
    assert_eq!(told[0].client.as_deref(), Some("tester 1"));
    assert_eq!((told[0].calls, told[0].subscriptions), (1, 1));
    assert_eq!(told[0].principal.as_deref(), Some("anonymous"));
    assert!(told[0].ends_in_ms.is_some_and(|ms| ms > 0), "{told:?}");
    let overview = operations.overview().await.unwrap();
    assert_eq!((overview.sessions, overview.session_calls), (1, 1));
    let claim = crate::scene::claim_one(&*scene.workers, &scene.worker).await;
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    assert_eq!(operations.overview().await.unwrap().session_calls, 0);
}

async fn a_closer_look_finds_claims_and_streams_without_an_owner(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    scene.say(&owner, 1).await;
    let short = Duration::from_millis(1);
    scene.workers.renew_all(&scene.worker, short).await.unwrap();
    let found = prynai_test_redis::eventually!({
        let found = operations.diagnosis().await.unwrap();
        (!found.orphans.is_empty()).then_some(found)
    });
    assert_eq!(found.orphans.len(), 1);
    assert_eq!(found.orphans[0].entry, owner.entry.to_string());
    assert_eq!(found.orphans[0].worker, scene.worker.to_string());
    // Its gateway never said that it lives.
    assert_eq!(found.abandoned_streams, [owner.stream.to_string()]);
    assert_eq!(found.gateway_versions, []);
    let life = Duration::from_secs(60);
    scene.gateways.beat(&scene.gateway, life).await.unwrap();
    let found = operations.diagnosis().await.unwrap();
    assert_eq!(found.abandoned_streams, [""; 0]);
    assert_eq!(found.gateway_versions.len(), 1);
}
