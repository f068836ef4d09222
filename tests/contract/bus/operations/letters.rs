//! Dead letters: seen, dropped, and queued once more.

use prynai_bus::BusLimits;
use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, Operations, Replay, Replayed, Shelf};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::RequestEnvelope;

use super::entries::walk;
use crate::scene::{Kind, Scene, claim_one, json};

for_both_buses! {
    dead_letters_are_told_newest_first_in_pages,
    a_letter_has_its_message_and_its_call_is_dead,
    only_letters_that_are_there_are_dropped,
    a_replay_is_another_call_of_the_same_caller,
    a_letter_is_replayed_once,
    the_holder_of_a_replay_lives_and_is_no_gateway,
    a_call_under_an_idempotency_key_is_not_replayed_and_stays,
    a_replay_has_as_much_time_as_its_gateway_gave_it,
}

async fn put_aside(scene: &Scene, request: &RequestEnvelope, reason: &str) {
    let claim = scene.claimed(request).await;
    scene.workers.dead_letter(&claim, reason).await.unwrap();
}

async fn newest(operations: &dyn Operations) -> EntryId {
    let page = operations.entries(Shelf::DeadLetters, None, None).await;
    page.unwrap().entries[0].entry.as_str().into()
}

fn queued(replay: Replay) -> Replayed {
    match replay {
        Replay::Queued(replayed) => replayed,
        other => panic!("{other:?}"),
    }
}

async fn dead_letters_are_told_newest_first_in_pages(kind: Kind) {
    let limits = BusLimits {
        dead_letters: 120,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let operations = scene.operations().await;
    for number in 0..130 {
        put_aside(&scene, &scene.request(), &format!("reason {number}")).await;
    }
    let pages = walk(&*operations, Shelf::DeadLetters, None).await;
    let letters = pages.concat();
    let reasons = letters.iter().filter_map(|letter| letter.dead.as_ref());
    let reasons: Vec<_> = reasons.map(|dead| dead.reason.clone()).collect();
    let expected: Vec<_> = (10..130).rev().map(|n| format!("reason {n}")).collect();
    assert_eq!(pages[0].len(), 100);
    assert_eq!(reasons, expected);
    assert_eq!(operations.overview().await.unwrap().dead_letters, 120);
}

async fn a_letter_has_its_message_and_its_call_is_dead(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let request = scene.request();
    let claim = scene.claimed(&request).await;
    scene
        .workers
        .dead_letter(&claim, "begun 3 times")
        .await
        .unwrap();
    let name = newest(&*operations).await;
    let letter = operations.letter(&name).await.unwrap().expect("is there");
    assert_eq!(letter.message.as_deref(), Some(request.message.as_str()));
    let dead = letter.sight.dead.expect("says why");
    assert_eq!(
        (&*dead.entry, &*dead.reason),
        (claim.entry.as_str(), "begun 3 times")
    );
    for call in [
        CallName::Stream(request.stream),
        CallName::Entry(claim.entry.clone()),
        CallName::Entry(name),
    ] {
        let call = operations.call(&call).await.unwrap().expect("is known");
        assert!(call.dead.is_some() && call.entry.is_none(), "{call:?}");
        assert_eq!(call.stream, Some(request.stream.to_string()));
    }
}

async fn only_letters_that_are_there_are_dropped(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let mut names = vec![EntryId::from("7777777-0")];
    for _ in 0..3 {
        put_aside(&scene, &scene.request(), "hopeless").await;
        names.push(newest(&*operations).await);
    }
    let kept = names.remove(2);
    assert_eq!(operations.drop_letters(&names).await.unwrap(), 2);
    assert_eq!(operations.drop_letters(&names).await.unwrap(), 0);
    let left = walk(&*operations, Shelf::DeadLetters, None).await.concat();
    assert_eq!(left.len(), 1);
    assert_eq!(left[0].entry, kept.to_string());
    assert!(operations.letter(&names[1]).await.unwrap().is_none());
}

async fn a_replay_is_another_call_of_the_same_caller(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let request = RequestEnvelope {
        principal: Principal::named("alice"),
        ..scene.request()
    };
    put_aside(&scene, &request, "hopeless").await;
    let letter = newest(&*operations).await;
    let replayed = queued(operations.replay(&letter).await.unwrap());
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(claim.entry, replayed.entry);
    assert_eq!(claim.request.stream, replayed.stream);
    assert_ne!(claim.request.stream, request.stream);
    assert_eq!(claim.request.holder, replayed.holder);
    assert_eq!(claim.request.principal, request.principal);
    assert_eq!(claim.request.message, request.message);
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    let name = CallName::Stream(replayed.stream);
    let call = operations.call(&name).await.unwrap().expect("is kept");
    assert_eq!(call.log.expect("has a log").state, "finished");
}

async fn a_letter_is_replayed_once(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    put_aside(&scene, &scene.request(), "hopeless").await;
    let letter = newest(&*operations).await;
    queued(operations.replay(&letter).await.unwrap());
    let again = operations.replay(&letter).await.unwrap();
    assert!(matches!(again, Replay::Unknown), "{again:?}");
    assert_eq!(scene.depth().await, (1, 0));
    assert_eq!(operations.overview().await.unwrap().dead_letters, 0);
}

async fn the_holder_of_a_replay_lives_and_is_no_gateway(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    put_aside(&scene, &scene.request(), "hopeless").await;
    let letter = newest(&*operations).await;
    let replayed = queued(operations.replay(&letter).await.unwrap());
    operations.hold(&replayed).await.unwrap();
    let asked = [replayed.holder.clone(), scene.gateway.clone()];
    let silent = scene.workers.silent_among(&asked).await.unwrap();
    assert_eq!(silent, std::slice::from_ref(&scene.gateway));
    assert_eq!(operations.gateways().await.unwrap().len(), 0);
}

async fn a_call_under_an_idempotency_key_is_not_replayed_and_stays(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let keyed = r#"{"params":{"name":"pay","_meta":{"ai.prynai/idempotencyKey":"order"}}}"#;
    let request = RequestEnvelope {
        method: "tools/call".to_owned(),
        message: json(keyed),
        ..scene.request()
    };
    put_aside(&scene, &request, "hopeless").await;
    let letter = newest(&*operations).await;
    let replay = operations.replay(&letter).await.unwrap();
    let Replay::Unfit(reason) = replay else {
        panic!("{replay:?}");
    };
    assert!(reason.contains("under a new key"), "{reason}");
    assert_eq!(newest(&*operations).await, letter);
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_replay_has_as_much_time_as_its_gateway_gave_it(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let request = RequestEnvelope {
        queued_at_ms: 1_000,
        deadline_ms: Some(601_000),
        ..scene.request()
    };
    put_aside(&scene, &request, "hopeless").await;
    let letter = newest(&*operations).await;
    queued(operations.replay(&letter).await.unwrap());
    let again = claim_one(&*scene.workers, &scene.worker).await.request;
    let now_ms = scene.gateways.now_ms();
    assert!(
        again.queued_at_ms.abs_diff(now_ms) < 60_000,
        "{}",
        again.queued_at_ms
    );
    assert_eq!(again.deadline_ms, Some(again.queued_at_ms + 600_000));
}
