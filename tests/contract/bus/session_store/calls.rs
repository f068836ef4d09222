//! Which calls wait or run in a session, and how they are found.

use std::collections::BTreeSet;

use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::{LogLevel, SessionChange};
use prynai_bus::{BusError, BusLimits};

use super::is_absent;
use crate::scene::{Kind, claim_one, legacy_request};

for_both_buses! {
    an_ended_session_names_its_calls_until_it_is_forgotten,
    an_ended_session_names_its_running_calls,
    calls_are_found_by_the_clients_request_id,
    calls_of_one_request_id_are_told_apart,
    a_call_is_found_from_its_queueing_to_its_end,
    a_dead_letter_is_no_call_any_more,
    a_call_goes_with_the_log_level_of_its_session,
    a_call_of_an_ended_session_is_not_queued,
    a_recalled_session_may_have_ended,
    running_calls_are_bounded,
}

async fn an_ended_session_names_its_running_calls(kind: Kind) {
    let scene = kind.scene().await;
    let (id, idle) = (scene.session().await, scene.session().await);
    let one = scene.called(&id, "1").await;
    let two = scene.called(&id, "2").await;
    let three = scene.called(&id, "\"3\"").await;
    scene.end_call(&id, &two, "2").await;

    let ended = scene.end(&id).await;
    let streams = ended
        .expect("it had not ended")
        .into_iter()
        .map(|call| call.stream);
    assert_eq!(
        BTreeSet::from_iter(streams),
        BTreeSet::from([one.stream, three.stream])
    );
    scene.gateways.forget_session(&id).await.unwrap();
    assert_eq!(scene.end(&id).await, None);
    assert_eq!(scene.end(&idle).await, Some(Vec::new()));
}

async fn calls_are_found_by_the_clients_request_id(kind: Kind) {
    let scene = kind.scene().await;
    let (id, other) = (scene.session().await, scene.session().await);
    let ids = ["1", "\"1\"", "1.0", "\"a b:c\"", "\"c\"", "\"\""];
    let mut calls = Vec::new();
    for request_id in ids {
        calls.push(Some(scene.called(&id, request_id).await));
    }
    for (request_id, call) in ids.iter().zip(&calls) {
        assert_eq!(scene.find(&id, request_id).await, *call);
        assert_eq!(scene.find(&other, request_id).await, None);
    }

    let ended = calls[0].clone().unwrap();
    scene.end_call(&id, &ended, "1").await;
    assert_eq!(scene.find(&id, "1").await, None);
    assert_eq!(scene.find(&id, "\"1\"").await, calls[1]);

    // The client may use the id of an ended call again.
    let again = scene.called(&id, "1").await;
    assert_eq!(scene.find(&id, "1").await, Some(again));
}

async fn calls_of_one_request_id_are_told_apart(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let one = scene.called(&id, "1").await;
    let two = scene.called(&id, "1").await;
    let mut found = scene.find_all(&id, "1").await;
    found.sort_by_key(|call| call.stream);
    assert_eq!(found, [one.clone(), two.clone()]);
    scene.end_call(&id, &one, "1").await;
    assert_eq!(scene.find(&id, "1").await, Some(two.clone()));
    let ended = scene.end(&id).await;
    assert_eq!(ended, Some(vec![two]));
}

async fn a_call_is_found_from_its_queueing_to_its_end(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let call = scene.called(&id, "1").await;
    assert_eq!(scene.find(&id, "1").await, Some(call.clone()));
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(
        (&claim.entry, claim.request.stream),
        (&call.entry, call.stream)
    );
    let owner = claim.ownership(&scene.worker);
    scene.say(&owner, 1).await;
    assert_eq!(scene.find(&id, "1").await, Some(call));
    scene.respond(&owner, 2).await;
    assert_eq!(scene.find(&id, "1").await, None);
    assert_eq!(scene.end(&id).await, Some(Vec::new()));
}

async fn a_dead_letter_is_no_call_any_more(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    scene.called(&id, "1").await;
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    scene.workers.dead_letter(&claim, "hopeless").await.unwrap();
    assert_eq!(scene.find(&id, "1").await, None);
}

async fn a_call_goes_with_the_log_level_of_its_session(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let recall = async || {
        let caller = Principal::anonymous();
        let recalled = scene.gateways.recall_session(&id, &caller).await;
        recalled.unwrap().expect("it lives")
    };
    recall().await;
    // Another gateway changes it.
    let level = SessionChange::LogLevel(LogLevel::Alert);
    assert!(scene.workers.change_session(&id, &level).await.unwrap());
    for request_id in ["1", "2"] {
        let mut request = scene.call_request(&id, request_id);
        request.session = Some(recall().await);
        scene.gateways.enqueue_call(&request).await.unwrap();
        let claim = claim_one(&*scene.workers, &scene.worker).await;
        let session = claim.request.session.expect("it has one");
        assert_eq!(session.log_level, Some(LogLevel::Alert));
    }
}

async fn a_call_of_an_ended_session_is_not_queued(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    scene.end(&id).await;
    is_absent(&scene, &id).await;
    let mut homeless = legacy_request(&scene.gateway, &id);
    homeless.session = None;
    let refused = scene.gateways.enqueue_call(&homeless).await;
    assert!(matches!(refused, Err(BusError::SessionEnded)));
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_recalled_session_may_have_ended(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let recall = |caller| {
        let (bus, id) = (scene.gateways.clone(), id.clone());
        async move { bus.recall_session(&id, &caller).await.unwrap() }
    };
    assert!(recall(Principal::anonymous()).await.is_some());
    assert_eq!(recall(Principal::named("a stranger")).await, None);
    // By another gateway.
    let owner = Principal::anonymous();
    let ended = scene.workers.end_session(&id, &owner).await;
    assert!(ended.unwrap().is_some_and(|ended| ended.calls.is_empty()));
    let called = scene.call(&id, "1").await;
    assert!(matches!(called, Err(BusError::SessionEnded)), "{called:?}");
    assert_eq!(recall(Principal::anonymous()).await, None);
}

async fn running_calls_are_bounded(kind: Kind) {
    let limits = BusLimits {
        session_calls: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let (id, other) = (scene.session().await, scene.session().await);
    let is_full = |called| matches!(called, Err(BusError::Full { limit: 2, .. }));
    let one = scene.called(&id, "1").await;
    scene.called(&id, "2").await;
    assert!(is_full(scene.call(&id, "3").await));
    assert_eq!(scene.find(&id, "3").await, None);
    scene.called(&other, "3").await;

    scene.end_call(&id, &one, "1").await;
    scene.called(&id, "3").await;
    assert!(is_full(scene.call(&id, "4").await));
}

async fn an_ended_session_names_its_calls_until_it_is_forgotten(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let call = scene.called(&id, "1").await;
    let stranger = Principal {
        subject: "a stranger".to_owned(),
        ..Principal::anonymous()
    };
    let by_stranger = || scene.gateways.end_session(&id, &stranger);
    assert_eq!(by_stranger().await.unwrap(), None);
    assert!(scene.touch(&id).await.is_some(), "a stranger ended it");

    let running = Some(vec![call]);
    for _ in 0..2 {
        assert_eq!(scene.end(&id).await, running);
        is_absent(&scene, &id).await;
        assert_eq!(by_stranger().await.unwrap(), None);
    }
    for _ in 0..2 {
        scene.gateways.forget_session(&id).await.unwrap();
        assert_eq!(scene.end(&id).await, None);
    }
}
