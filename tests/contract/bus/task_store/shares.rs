//! What tasks keep counts to their caller.

use std::collections::BTreeMap;
use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::principal::{Principal, Share};
use prynai_bus::{BusError, BusLimits, ShareFull, TaskPart};
use prynai_test_redis::assert_eventually;

use super::{HOUR, OWNER};
use crate::scene::{Kind, Scene, json};

const MOST: usize = 100 * 1024;

for_both_buses! {
    what_a_task_keeps_is_bounded_for_each_caller,
    the_end_of_a_task_counts_in_the_place_of_what_was_before,
    answers_count_beside_each_other_and_once,
    what_a_task_keeps_counts_for_its_life,
}

async fn scene(kind: Kind) -> (Scene, Share) {
    let limits = BusLimits {
        caller_kept: MOST,
        ..BusLimits::default()
    };
    (
        kind.scene_with(limits).await,
        Principal::named(OWNER).share(),
    )
}

/// Counts something for an hour; `false` when there is no room.
async fn keeps(
    scene: &Scene,
    share: &Share,
    task: &StreamId,
    part: TaskPart<'_>,
    bytes: usize,
) -> bool {
    match scene.workers.keep(share, task, part, bytes, HOUR).await {
        Ok(()) => true,
        Err(BusError::ShareFull(ShareFull::Kept { limit })) => {
            assert_eq!(limit, MOST);
            false
        }
        Err(error) => panic!("{error}"),
    }
}

async fn what_a_task_keeps_is_bounded_for_each_caller(kind: Kind) {
    let (scene, share) = scene(kind).await;
    let (first, second) = (StreamId::generate(), StreamId::generate());
    assert!(keeps(&scene, &share, &first, TaskPart::Body, 60 * 1024).await);
    // A lost reply is asked for again.
    assert!(keeps(&scene, &share, &first, TaskPart::Body, 60 * 1024).await);
    assert!(!keeps(&scene, &share, &first, TaskPart::Events, 60 * 1024).await);
    assert!(!keeps(&scene, &share, &second, TaskPart::Body, 60 * 1024).await);
    // It counts together with all else that is kept for the caller.
    assert!(scene.gateways.check_room(&share).await.is_ok());
    let another = || async {
        let name = StreamId::generate();
        keeps(&scene, &share, &name, TaskPart::Body, 0).await
    };
    while another().await {}
    assert!(scene.gateways.check_room(&share).await.is_err());
    let other = Principal::named("user:2").share();
    assert!(keeps(&scene, &other, &second, TaskPart::Body, 60 * 1024).await);

    scene
        .workers
        .forget(&share, &first, TaskPart::Body)
        .await
        .unwrap();
    assert!(keeps(&scene, &share, &first, TaskPart::Events, 60 * 1024).await);
}

async fn the_end_of_a_task_counts_in_the_place_of_what_was_before(kind: Kind) {
    let (scene, share) = scene(kind).await;
    let (first, second) = (StreamId::generate(), StreamId::generate());
    assert!(keeps(&scene, &share, &first, TaskPart::Body, 80 * 1024).await);
    assert!(!keeps(&scene, &share, &first, TaskPart::Body, 110 * 1024).await);
    assert!(keeps(&scene, &share, &first, TaskPart::Body, 90 * 1024).await);
    assert!(!keeps(&scene, &share, &second, TaskPart::Body, 80 * 1024).await);
    assert!(keeps(&scene, &share, &first, TaskPart::Body, 10).await);
    assert!(keeps(&scene, &share, &second, TaskPart::Body, 80 * 1024).await);
}

async fn answers_count_beside_each_other_and_once(kind: Kind) {
    let (scene, share) = scene(kind).await;
    let task = StreamId::generate();
    let given = |key: &str, answer: &str| BTreeMap::from([(key.to_owned(), json(answer))]);
    let (first, again, second) = (given("a", "1"), given("a", "2"), given("b", "1"));
    for _ in 0..3 {
        assert!(keeps(&scene, &share, &task, TaskPart::Answers(&first), 30 * 1024).await);
    }
    assert!(keeps(&scene, &share, &task, TaskPart::Answers(&again), 30 * 1024).await);
    assert!(keeps(&scene, &share, &task, TaskPart::Answers(&second), 30 * 1024).await);
    let third = given("c", "1");
    assert!(!keeps(&scene, &share, &task, TaskPart::Answers(&third), 30 * 1024).await);
    let refused = TaskPart::Answers(&again);
    scene.gateways.forget(&share, &task, refused).await.unwrap();
    assert!(keeps(&scene, &share, &task, TaskPart::Answers(&third), 30 * 1024).await);
}

async fn what_a_task_keeps_counts_for_its_life(kind: Kind) {
    let (scene, share) = scene(kind).await;
    let (task, other) = (StreamId::generate(), StreamId::generate());
    let life = Duration::from_millis(100);
    let kept = scene
        .workers
        .keep(&share, &task, TaskPart::Body, 80 * 1024, life)
        .await;
    kept.expect("there is room");
    assert_eventually!(keeps(&scene, &share, &other, TaskPart::Body, 80 * 1024).await);
}
