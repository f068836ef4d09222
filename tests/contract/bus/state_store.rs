//! [`StateStore`](prynai_bus::StateStore): the tool author's key/value state.

use std::time::Duration;

use prynai_bus::ids::{OperationId, SessionId};
use prynai_bus::wire::principal::Principal;
use prynai_bus::{BusError, BusLimits, ShareFull, StateScope};
use prynai_test_redis::assert_eventually;

use super::session_store::is_full;
use crate::scene::{Kind, Scene, session};

for_both_buses! {
    an_operation_is_done_once_under_its_name,
    a_value_is_read_as_it_was_written,
    a_removed_value_is_gone,
    scopes_never_see_each_other,
    a_value_ends_with_its_ttl,
    every_write_sets_the_ttl_anew,
    an_absent_number_counts_as_zero,
    numbers_are_exact,
    concurrent_increments_lose_none,
    only_whole_numbers_are_incremented,
    the_state_of_a_session_ends_with_it,
    the_state_of_a_session_lives_while_it_is_used,
    a_session_that_never_was_takes_no_state,
    values_count_to_the_share_of_who_writes_them,
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

    async fn add(
        &self,
        scope: &StateScope,
        key: &str,
        by: i64,
        ttl: Option<Duration>,
    ) -> Result<i64, BusError> {
        let operation = OperationId::generate();
        let workers = &self.workers;
        workers
            .increment_state(scope, key, by, ttl, &operation)
            .await
    }

    async fn remove(&self, scope: &StateScope, key: &str) -> bool {
        let operation = OperationId::generate();
        let removed = self.workers.remove_state(scope, key, &operation).await;
        removed.expect("removed")
    }

    /// The scope of a session that lives.
    async fn session_scope(&self) -> StateScope {
        let id = SessionId::generate();
        let created = self.gateways.create_session(&session(&id)).await;
        created.expect("created");
        StateScope::Session(id)
    }

    /// One scope of every kind of storage.
    async fn scopes(&self) -> [StateScope; 2] {
        [GLOBAL, self.session_scope().await]
    }
}

async fn a_value_is_read_as_it_was_written(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        assert_eq!(scene.get(scope, "key").await, None);
        let large = "x".repeat(100_000);
        for value in ["", "plain", "7", "ü \"\n\0", &large] {
            scene.set(scope, "key", value, None).await;
            assert_eq!(scene.get(scope, "key").await.as_deref(), Some(value));
            // Every worker reads it.
            let read = scene.gateways.get_state(scope, "key").await.unwrap();
            assert_eq!(read.as_deref(), Some(value));
        }
    }
}

async fn a_removed_value_is_gone(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        scene.set(scope, "key", "value", None).await;
        assert!(scene.remove(scope, "key").await);
        assert_eq!(scene.get(scope, "key").await, None);
        assert!(!scene.remove(scope, "key").await);
    }
}

async fn scopes_never_see_each_other(kind: Kind) {
    let scene = kind.scene().await;
    let session = scene.session_scope().await;
    let StateScope::Session(id) = &session else {
        unreachable!()
    };
    let names = ["", "a", "a:b", "global", "key", "{key}", id.as_str()];
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
    places.push((session.clone(), "key"));
    places.push((session.clone(), ""));
    places.push((scene.session_scope().await, "key"));

    for (number, (scope, key)) in places.iter().enumerate() {
        scene.set(scope, key, &number.to_string(), None).await;
    }
    for (number, (scope, key)) in places.iter().enumerate() {
        let read = scene.get(scope, key).await;
        assert_eq!(read, Some(number.to_string()), "{scope:?} {key:?}");
    }
    let (scope, key) = &places[5];
    scene.remove(scope, key).await;
    for (number, (scope, key)) in places.iter().enumerate() {
        let read = scene.get(scope, key).await;
        assert_eq!(read.is_some(), number != 5, "{scope:?} {key:?}");
    }
}

async fn a_value_ends_with_its_ttl(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        scene.set(scope, "for ever", "1", None).await;
        scene.set(scope, "long", "1", LONG).await;
        scene.set(scope, "short", "1", SHORT).await;
        assert_eq!(scene.add(scope, "count", 5, SHORT).await.unwrap(), 5);

        assert_eventually!(scene.get(scope, "short").await.is_none());
        assert_eventually!(scene.get(scope, "count").await.is_none());
        assert!(!scene.remove(scope, "short").await);
        assert_eq!(
            scene.add(scope, "count", 1, None).await.unwrap(),
            1,
            "counted from 0 again"
        );
        for key in ["for ever", "long"] {
            assert!(scene.get(scope, key).await.is_some(), "{key}");
        }
    }
}

async fn every_write_sets_the_ttl_anew(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        let keys = ["set for ever", "set long", "added for ever", "added long"];
        for key in keys {
            scene.set(scope, key, "1", SHORT).await;
        }
        scene.set(scope, keys[0], "2", None).await;
        scene.set(scope, keys[1], "2", LONG).await;
        scene.add(scope, keys[2], 1, None).await.unwrap();
        scene.add(scope, keys[3], 1, LONG).await.unwrap();
        for key in ["set short", "added short"] {
            scene.set(scope, key, "1", None).await;
        }
        scene.set(scope, "set short", "2", SHORT).await;
        scene.add(scope, "added short", 1, SHORT).await.unwrap();

        // These two end last, so whatever kept its first TTL would have ended before.
        assert_eventually!(scene.get(scope, "set short").await.is_none());
        assert_eventually!(scene.get(scope, "added short").await.is_none());
        for key in keys {
            assert_eq!(scene.get(scope, key).await.as_deref(), Some("2"), "{key}");
        }
    }
}

async fn an_absent_number_counts_as_zero(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        assert_eq!(scene.add(scope, "count", 0, None).await.unwrap(), 0);
        assert_eq!(scene.add(scope, "count", 3, None).await.unwrap(), 3);
        assert_eq!(scene.add(scope, "count", -5, None).await.unwrap(), -2);
        assert_eq!(scene.get(scope, "count").await.as_deref(), Some("-2"));
    }
}

async fn numbers_are_exact(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        // The first whole number that a double cannot hold, so that a sum on the way through one shows.
        scene.set(scope, "count", "9007199254740993", None).await;
        for ttl in [None, LONG] {
            assert_eq!(
                scene.add(scope, "count", 0, ttl).await.unwrap(),
                9_007_199_254_740_993
            );
        }
        assert_eq!(
            scene.add(scope, "most", i64::MAX, LONG).await.unwrap(),
            i64::MAX
        );
        assert_eq!(
            scene.add(scope, "least", i64::MIN, None).await.unwrap(),
            i64::MIN
        );
    }
}

async fn concurrent_increments_lose_none(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        let add = |number: usize| {
            let bus = [&scene.gateways, &scene.workers][number % 2].clone();
            async move {
                let operation = OperationId::generate();
                let sum = bus.increment_state(scope, "count", 1, LONG, &operation);
                sum.await.unwrap()
            }
        };
        let mut sums = futures::future::join_all((0..100).map(add)).await;
        sums.sort_unstable();
        assert_eq!(sums, (1..=100).collect::<Vec<i64>>());
        assert_eq!(scene.get(scope, "count").await.as_deref(), Some("100"));
    }
}

async fn only_whole_numbers_are_incremented(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
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
                scene.set(scope, "key", value, None).await;
                let refused = scene.add(scope, "key", 1, ttl).await;
                let unexpected = matches!(refused, Err(BusError::Unexpected(_)));
                assert!(unexpected, "{value:?}: {refused:?}");
                let read = scene.get(scope, "key").await;
                assert_eq!(read.as_deref(), Some(value), "it was changed");
            }
        }
    }
}

async fn the_state_of_a_session_ends_with_it(kind: Kind) {
    let scene = kind.scene().await;
    let (ended, other) = (scene.session_scope().await, scene.session_scope().await);
    for scope in [&ended, &other] {
        scene.set(scope, "for ever", "1", None).await;
        scene.set(scope, "long", "1", LONG).await;
    }
    let StateScope::Session(id) = &ended else {
        unreachable!()
    };
    let owner = Principal::anonymous();
    scene.gateways.end_session(id, &owner).await.unwrap();
    takes_no_state(&scene, &ended, "for ever").await;
    assert_eq!(scene.get(&ended, "long").await, None);
    assert!(scene.get(&other, "for ever").await.is_some());

    // Not even a session of the same name would find it.
    scene.gateways.create_session(&session(id)).await.unwrap();
    assert_eq!(scene.get(&ended, "for ever").await, None);
}

async fn a_session_that_never_was_takes_no_state(kind: Kind) {
    let scene = kind.scene().await;
    let unknown = StateScope::Session(SessionId::generate());
    takes_no_state(&scene, &unknown, "key").await;
}

/// Nothing is read in the scope, and nothing can be written.
async fn takes_no_state(scene: &Scene, scope: &StateScope, key: &str) {
    let is_refused = |error| matches!(error, Some(BusError::SessionEnded));
    assert_eq!(scene.get(scope, key).await, None);
    let set = scene.workers.set_state(scope, key, "1", None).await;
    assert!(is_refused(set.err()));
    assert!(is_refused(scene.add(scope, key, 1, LONG).await.err()));
    assert_eq!(scene.get(scope, key).await, None);
    assert!(!scene.remove(scope, key).await);
}

async fn the_state_of_a_session_lives_while_it_is_used(kind: Kind) {
    let limits = BusLimits {
        session_idle: Duration::from_secs(1),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let (used, idle) = (scene.session_scope().await, scene.session_scope().await);
    let StateScope::Session(used_id) = &used else {
        unreachable!()
    };
    scene.set(&used, "key", "1", LONG).await;
    scene.set(&idle, "key", "1", LONG).await;

    // Reading the state does not count as use of the session.
    assert_eventually!(
        {
            assert!(
                scene.touch(used_id).await.is_some(),
                "a session in use ended"
            );
            scene.get(&idle, "key").await.is_none()
        },
        "the state of the idle session is kept"
    );
    takes_no_state(&scene, &idle, "key").await;
    assert!(scene.get(&used, "key").await.is_some(), "it is lost");
}

async fn an_operation_is_done_once_under_its_name(kind: Kind) {
    let scene = kind.scene().await;
    for scope in &scene.scopes().await {
        let (add, remove) = (OperationId::generate(), OperationId::generate());
        for _ in 0..2 {
            let sum = scene.workers.increment_state(scope, "count", 5, None, &add);
            assert_eq!(sum.await.unwrap(), 5, "{scope:?}");
        }
        assert_eq!(scene.add(scope, "count", 1, None).await.unwrap(), 6);
        for _ in 0..2 {
            let removed = scene.workers.remove_state(scope, "count", &remove);
            assert!(removed.await.unwrap(), "{scope:?}");
            assert_eq!(scene.get(scope, "count").await, None);
        }
        assert!(!scene.remove(scope, "count").await);
    }
}

async fn values_count_to_the_share_of_who_writes_them(kind: Kind) {
    const KEPT: usize = 64 * 1024;
    let limits = BusLimits {
        caller_kept: KEPT,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let session = scene.session_scope().await;
    let scopes = [GLOBAL, StateScope::Principal("a".to_owned()), session];
    let (one, other) = (Principal::named("one"), Principal::named("other"));
    let count = async |who: &Principal, scope: &StateScope, key: &str, bytes, ttl| {
        let share = who.share();
        let counted = scene.workers.count_state(&share, scope, key, bytes, ttl);
        counted.await
    };
    let large = Some(15 * 1024);
    for scope in &scopes {
        let counted = count(&one, scope, "key", large, SHORT).await;
        counted.expect("has room");
        // The same value again is the same value.
        let again = count(&one, scope, "key", large, LONG).await;
        again.expect("has room");
    }
    let refused = count(&one, &GLOBAL, "more", Some(30 * 1024), None).await;
    is_full(&refused, ShareFull::Kept { limit: KEPT });
    let others = count(&other, &GLOBAL, "more", Some(30 * 1024), None).await;
    others.expect("is another's share");

    // What is removed makes room, and so does what has ended.
    let removed = count(&one, &scopes[0], "key", None, None).await;
    removed.expect("is forgotten");
    let ends = count(&one, &GLOBAL, "more", Some(25 * 1024), SHORT).await;
    ends.expect("has room");
    is_full(
        &count(&one, &GLOBAL, "further", Some(25 * 1024), None).await,
        ShareFull::Kept { limit: KEPT },
    );
    assert_eventually!(
        count(&one, &GLOBAL, "further", Some(25 * 1024), None)
            .await
            .is_ok()
    );
}
