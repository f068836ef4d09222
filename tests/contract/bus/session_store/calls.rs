//! Which calls run in a session, and how they are found.

use std::collections::BTreeSet;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::{BeginCall, BegunCall, BusLimits, Placed};

use super::is_absent;
use crate::scene::{Kind, json};

for_both_buses! {
    an_ended_session_names_its_calls_until_it_is_forgotten,
    a_call_that_is_begun_again_has_its_place,
    a_cancel_is_told_to_whoever_places_the_call_again,
    an_ended_session_names_its_running_calls,
    calls_are_found_by_the_clients_request_id,
    calls_of_one_request_id_are_told_apart,
    a_begun_call_is_found_before_it_is_placed,
    an_ended_session_names_calls_that_are_not_placed_yet,
    a_call_that_is_over_before_it_is_placed_stays_forgotten,
    running_calls_are_bounded,
}

async fn an_ended_session_names_its_running_calls(kind: Kind) {
    let scene = kind.scene().await;
    let (id, idle) = (scene.session().await, scene.session().await);
    let one = scene.record(&id, "1").await;
    let two = scene.record(&id, "2").await;
    let three = scene.record(&id, "\"3\"").await;
    scene.forget(&id, two.stream).await;

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
    let ids = ["1", "\"1\"", "1.0", "\"a b:c\""];
    let mut calls = Vec::new();
    for request_id in ids {
        calls.push(Some(scene.record(&id, request_id).await));
    }
    for (request_id, call) in ids.iter().zip(&calls) {
        assert_eq!(scene.find(&id, request_id).await, *call);
        assert_eq!(scene.find(&other, request_id).await, None);
    }

    let ended = calls[0].clone().unwrap();
    scene.forget(&id, ended.stream).await;
    assert_eq!(scene.find(&id, "1").await, None);
    assert_eq!(scene.find(&id, "\"1\"").await, calls[1]);

    // The client may use the id of an ended call again.
    let again = scene.record(&id, "1").await;
    assert_eq!(scene.find(&id, "1").await, Some(again));
}

async fn calls_of_one_request_id_are_told_apart(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let one = scene.record(&id, "1").await;
    let two = scene.record(&id, "1").await;
    let mut found = scene.find_all(&id, "1").await;
    found.sort_by_key(|call| call.stream);
    assert_eq!(found, [one.clone(), two.clone()]);
    scene.forget(&id, one.stream).await;
    assert_eq!(scene.find(&id, "1").await, Some(two.clone()));
    let ended = scene.end(&id).await;
    assert_eq!(ended, Some(vec![two]));
}

async fn a_begun_call_is_found_before_it_is_placed(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let entry = None;
    assert_eq!(
        scene.find(&id, "1").await,
        Some(BegunCall { stream, entry })
    );
    // Whoever queues it learns of the cancel, and may not have heard of it.
    let (call, placed) = scene.place(&id, stream).await;
    assert_eq!(placed, Placed::Cancelled);
    let entry = Some(call.entry);
    assert_eq!(
        scene.find(&id, "1").await,
        Some(BegunCall { stream, entry })
    );
    assert_eq!(scene.place(&id, stream).await.1, Placed::Cancelled);
}

async fn an_ended_session_names_calls_that_are_not_placed_yet(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let ended = scene.end(&id).await;
    let entry = None;
    assert_eq!(ended, Some(vec![BegunCall { stream, entry }]));
    assert_eq!(scene.place(&id, stream).await.1, Placed::SessionEnded);
}

async fn a_call_that_is_over_before_it_is_placed_stays_forgotten(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    scene.forget(&id, stream).await;
    assert_eq!(scene.place(&id, stream).await.1, Placed::Running);
    assert_eq!(scene.find(&id, "1").await, None);
}

async fn running_calls_are_bounded(kind: Kind) {
    let limits = BusLimits {
        session_calls: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let (id, other) = (scene.session().await, scene.session().await);
    let one = scene.begin(&id, "1").await.expect("there is room");
    scene.begin(&id, "2").await.expect("there is room");
    assert_eq!(scene.begin(&id, "3").await, None);
    assert_eq!(scene.find(&id, "3").await, None);
    scene.begin(&other, "3").await.expect("there is room");

    scene.forget(&id, one).await;
    scene.begin(&id, "3").await.expect("there is room");
    assert_eq!(scene.begin(&id, "4").await, None);
}

async fn an_ended_session_names_its_calls_until_it_is_forgotten(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let stranger = Principal {
        subject: "a stranger".to_owned(),
        ..Principal::anonymous()
    };
    let by_stranger = || scene.gateways.end_session(&id, &stranger);
    assert_eq!(by_stranger().await.unwrap(), None);
    assert!(scene.touch(&id).await.is_some(), "a stranger ended it");

    let running = Some(vec![BegunCall {
        stream,
        entry: None,
    }]);
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

async fn a_call_that_is_begun_again_has_its_place(kind: Kind) {
    let limits = BusLimits {
        session_calls: 1,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let id = scene.session().await;
    let begin = BeginCall {
        stream: StreamId::generate(),
        request_id: json("1"),
    };
    for _ in 0..2 {
        let owner = Principal::anonymous();
        let touched = scene.gateways.touch_session(&id, &owner, Some(&begin));
        assert!(touched.await.unwrap().is_some_and(|t| t.has_room));
    }
    assert_eq!(scene.begin(&id, "2").await, None);
}

async fn a_cancel_is_told_to_whoever_places_the_call_again(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let cancelled = scene.gateways.note_cancel(&id, &json("1")).await;
    assert_eq!(cancelled.unwrap().len(), 1);
    for _ in 0..2 {
        assert_eq!(scene.place(&id, stream).await.1, Placed::Cancelled);
    }
}
