//! [`OutcomeStore`](prynai_bus::OutcomeStore): of all calls under one key, one runs.

use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::principal::Principal;
use prynai_bus::{BusLimits, KeyState, KeyUse, ShareFull};
use prynai_test_redis::assert_eventually;

use super::session_store::is_full;
use crate::scene::{Kind, Scene, json};

for_both_buses! {
    the_first_one_runs_and_the_others_are_told,
    of_many_at_the_same_time_one_runs,
    an_end_is_final,
    a_released_key_is_as_new,
    a_later_delivery_takes_the_record_over,
    what_is_not_begun_is_concluded,
    a_key_is_good_for_one_thing,
    a_record_ends_with_its_window,
    outcomes_of_a_share_are_bounded,
    an_outcome_that_is_not_kept_any_more_makes_room,
}

const LONG: Duration = Duration::from_secs(3600);

impl Scene {
    async fn begin_once(&self, once: &KeyUse) -> KeyState {
        self.workers.begin_once(once, LONG).await.expect("answers")
    }

    async fn end_once(&self, once: &KeyUse, outcome: &Outcome) -> bool {
        let recorded = self.workers.record_outcome(once, outcome, LONG).await;
        recorded.expect("answers")
    }
}

fn once(record: &str) -> KeyUse {
    KeyUse {
        takes_task: false,
        record: record.to_owned(),
        fingerprint: "the same".to_owned(),
        stream: StreamId::generate(),
        delivery: 1,
        share: Principal::anonymous().share(),
    }
}

fn result(text: &str) -> Outcome {
    Outcome::result(json(text))
}

async fn the_first_one_runs_and_the_others_are_told(kind: Kind) {
    let scene = kind.scene().await;
    let (first, second) = (once("a"), once("a"));
    assert_eq!(scene.begin_once(&first).await, KeyState::Yours);
    // An answer may be lost.
    assert_eq!(scene.begin_once(&first).await, KeyState::Yours);
    assert_eq!(
        scene.begin_once(&second).await,
        KeyState::Running(first.stream)
    );
    assert_eq!(scene.begin_once(&once("b")).await, KeyState::Yours);

    let outcome = result(r#"{"big":12345678901234567890,"ü":"\n"}"#);
    assert!(scene.end_once(&first, &outcome).await);
    for one in [&first, &second] {
        assert_eq!(
            scene.begin_once(one).await,
            KeyState::Ended(outcome.clone())
        );
    }
}

async fn of_many_at_the_same_time_one_runs(kind: Kind) {
    let scene = kind.scene().await;
    let uses: Vec<_> = (0..20).map(|_| once("a")).collect();
    let begun = futures::future::join_all(uses.iter().map(|one| scene.begin_once(one))).await;
    let yours = begun.iter().filter(|state| **state == KeyState::Yours);
    assert_eq!(yours.count(), 1, "{begun:?}");
}

async fn an_end_is_final(kind: Kind) {
    let scene = kind.scene().await;
    let first = once("a");
    assert!(
        !scene.end_once(&first, &result("1")).await,
        "it never began"
    );
    assert_eq!(scene.begin_once(&first).await, KeyState::Yours);
    assert!(
        !scene.end_once(&once("a"), &result("1")).await,
        "of another"
    );
    assert!(scene.end_once(&first, &result("2")).await);
    assert!(!scene.end_once(&first, &result("3")).await);
    assert!(!scene.workers.release_key(&first).await.unwrap());
    assert_eq!(
        scene.begin_once(&once("a")).await,
        KeyState::Ended(result("2"))
    );
}

async fn a_released_key_is_as_new(kind: Kind) {
    let scene = kind.scene().await;
    let (first, second) = (once("a"), once("a"));
    assert_eq!(scene.begin_once(&first).await, KeyState::Yours);
    assert!(!scene.workers.release_key(&second).await.unwrap());
    assert!(scene.workers.release_key(&first).await.unwrap());
    assert_eq!(scene.begin_once(&second).await, KeyState::Yours);
}

async fn a_later_delivery_takes_the_record_over(kind: Kind) {
    let scene = kind.scene().await;
    let first = once("a");
    let later = KeyUse {
        delivery: 2,
        ..first.clone()
    };
    assert_eq!(scene.begin_once(&first).await, KeyState::Yours);
    assert_eq!(scene.begin_once(&later).await, KeyState::Yours);
    assert_eq!(scene.begin_once(&first).await, KeyState::Lost);
    assert!(!scene.end_once(&first, &result("1")).await);
    assert!(scene.end_once(&later, &result("2")).await);
}

async fn what_is_not_begun_is_concluded(kind: Kind) {
    let scene = kind.scene().await;
    let unknown = Outcome::error(json(r#"{"code":-32603,"message":"unknown"}"#));
    let conclude = async |once: &KeyUse| {
        let concluded = scene.workers.conclude_once(once, &unknown, LONG).await;
        concluded.unwrap()
    };
    let lost = once("a");
    assert_eq!(scene.begin_once(&lost).await, KeyState::Yours);
    assert!(matches!(conclude(&once("a")).await, KeyState::Running(_)));
    let later = KeyUse {
        delivery: 2,
        ..lost.clone()
    };
    assert_eq!(conclude(&later).await, KeyState::Yours);
    assert_eq!(
        scene.begin_once(&once("a")).await,
        KeyState::Ended(unknown.clone())
    );
    // What had ended stays as it was.
    let ended = once("b");
    assert_eq!(scene.begin_once(&ended).await, KeyState::Yours);
    assert!(scene.end_once(&ended, &result("1")).await);
    assert_eq!(conclude(&ended).await, KeyState::Ended(result("1")));
}

async fn a_key_is_good_for_one_thing(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.begin_once(&once("a")).await, KeyState::Yours);
    let other = KeyUse {
        fingerprint: "something else".to_owned(),
        ..once("a")
    };
    assert_eq!(scene.begin_once(&other).await, KeyState::Reused);
}

async fn a_record_ends_with_its_window(kind: Kind) {
    let scene = kind.scene().await;
    let brief = Duration::from_millis(200);
    let first = once("a");
    let begun = scene.workers.begin_once(&first, brief).await;
    assert_eq!(begun.unwrap(), KeyState::Yours);
    let recorded = scene
        .workers
        .record_outcome(&first, &result("1"), brief)
        .await;
    assert!(recorded.unwrap());
    assert_eventually!(scene.begin_once(&once("a")).await == KeyState::Yours);
}

/// Room for a few outcomes of 15 KiB.
const KEPT: usize = 64 * 1024;

fn large() -> Outcome {
    result(&format!(r#"{{"text":"{}"}}"#, "x".repeat(15 * 1024)))
}

async fn outcomes_of_a_share_are_bounded(kind: Kind) {
    let limits = BusLimits {
        caller_kept: KEPT,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let share = Principal::anonymous().share();
    let mut kept = 0;
    loop {
        let use_ = once(&format!("record {kept}"));
        assert_eq!(scene.begin_once(&use_).await, KeyState::Yours);
        assert!(scene.end_once(&use_, &large()).await);
        // Once more, as when the answer was lost: it counts once.
        scene.end_once(&use_, &large()).await;
        let KeyState::Ended(outcome) = scene.begin_once(&once(&use_.record)).await else {
            panic!("the end is recorded in any case");
        };
        if outcome.left_out.is_some() {
            break;
        }
        assert_eq!(outcome, large());
        kept += 1;
    }
    assert_eq!(kept, 3, "of 15 KiB each in 64 KiB");
    // What is left out counts as well.
    for number in 0.. {
        if scene.gateways.check_room(&share).await.is_err() {
            break;
        }
        assert!(number < 64, "large outcomes never fill the share");
        let use_ = once(&format!("large {number}"));
        scene.begin_once(&use_).await;
        assert!(scene.end_once(&use_, &large()).await);
    }
    let refused = scene.gateways.check_room(&share).await;
    is_full(&refused, ShareFull::Kept { limit: KEPT });
    // What is not begun is told in any case, and others have their own room.
    let lost = once("lost");
    scene
        .workers
        .conclude_once(&lost, &result("{}"), LONG)
        .await
        .expect("is concluded");
    assert_eq!(
        scene.begin_once(&once("lost")).await,
        KeyState::Ended(result("{}"))
    );
    let other = Principal::named("other").share();
    scene.gateways.check_room(&other).await.expect("has room");
}

async fn an_outcome_that_is_not_kept_any_more_makes_room(kind: Kind) {
    let limits = BusLimits {
        caller_kept: 20 * 1024,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let window = Duration::from_secs(1);
    let record = async |name: &str| {
        let use_ = once(name);
        scene.begin_once(&use_).await;
        let recorded = scene.workers.record_outcome(&use_, &large(), window).await;
        assert!(recorded.expect("answers"));
        let KeyState::Ended(outcome) = scene.begin_once(&once(name)).await else {
            panic!("the end is recorded");
        };
        outcome.left_out.is_none()
    };
    assert!(record("first").await);
    assert!(!record("second").await);
    let mut number = 0;
    assert_eventually!({
        number += 1;
        record(&format!("later {number}")).await
    });
}
