//! How a task ends, and how long it can be asked for.

use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::task::TaskState;
use prynai_bus::{BusLimits, Claim, Finish, LogState, Ownership, Refusal, TakeOver};
use prynai_test_redis::assert_eventually;

use super::{HOUR, OWNER, promotion};
use crate::scene::{Kind, Scene, claim_one, finish, message, response};

for_both_buses! {
    the_response_of_a_task_is_kept,
    a_large_response_of_a_task_is_shown,
    a_task_outlives_what_calls_are_kept_for,
    a_task_is_gone_when_its_time_is_over,
    a_task_that_takes_too_long_is_not_begun_anew,
    an_ended_task_makes_room,
    a_task_that_runs_is_cancelled,
    a_task_that_waits_for_another_worker_is_cancelled,
    a_task_may_be_cancelled_again,
    an_ended_task_stays_as_it_is,
}

/// A bus that keeps nothing of a call for long.
async fn hasty(kind: Kind) -> Scene {
    let brief = Duration::from_millis(100);
    let limits = BusLimits {
        open_retention: brief,
        modern_retention: brief,
        legacy_retention: brief,
        brief_retention: brief,
        ..BusLimits::default()
    };
    kind.scene_with(limits).await
}

/// Waits until a log has ended that was written just now, and that nobody keeps.
async fn wait_for_the_end_of_a_log(scene: &Scene) {
    let other = scene.owned().await;
    scene.say(&other, 1).await;
    assert_eventually!(scene.log(other.stream).await.is_none());
}

fn ended(task: &TaskState) -> &str {
    match task {
        TaskState::Ended(response) => response.as_str(),
        other => panic!("has not ended: {other:?}"),
    }
}

async fn the_response_of_a_task_is_kept(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    let before = scene.task(owner.stream).await.expect("is there");
    let last = scene.respond(&owner, 2).await;
    for stream in [owner.stream, owner.stream] {
        let task = scene.task(stream).await.expect("is there");
        let message = last.message.as_ref().expect("has a message");
        assert_eq!(ended(&task.state), message.as_str());
        assert!(task.ttl >= before.ttl && task.changed_ms >= before.changed_ms);
    }
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_large_response_of_a_task_is_shown(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    let mut last = response(owner.stream, 2);
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":"{}"}}"#,
        "x".repeat(3 << 20)
    );
    last.message = Some(crate::scene::json(&text));
    let ended_with = scene
        .workers
        .finish(&[finish(&owner, &last)])
        .await
        .unwrap();
    assert_eq!(ended_with, [Ok(())]);
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(ended(&task.state), text);
}

async fn a_task_outlives_what_calls_are_kept_for(kind: Kind) {
    let scene = hasty(kind).await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    wait_for_the_end_of_a_log(&scene).await;
    assert_eq!(
        scene.task(owner.stream).await.expect("is there").state,
        TaskState::Working
    );

    let worker = WorkerId::generate();
    let owner = scene.passed_on(&owner, &worker).await.ownership(&worker);
    scene.workers.take_over(&owner).await.unwrap();
    scene.say(&owner, 2).await;
    wait_for_the_end_of_a_log(&scene).await;
    scene.respond(&owner, 3).await;
    scene.gateways.keep_briefly(&owner.stream).await.unwrap();
    wait_for_the_end_of_a_log(&scene).await;
    ended(&scene.task(owner.stream).await.expect("is there").state);
}

async fn a_task_is_gone_when_its_time_is_over(kind: Kind) {
    let scene = kind.scene().await;
    let (ended, cancelled) = (brief(&scene).await, brief(&scene).await);
    scene.respond(&ended, 2).await;
    cancel(&scene, &cancelled).await;
    give_up(&scene, &cancelled).await;
    for owner in [&ended, &cancelled] {
        assert_eventually!(scene.task(owner.stream).await.is_none());
        assert_eq!(scene.log(owner.stream).await, None);
    }
}

/// A task that has hardly any time.
async fn brief(scene: &Scene) -> Ownership {
    const BRIEF: Duration = Duration::from_millis(50);
    let owner = scene.owned().await;
    let mut promotion = promotion(&owner, 1);
    promotion.birth.created_ms = scene.gateways.now_ms();
    (promotion.ttl, promotion.kept) = (BRIEF, BRIEF);
    let promoted = scene.workers.promote(&owner, &promotion).await;
    assert_eq!(promoted.expect("promoted"), Ok(()));
    owner
}

/// The worker of a cancelled task gives it up.
async fn give_up(scene: &Scene, owner: &Ownership) {
    let stopped = Finish {
        event: None,
        ..finish(owner, &response(owner.stream, 2))
    };
    let given_up = scene.workers.finish(&[stopped]).await;
    assert_eq!(given_up.expect("finished"), [Ok(())]);
}

async fn a_task_that_takes_too_long_is_not_begun_anew(kind: Kind) {
    let scene = kind.scene().await;
    let first = brief(&scene).await;
    // All of its time is over, and its worker is about to say so, or is gone.
    tokio::time::sleep(Duration::from_millis(150)).await;
    assert_eq!(
        scene.task(first.stream).await.expect("has not ended").state,
        TaskState::Working
    );
    let worker = WorkerId::generate();
    let second = scene.passed_on(&first, &worker).await.ownership(&worker);
    let taken = scene.workers.take_over(&second).await.expect("answered");
    let TakeOver::Taken { task, .. } = taken else {
        panic!("{taken:?}");
    };
    assert!(task.is_some(), "it would become another task");
    scene.respond(&second, 2).await;
    assert_eq!(scene.depth().await, (0, 0));
}

async fn an_ended_task_makes_room(kind: Kind) {
    let limits = BusLimits {
        caller_tasks: 1,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let share = Principal::named(OWNER).share();
    for ends in [
        "finished",
        "cancelled",
        "cancelled while it waits",
        "overdue",
    ] {
        let owner = brief(&scene).await;
        let room = scene.gateways.check_task_room(&share).await;
        assert!(room.is_err(), "{ends}");
        match ends {
            "finished" => {
                scene.respond(&owner, 2).await;
            }
            "cancelled" => {
                cancel(&scene, &owner).await;
                give_up(&scene, &owner).await;
            }
            _ => scene.park(&owner, &["name"]).await,
        }
        if ends == "cancelled while it waits" {
            cancel(&scene, &owner).await;
        }
        let look = async || {
            scene.task(owner.stream).await;
            scene.gateways.check_task_room(&share).await.is_ok()
        };
        assert_eventually!(look().await, "{ends}");
    }
}

/// Cancels a task as its client asks for it.
async fn cancel(scene: &Scene, owner: &Ownership) {
    let task = scene.task(owner.stream).await.expect("is there");
    let (gateways, entry) = (&scene.gateways, Some(&task.entry));
    gateways
        .cancel_call(&owner.stream, entry, owner.era)
        .await
        .unwrap();
}

async fn a_task_that_runs_is_cancelled(kind: Kind) {
    let scene = hasty(kind).await;
    let owner = scene.owned().await;
    let named = scene.promote(&owner, 1).await;
    cancel(&scene, &owner).await;
    assert_eq!(
        scene.task(owner.stream).await.expect("is there").state,
        TaskState::Cancelled
    );
    let refused = scene
        .workers
        .append(&owner, &message(owner.stream, 2))
        .await
        .unwrap();
    assert_eq!(refused, Err(Refusal::Cancelled));
    let refused = scene.workers.note_status(&owner, "on").await.unwrap();
    assert_eq!(refused, Err(Refusal::Cancelled));

    give_up(&scene, &owner).await;
    assert_eq!(scene.depth().await, (0, 0));
    wait_for_the_end_of_a_log(&scene).await;
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(task.state, TaskState::Cancelled);
    assert!(task.ttl >= HOUR && task.changed_ms >= task.birth.created_ms);
    assert_eq!(
        scene.log(owner.stream).await,
        Some((vec![named], LogState::Cancelled))
    );
}

async fn a_task_that_waits_for_another_worker_is_cancelled(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    let entries = [owner.entry.clone()];
    scene
        .workers
        .hand_back(&owner.worker, &entries, false)
        .await
        .unwrap();
    cancel(&scene, &owner).await;
    let worker = WorkerId::generate();
    let claims = scene.workers.reclaim(&worker, HOUR, 10).await.unwrap();
    let marked: Vec<_> = claims.iter().map(|claim: &Claim| claim.cancelled).collect();
    assert_eq!(marked, [true]);
}

async fn a_task_may_be_cancelled_again(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    for _ in 0..3 {
        cancel(&scene, &owner).await;
    }
    let entry = None;
    scene
        .gateways
        .cancel_call(&owner.stream, entry, owner.era)
        .await
        .unwrap();
    let task = scene.task(owner.stream).await.expect("is there");
    assert_eq!(
        (task.state, task.entry),
        (TaskState::Cancelled, owner.entry.clone())
    );
}

async fn an_ended_task_stays_as_it_is(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    scene.respond(&owner, 2).await;
    let task = scene.task(owner.stream).await;
    cancel(&scene, &owner).await;
    let late = finish(&owner, &response(owner.stream, 3));
    assert_eq!(
        scene.workers.finish(&[late]).await.unwrap(),
        [Err(Refusal::Finished)]
    );
    assert_eq!(scene.task(owner.stream).await, task);
    // Nothing waits for a worker.
    let sentinel = scene.gateways.enqueue(&scene.request()).await.unwrap();
    assert_eq!(
        claim_one(&*scene.workers, &scene.worker).await.entry,
        sentinel
    );
}
