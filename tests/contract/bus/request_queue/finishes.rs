//! The end of a call: its response, and its entry.

use prynai_bus::ids::{GatewayId, WorkerId};
use prynai_bus::{Finish, LogState, Refusal};

use crate::scene::{Kind, finish, modern_request, next, response};

for_both_buses! {
    a_finish_logs_publishes_and_removes,
    many_requests_of_several_holders_finish_in_one_call,
    a_repeated_finish_is_accepted_and_published_once,
    a_finish_without_event_removes_the_entry_in_silence,
    a_finish_after_a_take_over_leaves_the_entry_to_its_new_owner,
    a_request_finished_before_the_take_over_is_over,
}

async fn a_finish_logs_publishes_and_removes(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;

    let last = scene.respond(&owner, 1).await;
    assert_eq!(next(&mut events).await, last);
    assert_eq!(scene.depth().await, (0, 0));
    let expected = Some((vec![last], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
}

async fn many_requests_of_several_holders_finish_in_one_call(kind: Kind) {
    let scene = kind.scene().await;
    let holders: Vec<_> = (0..3).map(|_| GatewayId::generate()).collect();
    let mut finishes = Vec::new();
    for number in 0..30 {
        let request = modern_request(&holders[number % 3]);
        let owner = scene.claimed(&request).await.ownership(&scene.worker);
        let answer = response(owner.stream, 1);
        finishes.push(finish(&owner, &answer));
    }
    // One in the middle was taken over, another is cancelled: the others do not suffer.
    let lost = &finishes[10].ownership;
    let other = WorkerId::generate();
    let new_owner = scene.passed_on(lost, &other).await.ownership(&other);
    scene.workers.take_over(&new_owner).await.unwrap();
    scene.cancel(&finishes[20].ownership).await;

    let mut news = Vec::new();
    for holder in &holders {
        news.push(scene.events_of(holder).await);
    }
    let answers = scene.workers.finish(&finishes).await.unwrap();

    for (number, answer) in answers.iter().enumerate() {
        let expected = match number {
            10 => Err(Refusal::LostOwnership),
            20 => Err(Refusal::Cancelled),
            _ => Ok(()),
        };
        assert_eq!(*answer, expected, "request {number}");
        if answer.is_ok() {
            let published = next(&mut news[number % 3]).await;
            assert_eq!(Some(published), finishes[number].event, "request {number}");
        }
    }
    assert_eq!(answers.len(), finishes.len());
    assert_eq!(scene.depth().await, (0, 1), "only the lost one is left");
}

async fn a_repeated_finish_is_accepted_and_published_once(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    scene.respond(&owner, 2).await;
    let last = scene.respond(&owner, 2).await;

    let sentinel = scene.respond(&scene.owned().await, 1).await;
    let heard = [next(&mut events).await, next(&mut events).await];
    assert_eq!(heard, [first, last]);
    assert_eq!(next(&mut events).await, sentinel, "published twice");
}

async fn a_finish_without_event_removes_the_entry_in_silence(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let silent = Finish {
        ownership: scene.owned().await,
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    let answers = scene.workers.finish(&[silent]).await.unwrap();
    assert_eq!(answers, [Ok(())]);
    assert_eq!(scene.depth().await, (0, 0));

    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(next(&mut events).await, sentinel);
}

async fn a_finish_after_a_take_over_leaves_the_entry_to_its_new_owner(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();

    let late = finish(&old, &response(old.stream, 1));
    let answers = scene.workers.finish(&[late]).await.unwrap();
    assert_eq!(answers, [Err(Refusal::LostOwnership)]);
    assert_eq!(scene.depth().await, (0, 1));

    let last = scene.respond(&new, 1).await;
    assert_eq!(next(&mut events).await, last, "the old owner was heard");
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_request_finished_before_the_take_over_is_over(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);

    // Not taken over yet, so the first worker's answer counts, and there is nothing left to do.
    let last = scene.respond(&old, 1).await;
    let late = finish(&new, &response(new.stream, 1));
    let answers = scene.workers.finish(&[late]).await.unwrap();
    assert!(answers[0].is_err(), "{answers:?}");
    let (events, _) = scene.log(old.stream).await.expect("the log is kept");
    assert_eq!(events, [last]);
    assert_eq!(scene.depth().await, (0, 0));
}
