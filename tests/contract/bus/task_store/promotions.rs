//! How a call becomes a task, and what it is until it ends.

use std::time::Duration;

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::{Promotion, TaskState};
use prynai_bus::{BusError, BusLimits, LogState, Refusal, ShareFull, TakeOver};
use prynai_test_redis::assert_eventually;

use super::{BORN_MS, HOUR, OWNER, promotion};
use crate::scene::{Kind, message, next};

for_both_buses! {
    the_response_that_names_a_task_is_its_first_event_or_a_later_one,
    a_task_belongs_to_one_principal,
    a_promotion_may_be_repeated,
    nothing_is_published_of_a_task,
    who_takes_a_task_over_is_told_that_it_is_one,
    a_task_says_only_what_it_said_last,
    a_call_that_is_not_ones_own_is_not_promoted,
    a_cancelled_call_is_not_promoted,
    an_ended_call_is_not_promoted,
    a_copy_is_not_promoted,
    tasks_are_bounded_in_all_and_for_each_caller,
    who_asks_for_room_is_told_what_is_full,
    the_end_of_a_connection_cancels_a_call_but_no_task,
}

async fn the_response_that_names_a_task_is_its_first_event_or_a_later_one(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let silent = scene.owned().await;
    let first = scene.promote(&silent, 1).await;
    assert_eq!(next(&mut events).await, first);
    assert_eq!(
        scene.log(silent.stream).await,
        Some((vec![first], LogState::Open))
    );

    let talking = scene.owned().await;
    let said = scene.say(&talking, 1).await;
    let second = scene.promote(&talking, 2).await;
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [said.clone(), second.clone()]
    );
    assert_eq!(
        scene.log(talking.stream).await,
        Some((vec![said, second], LogState::Open))
    );

    // A client that waits in silence has its log opened by its gateway.
    let opened = scene.owned().await;
    let (stream, holder) = (&opened.stream, &scene.gateway);
    scene
        .gateways
        .open_log(stream, holder, None, Era::Modern)
        .await
        .unwrap();
    let third = scene.promote(&opened, 1).await;
    assert_eq!(next(&mut events).await, third);
}

async fn a_task_belongs_to_one_principal(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    assert_eq!(scene.task(owner.stream).await, None, "a call is no task");
    scene.promote(&owner, 1).await;

    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!((task.state, task.message), (TaskState::Working, None));
    assert_eq!((task.birth.created_ms, task.changed_ms), (BORN_MS, BORN_MS));
    assert_eq!((task.ttl, task.entry), (HOUR, owner.entry.clone()));
    for stranger in ["", "user:2", "user:"] {
        let seen = scene.gateways.task(&owner.stream, stranger).await.unwrap();
        assert_eq!(seen, None, "{stranger:?}");
    }
    let unknown = StreamId::generate();
    assert_eq!(scene.gateways.task(&unknown, OWNER).await.unwrap(), None);
}

async fn a_promotion_may_be_repeated(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.promote(&owner, 1).await;
    let mut later = promotion(&owner, 1);
    later.birth.created_ms += 1000;
    let again = scene.workers.promote(&owner, &later).await.unwrap();
    assert_eq!(again, Ok(()));
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(task.birth.created_ms, BORN_MS);
    // It is published once.
    let sentinel = scene.promote(&scene.owned().await, 1).await;
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [first, sentinel]
    );
}

async fn nothing_is_published_of_a_task(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let named = scene.promote(&owner, 1).await;
    let said = scene.say(&owner, 2).await;
    let last = scene.respond(&owner, 3).await;
    let other = scene.owned().await;
    let sentinel = scene.respond(&other, 1).await;
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [named.clone(), sentinel]
    );
    let log = scene.log(owner.stream).await;
    assert_eq!(log, Some((vec![named, said, last], LogState::Finished)));
}

async fn who_takes_a_task_over_is_told_that_it_is_one(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let promotion = promotion(&old, 1);
    scene.promote(&old, 1).await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    for _ in 0..2 {
        let taken = scene.workers.take_over(&new).await.unwrap();
        let task = Some(promotion.birth.clone());
        assert_eq!(taken, TakeOver::Taken { newest: 1, task });
    }

    let refused = scene.workers.note_status(&old, "late").await.unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
    scene.respond(&new, 2).await;
    let task = scene.task(old.stream).await.expect("is there");
    assert!(matches!(task.state, TaskState::Ended(_)), "{task:?}");
}

async fn a_task_says_only_what_it_said_last(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    let early = scene.workers.note_status(&owner, "no task").await.unwrap();
    assert_eq!(early, Err(Refusal::LostOwnership));
    scene.promote(&owner, 1).await;
    for said in ["one", "two"] {
        let noted = scene.workers.note_status(&owner, said).await.unwrap();
        assert_eq!(noted, Ok(()));
    }
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(task.message.as_deref(), Some("two"));
    assert!(task.changed_ms >= BORN_MS);

    scene.respond(&owner, 2).await;
    let late = scene.workers.note_status(&owner, "three").await.unwrap();
    assert_eq!(late, Err(Refusal::Finished));
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(task.message.as_deref(), Some("two"));
}

async fn a_call_that_is_not_ones_own_is_not_promoted(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    scene.say(&old, 1).await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();
    let refused = scene
        .workers
        .promote(&old, &promotion(&old, 2))
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
    assert_eq!(scene.task(old.stream).await, None);
    scene.promote(&new, 2).await;
}

async fn a_cancelled_call_is_not_promoted(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.say(&owner, 1).await;
    scene.cancel(&owner).await;
    let promotion = promotion(&owner, 2);
    let refused = scene.workers.promote(&owner, &promotion).await.unwrap();
    assert_eq!(refused, Err(Refusal::Cancelled));
    assert_eq!(scene.task(owner.stream).await, None);
}

async fn an_ended_call_is_not_promoted(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.respond(&owner, 1).await;
    let promotion = promotion(&owner, 1);
    let refused = scene.workers.promote(&owner, &promotion).await.unwrap();
    assert_eq!(refused, Err(Refusal::Finished));

    // Nor is its log made again once it was released.
    scene.gateways.release(&[owner.stream]).await.unwrap();
    let refused = scene.workers.promote(&owner, &promotion).await.unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
    assert_eq!(scene.log(owner.stream).await, None);
}

async fn a_copy_is_not_promoted(kind: Kind) {
    let scene = kind.scene().await;
    let request = scene.request();
    let own = scene.claimed(&request).await.ownership(&scene.worker);
    let copy = scene.claimed(&request).await.ownership(&scene.worker);
    scene.say(&own, 1).await;
    let refused = scene
        .workers
        .promote(&copy, &promotion(&copy, 2))
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::Finished));
    scene.promote(&own, 2).await;
    let noted = scene.workers.note_status(&copy, "copy").await.unwrap();
    assert_eq!(noted, Err(Refusal::Finished));
}

async fn tasks_are_bounded_in_all_and_for_each_caller(kind: Kind) {
    let limits = BusLimits {
        tasks: 3,
        caller_tasks: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    for _ in 0..2 {
        scene.promote(&scene.owned().await, 1).await;
    }
    let third = scene.owned().await;
    let refused = scene
        .workers
        .promote(&third, &promotion(&third, 1))
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::LogFull));
    // It is a call as before.
    scene.say(&third, 1).await;
    scene.respond(&third, 2).await;

    let mut others = Vec::new();
    for (name, expected) in [("user:2", Ok(())), ("user:3", Err(Refusal::LogFull))] {
        let owner = scene.owned().await;
        let promotion = Promotion {
            principal: name.to_owned(),
            share: Principal::named(name).share(),
            ..promotion(&owner, 1)
        };
        let promoted = scene.workers.promote(&owner, &promotion).await.unwrap();
        assert_eq!(promoted, expected, "{name}");
        others.push(owner);
    }
    // One that counts already does so once.
    let again = Promotion {
        principal: "user:2".to_owned(),
        share: Principal::named("user:2").share(),
        ..promotion(&others[0], 1)
    };
    assert_eq!(
        scene.workers.promote(&others[0], &again).await.unwrap(),
        Ok(())
    );
}

async fn who_asks_for_room_is_told_what_is_full(kind: Kind) {
    let limits = BusLimits {
        tasks: 3,
        caller_tasks: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let begin = async |name: &str, life: Duration| {
        let owner = scene.owned().await;
        let mut begun = promotion(&owner, 1);
        begun.principal = name.to_owned();
        begun.share = Principal::named(name).share();
        begun.birth.created_ms = scene.gateways.now_ms();
        (begun.ttl, begun.kept) = (life, Duration::from_millis(1));
        let promoted = scene.workers.promote(&owner, &begun).await;
        assert_eq!(promoted.expect("asked"), Ok(()), "{name}");
        owner
    };
    let room = async |name: &str| {
        let share = Principal::named(name).share();
        scene.gateways.check_task_room(&share).await
    };
    begin(OWNER, HOUR).await;
    assert!(room(OWNER).await.is_ok());
    begin(OWNER, HOUR).await;
    let full = room(OWNER).await;
    assert!(
        matches!(
            full,
            Err(BusError::ShareFull(ShareFull::Tasks { limit: 2 }))
        ),
        "{full:?}"
    );
    assert!(room("user:2").await.is_ok());
    let brief = begin("user:2", Duration::from_millis(50)).await;
    let full = room("user:2").await;
    assert!(
        matches!(full, Err(BusError::TasksFull { limit: 3 })),
        "{full:?}"
    );
    // With the time of a task its place is free, once it has ended.
    scene.respond(&brief, 2).await;
    assert_eventually!(room("user:2").await.is_ok());
}

async fn the_end_of_a_connection_cancels_a_call_but_no_task(kind: Kind) {
    let scene = kind.scene().await;
    let (call, task) = (scene.owned().await, scene.owned().await);
    scene.say(&call, 1).await;
    scene.promote(&task, 1).await;
    for entry in [true, false] {
        for owner in [&call, &task] {
            let entry = entry.then_some(&owner.entry);
            let gateways = &scene.gateways;
            gateways
                .abandon_call(&owner.stream, entry, owner.era)
                .await
                .unwrap();
        }
    }
    let refused = scene
        .workers
        .append(&call, &message(call.stream, 2))
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::Cancelled));
    scene.respond(&task, 2).await;
}
