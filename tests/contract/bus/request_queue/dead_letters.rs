//! What could not be served is kept for operators.

use std::time::Duration;

use prynai_bus::BusLimits;
use prynai_bus::ids::WorkerId;

use crate::scene::Kind;

for_both_buses! {
    a_dead_letter_keeps_the_request_and_the_reason,
    an_answered_request_may_become_a_dead_letter,
    a_former_delivery_makes_no_dead_letter,
    the_newest_dead_letters_are_kept,
}

async fn a_dead_letter_keeps_the_request_and_the_reason(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let reason = "began 3 times and never ended";
    scene.workers.dead_letter(&claim, reason).await.unwrap();

    assert_eq!(scene.depth().await, (0, 0));
    let other = WorkerId::generate();
    let reclaim = scene.workers.reclaim(&other, Duration::ZERO, 10).await;
    assert_eq!(reclaim.unwrap(), []);
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains(reason), "{letters:?}");
    assert!(
        letters[0].contains(&claim.request.stream.to_string()),
        "{letters:?}"
    );
}

async fn an_answered_request_may_become_a_dead_letter(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    scene.workers.dead_letter(&claim, "hopeless").await.unwrap();
    assert_eq!(scene.dead_letters().await.len(), 1);
    assert_eq!(scene.depth().await, (0, 0));

    // And the other way round: a dead letter may still be answered by its owner.
    let claim = scene.claimed(&scene.request()).await;
    let owner = claim.ownership(&scene.worker);
    scene.say(&owner, 1).await;
    scene.workers.dead_letter(&claim, "hopeless").await.unwrap();
    scene.respond(&owner, 2).await;
    assert_eq!(scene.dead_letters().await.len(), 2);
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_former_delivery_makes_no_dead_letter(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.claimed(&scene.request()).await;
    let worker = WorkerId::generate();
    let owner = old.ownership(&scene.worker);
    let new = scene.passed_on(&owner, &worker).await.ownership(&worker);
    scene.workers.dead_letter(&old, "hopeless").await.unwrap();

    assert_eq!(scene.dead_letters().await, [""; 0]);
    assert_eq!(scene.depth().await, (0, 1));
    scene.workers.take_over(&new).await.unwrap();
    scene.respond(&new, 1).await;
}

async fn the_newest_dead_letters_are_kept(kind: Kind) {
    let limits = BusLimits {
        dead_letters: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let reasons = ["first", "second", "third", "fourth"];
    for reason in reasons {
        let claim = scene.claimed(&scene.request()).await;
        scene.workers.dead_letter(&claim, reason).await.unwrap();
    }
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    for (letter, reason) in letters.iter().zip(&reasons[2..]) {
        assert!(letter.contains(reason), "{letters:?}");
    }
}
