//! A call whose entry is known is cancelled.

use std::collections::BTreeSet;

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::request::{CallRef, Era};
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{Finish, LogState, Refusal};

use crate::scene::{Kind, claim_one, finish, message, next, response};

for_both_buses! {
    a_call_cancelled_while_it_waits_is_claimed_as_cancelled,
    a_call_cancelled_while_it_runs_is_silenced,
    a_call_cancelled_before_its_first_event_wakes_its_worker,
    a_cancelled_call_is_claimed_as_cancelled_again,
    a_cancelled_call_may_be_finished_and_is_gone,
    a_finished_call_cannot_be_cancelled,
    a_call_that_is_over_is_not_brought_back_by_a_cancel,
    the_cancelled_are_told_apart,
}

async fn a_call_cancelled_while_it_waits_is_claimed_as_cancelled(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let request = scene.request();
    let call = CallRef {
        stream: request.stream,
        entry: scene.gateways.enqueue(&request).await.unwrap(),
    };
    let (stream, entry) = (&call.stream, Some(&call.entry));
    let cancelled = scene.gateways.cancel_call(stream, entry, Era::Modern).await;
    cancelled.unwrap();

    let told = next(&mut events).await;
    assert_eq!(
        (told.stream, told.kind),
        (call.stream, EventKind::Cancelled)
    );
    assert_eq!(told.message, None);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(claim.entry, call.entry);
    assert!(claim.cancelled);

    // A worker that did not look is stopped at its first write.
    let owner = claim.ownership(&scene.worker);
    let appended = scene.workers.append(&owner, &message(call.stream, 1)).await;
    assert_eq!(appended.unwrap(), Err(Refusal::Cancelled));
}

async fn a_call_cancelled_while_it_runs_is_silenced(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;

    scene.cancel(&owner).await;

    assert_eq!(
        next(&mut signals).await,
        Signal::new(owner.stream, SignalKind::Cancel)
    );
    assert_eq!(next(&mut events).await, first);
    let told = next(&mut events).await;
    assert_eq!(
        (told.stream, told.kind),
        (owner.stream, EventKind::Cancelled)
    );
    assert!(
        told.offset > first.offset,
        "it comes after all that was said"
    );

    let appended = scene
        .workers
        .append(&owner, &message(owner.stream, 2))
        .await;
    assert_eq!(appended.unwrap(), Err(Refusal::Cancelled));
    let (logged, state) = scene.log(owner.stream).await.expect("the mark is kept");
    assert_eq!(state, LogState::Cancelled);
    let messages: Vec<_> = logged
        .iter()
        .filter(|event| event.message.is_some())
        .collect();
    assert_eq!(messages, [&first]);
}

async fn a_call_cancelled_before_its_first_event_wakes_its_worker(kind: Kind) {
    let scene = kind.scene().await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let owner = scene.owned().await;
    scene.cancel(&owner).await;

    assert_eq!(
        next(&mut signals).await,
        Signal::new(owner.stream, SignalKind::Cancel)
    );
    let cancelled = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(cancelled.unwrap(), [owner.stream]);
}

async fn a_cancelled_call_is_claimed_as_cancelled_again(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let claim = scene.passed_on(&owner, &WorkerId::generate()).await;
    assert!(claim.cancelled);
}

async fn a_cancelled_call_may_be_finished_and_is_gone(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;

    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let answer = finish(&owner, &response(owner.stream, 1));
    let answers = scene.workers.finish(&[answer]).await.unwrap();
    assert_eq!(answers, [Err(Refusal::Cancelled)]);
    assert_eq!(scene.depth().await, (0, 0));

    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let silent = Finish {
        ownership: owner,
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    scene.workers.finish(&[silent]).await.unwrap();
    assert_eq!(scene.depth().await, (0, 0));

    // The holder heard of the two cancels and of nothing else.
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    for _ in 0..2 {
        assert_eq!(next(&mut events).await.kind, EventKind::Cancelled);
    }
    assert_eq!(next(&mut events).await, sentinel);
}

async fn a_finished_call_cannot_be_cancelled(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let last = scene.respond(&owner, 1).await;
    scene.cancel(&owner).await;

    let cancelled = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(cancelled.unwrap(), []);
    let expected = Some((vec![last.clone()], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [last, sentinel]
    );
}

async fn a_call_that_is_over_is_not_brought_back_by_a_cancel(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.respond(&owner, 1).await;
    scene.gateways.release(&[owner.stream]).await.unwrap();
    scene.cancel(&owner).await;

    assert_eq!(scene.log(owner.stream).await, None);
    let cancelled = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(cancelled.unwrap(), []);
}

async fn the_cancelled_are_told_apart(kind: Kind) {
    let scene = kind.scene().await;
    let mut calls = Vec::new();
    for _ in 0..6 {
        calls.push(scene.owned().await);
    }
    scene.say(&calls[0], 1).await;
    scene.say(&calls[1], 1).await;
    for call in [&calls[1], &calls[2], &calls[5]] {
        scene.cancel(call).await;
    }

    let mut asked: Vec<_> = calls.iter().map(|call| call.stream).collect();
    asked.push(StreamId::generate());
    let cancelled = scene.workers.cancelled_among(&asked).await.unwrap();
    assert_eq!(
        BTreeSet::from_iter(cancelled),
        BTreeSet::from([calls[1].stream, calls[2].stream, calls[5].stream])
    );
}
