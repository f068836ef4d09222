//! [`StateStore`](prynai_shared::bus::StateStore): the tool author's key/value state.

use std::time::Duration;

use prynai_shared::bus::{BusError, StateScope};
use prynai_shared::ids::SessionId;
use prynai_tests::assert_eventually;

use super::scene::{Kind, Scene};

for_both_buses! {
    a_value_is_read_as_it_was_written,
    a_removed_value_is_gone,
    scopes_never_see_each_other,
    a_value_ends_with_its_ttl,
    every_write_sets_the_ttl_anew,
    an_absent_number_counts_as_zero,
    numbers_are_exact,
    concurrent_increments_lose_none,
    only_whole_numbers_are_incremented,
}

const GLOBAL: StateScope = StateScope::Global;
const SHORT: Option<Duration> = Some(Duration::from_millis(500));
const LONG: Option<Duration> = Some(Duration::from_secs(3600));

impl Scene {
    async fn get(&self, scope: &StateScope, key: &str) -> Option<String> {
        self.workers.get_state(scope, key).await.expect("read")
    }

    async fn set(&self, scope: &StateScope, key: &str, value: &str, ttl: Option<Duration>) {
        let set = self.workers.set_state(scope, key, value, ttl).await;
        set.expect("written");
    }

    async fn add(&self, key: &str, by: i64, ttl: Option<Duration>) -> Result<i64, BusError> {
        self.workers.increment_state(&GLOBAL, key, by, ttl).await
    }
}

async fn a_value_is_read_as_it_was_written(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.get(&GLOBAL, "key").await, None);
    let large = "x".repeat(100_000);
    for value in ["", "plain", "7", "ü \"\n\0", &large] {
        scene.set(&GLOBAL, "key", value, None).await;
        assert_eq!(scene.get(&GLOBAL, "key").await.as_deref(), Some(value));
        // Every worker reads it.
        let read = scene.gateways.get_state(&GLOBAL, "key").await.unwrap();
        assert_eq!(read.as_deref(), Some(value));
    }
}

async fn a_removed_value_is_gone(kind: Kind) {
    let scene = kind.scene().await;
    scene.set(&GLOBAL, "key", "value", None).await;
    assert!(scene.workers.remove_state(&GLOBAL, "key").await.unwrap());
    assert_eq!(scene.get(&GLOBAL, "key").await, None);
    assert!(!scene.workers.remove_state(&GLOBAL, "key").await.unwrap());
}

async fn scopes_never_see_each_other(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let names = ["", "a", "a:b", "global", "key", "{key}", session.as_str()];
    let mut places = vec![
        (GLOBAL, "key"),
        (GLOBAL, "a:key"),
        (GLOBAL, "b:key"),
        (GLOBAL, ""),
    ];
    for name in names {
        for key in ["key", "b:key", "a:b:key", ""] {
            places.push((StateScope::Principal(name.to_owned()), key));
        }
    }
    places.push((StateScope::Session(session.clone()), "key"));
    places.push((StateScope::Session(SessionId::generate()), "key"));

    for (number, (scope, key)) in places.iter().enumerate() {
        scene.set(scope, key, &number.to_string(), None).await;
    }
    for (number, (scope, key)) in places.iter().enumerate() {
        let read = scene.get(scope, key).await;
        assert_eq!(read, Some(number.to_string()), "{scope:?} {key:?}");
    }
    let (scope, key) = &places[5];
    scene.workers.remove_state(scope, key).await.unwrap();
    for (number, (scope, key)) in places.iter().enumerate() {
        let read = scene.get(scope, key).await;
        assert_eq!(read.is_some(), number != 5, "{scope:?} {key:?}");
    }
}

async fn a_value_ends_with_its_ttl(kind: Kind) {
    let scene = kind.scene().await;
    scene.set(&GLOBAL, "for ever", "1", None).await;
    scene.set(&GLOBAL, "long", "1", LONG).await;
    scene.set(&GLOBAL, "short", "1", SHORT).await;
    assert_eq!(scene.add("count", 5, SHORT).await.unwrap(), 5);

    assert_eventually!(scene.get(&GLOBAL, "short").await.is_none());
    assert_eventually!(scene.get(&GLOBAL, "count").await.is_none());
    assert!(!scene.workers.remove_state(&GLOBAL, "short").await.unwrap());
    assert_eq!(
        scene.add("count", 1, None).await.unwrap(),
        1,
        "counted from 0 again"
    );
    for key in ["for ever", "long"] {
        assert!(scene.get(&GLOBAL, key).await.is_some(), "{key}");
    }
}

async fn every_write_sets_the_ttl_anew(kind: Kind) {
    let scene = kind.scene().await;
    let keys = ["set for ever", "set long", "added for ever", "added long"];
    for key in keys {
        scene.set(&GLOBAL, key, "1", SHORT).await;
    }
    scene.set(&GLOBAL, keys[0], "2", None).await;
    scene.set(&GLOBAL, keys[1], "2", LONG).await;
    scene.add(keys[2], 1, None).await.unwrap();
    scene.add(keys[3], 1, LONG).await.unwrap();
    for key in ["set short", "added short"] {
        scene.set(&GLOBAL, key, "1", None).await;
    }
    scene.set(&GLOBAL, "set short", "2", SHORT).await;
    scene.add("added short", 1, SHORT).await.unwrap();

    // These two end last, so whatever kept its first TTL would have ended before.
    assert_eventually!(scene.get(&GLOBAL, "set short").await.is_none());
    assert_eventually!(scene.get(&GLOBAL, "added short").await.is_none());
    for key in keys {
        assert_eq!(scene.get(&GLOBAL, key).await.as_deref(), Some("2"), "{key}");
    }
}

async fn an_absent_number_counts_as_zero(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.add("count", 0, None).await.unwrap(), 0);
    assert_eq!(scene.add("count", 3, None).await.unwrap(), 3);
    assert_eq!(scene.add("count", -5, None).await.unwrap(), -2);
    assert_eq!(scene.get(&GLOBAL, "count").await.as_deref(), Some("-2"));
}

async fn numbers_are_exact(kind: Kind) {
    let scene = kind.scene().await;
    // The first whole number that a double cannot hold, so that a sum on the way through one shows.
    scene.set(&GLOBAL, "count", "9007199254740993", None).await;
    for ttl in [None, LONG] {
        assert_eq!(
            scene.add("count", 0, ttl).await.unwrap(),
            9_007_199_254_740_993
        );
    }
    assert_eq!(scene.add("most", i64::MAX, LONG).await.unwrap(), i64::MAX);
    assert_eq!(scene.add("least", i64::MIN, None).await.unwrap(), i64::MIN);
}

async fn concurrent_increments_lose_none(kind: Kind) {
    let scene = kind.scene().await;
    let add = |number: usize| {
        let bus = [&scene.gateways, &scene.workers][number % 2].clone();
        async move {
            bus.increment_state(&GLOBAL, "count", 1, LONG)
                .await
                .unwrap()
        }
    };
    let mut sums = futures::future::join_all((0..100).map(add)).await;
    sums.sort_unstable();
    assert_eq!(sums, (1..=100).collect::<Vec<i64>>());
    assert_eq!(scene.get(&GLOBAL, "count").await.as_deref(), Some("100"));
}

async fn only_whole_numbers_are_incremented(kind: Kind) {
    let scene = kind.scene().await;
    let most = i64::MAX.to_string();
    for value in [
        "",
        "text",
        "1.5",
        "+1",
        "01",
        "-0",
        " 1",
        "1 ",
        "9223372036854775808",
        &most,
    ] {
        for ttl in [None, LONG] {
            scene.set(&GLOBAL, "key", value, None).await;
            let refused = scene.add("key", 1, ttl).await;
            let unexpected = matches!(refused, Err(BusError::Unexpected(_)));
            assert!(unexpected, "{value:?}: {refused:?}");
            let read = scene.get(&GLOBAL, "key").await;
            assert_eq!(read.as_deref(), Some(value), "it was changed");
        }
    }
}
