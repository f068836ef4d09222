//! [`EventLog`](prynai_bus::EventLog): only the owner writes.

use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, LogState, Refusal, TakeOver};
use prynai_test_redis::assert_eventually;

use crate::scene::{Kind, finish, message, next, response};

for_both_buses! {
    a_take_over_shuts_the_former_owner_out,
    a_take_over_before_any_event_shuts_the_first_write_out,
    a_take_over_may_be_repeated,
    a_take_over_begins_the_retention_anew,
    an_earlier_claim_cannot_take_back_a_stream,
    a_later_delivery_does_not_own_by_writing,
    a_finished_or_cancelled_stream_is_not_taken_over,
}

async fn a_take_over_shuts_the_former_owner_out(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let old = scene.owned().await;
    scene.say(&old, 1).await;
    scene.say(&old, 2).await;

    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    let taken = scene.workers.take_over(&new).await.unwrap();
    assert_eq!(
        taken,
        TakeOver::Taken {
            newest: 2,
            task: None
        }
    );

    for offset in [1, 2, 3] {
        let late = message(old.stream, offset);
        let refused = scene.workers.append(&old, &late).await.unwrap();
        assert_eq!(refused, Err(Refusal::LostOwnership), "offset {offset}");
    }
    let third = scene.say(&new, 3).await;
    let last = scene.respond(&new, 4).await;
    for offset in [1, 2] {
        assert_eq!(next(&mut events).await.offset, offset);
    }
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [third, last]
    );
}

async fn a_take_over_before_any_event_shuts_the_first_write_out(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    let taken = scene.workers.take_over(&new).await.unwrap();
    assert_eq!(
        taken,
        TakeOver::Taken {
            newest: 0,
            task: None
        }
    );

    let late = message(old.stream, 1);
    let refused = scene.workers.append(&old, &late).await.unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
    scene.say(&new, 1).await;
}

async fn a_take_over_may_be_repeated(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    for _ in 0..2 {
        let taken = scene.workers.take_over(&new).await.unwrap();
        assert_eq!(
            taken,
            TakeOver::Taken {
                newest: 0,
                task: None
            }
        );
    }
    scene.respond(&new, 1).await;
}

async fn a_take_over_begins_the_retention_anew(kind: Kind) {
    let limits = BusLimits {
        open_retention: Duration::from_secs(1),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let (old, neglected) = (scene.owned().await, scene.owned().await);
    let first = scene.say(&old, 1).await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.say(&neglected, 1).await;

    // The other log is the younger one.
    assert_eventually!({
        let taken = scene.workers.take_over(&new).await.unwrap();
        assert_eq!(
            taken,
            TakeOver::Taken {
                newest: 1,
                task: None
            },
            "the log is lost"
        );
        scene.log(neglected.stream).await.is_none()
    });
    let expected = Some((vec![first], LogState::Open));
    assert_eq!(scene.log(new.stream).await, expected);
}

async fn an_earlier_claim_cannot_take_back_a_stream(kind: Kind) {
    let scene = kind.scene().await;
    let first = scene.owned().await;
    let (second_worker, third_worker) = (WorkerId::generate(), WorkerId::generate());
    let claim = scene.passed_on(&first, &second_worker).await;
    let second = claim.ownership(&second_worker);
    let third = scene.passed_on(&second, &third_worker).await;
    let third = third.ownership(&third_worker);
    scene.workers.take_over(&third).await.unwrap();

    let late = scene.workers.take_over(&second).await.unwrap();
    assert_eq!(late, TakeOver::Refused(Refusal::LostOwnership));
    scene.say(&third, 1).await;
}

async fn a_later_delivery_does_not_own_by_writing(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);

    let event = message(new.stream, 1);
    let refused = scene.workers.append(&new, &event).await.unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
    let answer = finish(&new, &response(new.stream, 1));
    let refused = scene.workers.finish(&[answer]).await.unwrap();
    assert_eq!(refused, [Err(Refusal::LostOwnership)]);
    assert_eq!(scene.log(new.stream).await, None);
    assert_eq!(scene.depth().await, (0, 1));

    // Nor when the log was opened before.
    let opened = scene
        .gateways
        .open_log(&new.stream, &scene.gateway, None, Era::Modern)
        .await;
    opened.unwrap();
    let refused = scene.workers.append(&new, &event).await.unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
}

async fn a_finished_or_cancelled_stream_is_not_taken_over(kind: Kind) {
    let scene = kind.scene().await;
    let worker = WorkerId::generate();

    let old = scene.owned().await;
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.respond(&old, 1).await;
    let refused = scene.workers.take_over(&new).await.unwrap();
    assert_eq!(refused, TakeOver::Refused(Refusal::Finished));

    let old = scene.owned().await;
    scene.cancel(&old).await;
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    let refused = scene.workers.take_over(&new).await.unwrap();
    assert_eq!(refused, TakeOver::Refused(Refusal::Cancelled));
}
