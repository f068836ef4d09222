//! [`OutcomeStore`](prynai_shared::bus::OutcomeStore): of all calls under one key, one runs.

use std::time::Duration;

use prynai_shared::bus::{KeyState, KeyUse};
use prynai_shared::ids::StreamId;
use prynai_shared::wire::outcome::Outcome;
use prynai_tests::assert_eventually;

use super::scene::{Kind, Scene, json};

for_both_buses! {
    the_first_one_runs_and_the_others_are_told,
    of_many_at_the_same_time_one_runs,
    an_end_is_final,
    a_released_key_is_as_new,
    a_later_delivery_takes_the_record_over,
    what_is_not_begun_is_concluded,
    a_key_is_good_for_one_thing,
    a_record_ends_with_its_window,
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
        record: record.to_owned(),
        fingerprint: "the same".to_owned(),
        stream: StreamId::generate(),
        delivery: 1,
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
    assert_eq!(scene.begin_once(&second).await, KeyState::Running);
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
    assert_eq!(conclude(&once("a")).await, KeyState::Running);
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
