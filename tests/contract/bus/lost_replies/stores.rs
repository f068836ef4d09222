//! The change feed, the catalog, values and outcomes.

use prynai_bus::ids::{OperationId, StreamId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::principal::Principal;
use prynai_bus::{BusLimits, DownstreamToken, KeyState, KeyUse, StateScope};

use super::{WINDOW, always, in_every_way};
use crate::catalog::catalog;
use crate::scene::json;

/// The one operation that may come out double: a change says that there is something to look at.
#[tokio::test]
async fn a_change_is_published_at_least_once() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let before = shaky.done(|| bus.newest_change()).await;
        let change = Change::ToolsListChanged;
        shaky.done(|| bus.publish_change(&change)).await;
        let page = shaky.done(|| bus.read_changes(&before, 9)).await;
        assert!((1..=2).contains(&page.changes.len()), "{page:?}");
        assert!(page.changes.iter().all(|c| c.change == change) && !page.lost);
    })
    .await;
}

#[tokio::test]
async fn a_catalog_is_announced_once() {
    always(async |shaky| {
        let before = shaky.scene.gateways.newest_change().await.unwrap();
        let record = catalog("1");
        shaky.done(|| shaky.bus.announce_catalog(&record)).await;
        let read = shaky.done(|| shaky.bus.read_catalog()).await;
        assert_eq!(read, Some(record));
        let page = shaky.scene.gateways.read_changes(&before, 9).await.unwrap();
        assert_eq!(page.changes.len(), 1, "{page:?}");
    })
    .await;
}

#[tokio::test]
async fn a_value_is_counted_and_removed_once() {
    always(async |shaky| {
        let bus = &shaky.bus;
        for scope in [
            StateScope::Global,
            StateScope::Principal("somebody".to_owned()),
            StateScope::Session(shaky.session().await),
        ] {
            let key = "count";
            shaky.done(|| bus.set_state(&scope, key, "40", None)).await;
            let add = OperationId::generate();
            let increment = || bus.increment_state(&scope, key, 2, None, &add);
            assert_eq!(shaky.done(increment).await, 42, "{scope:?}");
            let read = shaky.done(|| bus.get_state(&scope, key)).await;
            assert_eq!(read.as_deref(), Some("42"), "{scope:?}");
            let remove = OperationId::generate();
            let removed = shaky.done(|| bus.remove_state(&scope, key, &remove)).await;
            assert!(removed, "{scope:?}");
            let read = shaky.scene.workers.get_state(&scope, key).await;
            assert_eq!(read.unwrap(), None, "{scope:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_idempotency_key_is_used_once() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let once = |record: &str| KeyUse {
            takes_task: false,
            record: record.to_owned(),
            fingerprint: "f".to_owned(),
            stream: StreamId::generate(),
            delivery: 1,
            share: Principal::anonymous().share(),
        };
        let (ended, released, concluded) = (once("ended"), once("released"), once("concluded"));
        let outcome = Outcome::result(json("1"));
        for once in [&ended, &released] {
            let begun = shaky.done(|| bus.begin_once(once, WINDOW)).await;
            assert_eq!(begun, KeyState::Yours);
        }
        shaky
            .done(|| bus.record_outcome(&ended, &outcome, WINDOW))
            .await;
        shaky.done(|| bus.release_key(&released)).await;
        // The caller answers with the outcome, whether it is told that it is its own or that it was there.
        shaky
            .done(|| bus.conclude_once(&concluded, &outcome, WINDOW))
            .await;

        for (record, expected) in [
            ("ended", KeyState::Ended(outcome.clone())),
            ("released", KeyState::Yours),
            ("concluded", KeyState::Ended(outcome.clone())),
        ] {
            let met = shaky.scene.workers.begin_once(&once(record), WINDOW).await;
            assert_eq!(met.unwrap(), expected, "{record}");
        }
    })
    .await;
}

#[tokio::test]
async fn a_value_counts_once_to_its_share() {
    let limits = BusLimits {
        caller_kept: 100_000,
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let (bus, others) = (&shaky.bus, &shaky.scene.workers);
        let share = Principal::anonymous().share();
        let scope = StateScope::Session(shaky.session().await);
        let large = || bus.count_state(&share, &scope, "large", Some(60_000), None);
        shaky.done(large).await;
        let small = others.count_state(&share, &scope, "small", Some(20_000), None);
        small.await.expect("it was counted once");
        shaky.done(|| bus.check_room(&share)).await;

        let forget = || bus.count_state(&share, &scope, "large", None, None);
        shaky.done(forget).await;
        let again = others.count_state(&share, &scope, "another", Some(60_000), None);
        again.await.expect("it was forgotten");
    })
    .await;
}

#[tokio::test]
async fn what_is_written_once_is_known_to_its_writer() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let put = |value| shaky.done(move || bus.put_once("name", value, WINDOW));
        assert_eq!(put("one").await, "one");
        assert_eq!(put("two").await, "one");
        let read = shaky.done(|| bus.read_once("name")).await;
        assert_eq!(read.as_deref(), Some("one"));
    })
    .await;
}

#[tokio::test]
async fn a_token_for_another_api_is_kept_and_read() {
    always(async |shaky| {
        let token = DownstreamToken {
            token: "t".to_owned(),
            ends_s: 7,
        };
        let keep = || shaky.bus.keep_token("alice", "read", &token, WINDOW);
        shaky.done(keep).await;
        let read = shaky.done(|| shaky.bus.token_of("alice", "read")).await;
        assert_eq!(read, Some(token.clone()));
    })
    .await;
}
