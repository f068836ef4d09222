//! A request is queued and claimed.

use std::collections::BTreeSet;
use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{BusError, BusLimits};
use prynai_test_redis::replies::{Mishap, TOO_LATE};
use prynai_test_redis::seed::Seed;
use tokio_util::sync::CancellationToken;

use super::{BRIEF, Shaky, always, in_every_way, tiny_pages};
use crate::scene::{LONG_LEASE, claim_one};

#[tokio::test]
async fn a_request_is_queued_once_or_never_begun() {
    always(async |shaky| {
        let request = shaky.scene.request();
        shaky.hit();
        let queued = shaky.bus.enqueue(&request).await;
        let claims = shaky.left().await;
        match queued {
            Ok(entry) => {
                assert_eq!(claims.len(), 1, "{claims:?}");
                assert_eq!((&claims[0].entry, claims[0].cancelled), (&entry, false));
            }
            Err(BusError::Unavailable(_)) => assert!(claims.iter().all(|c| c.cancelled)),
            Err(error) => panic!("{error}"),
        }
        if shaky.mishap != Mishap::Unasked || !shaky.way.has_hit() {
            assert_eq!(claims.len(), 1, "it was queued and is found");
        }
    })
    .await;
}

#[tokio::test]
async fn a_knock_is_queued_once() {
    always(async |shaky| {
        let gateway = shaky.scene.gateway.clone();
        let knock = RequestEnvelope::knock(gateway, 1, "2026-07-28").unwrap();
        shaky.hit();
        shaky.again(|| shaky.bus.knock(&knock)).await;
        assert_eq!(shaky.left().await.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_request_that_was_answered_meanwhile_is_found() {
    let shaky = Shaky::new(BusLimits::default(), 0, TOO_LATE).await;
    let request = shaky.scene.request();
    shaky.hit();
    let (queued, owner) = tokio::join!(shaky.bus.enqueue(&request), async {
        let claim = claim_one(&*shaky.scene.workers, &shaky.scene.worker).await;
        let owner = claim.ownership(&shaky.scene.worker);
        shaky.scene.respond(&owner, 1).await;
        owner
    });
    assert_eq!(queued.unwrap(), owner.entry);
}

#[tokio::test]
async fn a_request_of_which_nobody_knows_is_told_and_can_be_withdrawn() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let request = shaky.scene.request();
    shaky.way.hit_one_in(1, Seed::new(1));
    let queued = shaky.bus.enqueue(&request).await;
    assert!(matches!(queued, Err(BusError::Unanswered(_))), "{queued:?}");
    shaky.way.stop();
    shaky.scene.cancel_unknown(request.stream).await;
    assert!(shaky.left().await.iter().all(|claim| claim.cancelled));
}

/// It was on its way all the time.
#[tokio::test]
async fn a_request_that_comes_after_it_was_refused_is_never_begun() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Unasked).await;
    let request = shaky.scene.request();
    shaky.hit();
    let queued = shaky.bus.enqueue(&request).await;
    assert!(
        matches!(queued, Err(BusError::Unavailable(_))),
        "{queued:?}"
    );
    shaky.scene.gateways.enqueue(&request).await.unwrap();
    let claims = shaky.left().await;
    assert!(claims.len() == 1 && claims[0].cancelled, "{claims:?}");
}

#[tokio::test]
async fn what_a_lost_read_handed_out_is_claimed() {
    always(async |shaky| {
        let worker = WorkerId::generate();
        let mut expected = BTreeSet::new();
        for _ in 0..2 {
            let entry = shaky.scene.gateways.enqueue(&shaky.scene.request()).await;
            expected.insert(entry.unwrap());
        }
        let claims = shaky.claims(&worker, 2).await;
        let claimed: BTreeSet<_> = claims.iter().map(|claim| claim.entry.clone()).collect();
        assert_eq!((claims.len(), claimed), (2, expected));
        assert!(claims.iter().all(|claim| claim.delivery == 1));
        assert_eq!(shaky.scene.depth().await, (0, 2));

        let never = CancellationToken::new();
        let claim = || shaky.bus.claim(&worker, 2, BRIEF, &never);
        let again = shaky.again(claim).await;
        assert_eq!(again, [], "a request is begun twice");
        for claim in &claims {
            let owner = claim.ownership(&worker);
            shaky.scene.respond(&owner, 1).await;
        }
    })
    .await;
}

#[tokio::test]
async fn what_a_lost_read_handed_out_is_claimed_in_parts() {
    in_every_way(tiny_pages(), async |shaky| {
        let worker = WorkerId::generate();
        let mut expected = Vec::new();
        for _ in 0..3 {
            let entry = shaky.scene.gateways.enqueue(&shaky.scene.request()).await;
            expected.push(entry.unwrap());
        }
        let mut claimed = Vec::new();
        while claimed.len() < 3 {
            let claims = match claimed.is_empty() {
                true => shaky.claims(&worker, 3).await,
                false => shaky.more_claims(&worker, 3).await,
            };
            claimed.extend(claims.into_iter().map(|claim| claim.entry));
        }
        assert_eq!(claimed, expected, "each once");
    })
    .await;
}

#[tokio::test]
async fn a_worker_that_stops_still_gets_what_a_lost_read_handed_out() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let (worker, stop) = (WorkerId::generate(), CancellationToken::new());
    let bus = &shaky.scene.gateways;
    let first = bus.enqueue(&shaky.scene.request()).await.unwrap();
    let read = shaky.bus.claim(&worker, 1, BRIEF, &stop).await.unwrap();
    assert_eq!(read[0].entry, first);

    let entry = bus.enqueue(&shaky.scene.request()).await.unwrap();
    shaky.hit();
    assert!(shaky.bus.claim(&worker, 1, BRIEF, &stop).await.is_err());
    stop.cancel();
    let owed = prynai_test_redis::eventually!(
        shaky
            .bus
            .claim(&worker, 1, Duration::ZERO, &stop)
            .await
            .ok()
    );
    assert_eq!(owed.len(), 1, "and not what it has");
    assert_eq!(owed[0].entry, entry);
    let handed_back = shaky.bus.hand_back(&worker, &[entry], false).await;
    handed_back.unwrap();
    let none = shaky.bus.claim(&worker, 1, Duration::ZERO, &stop).await;
    assert_eq!(none.unwrap(), []);
}

/// One read is lost while the worker takes over what another one gave back unbegun: a first delivery as well.
#[tokio::test]
async fn a_lost_read_and_a_reclaim_are_told_apart() {
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let (worker, never) = (WorkerId::generate(), CancellationToken::new());
    let bus = &shaky.scene.gateways;
    let owed = bus.enqueue(&shaky.scene.request()).await.unwrap();
    // Not the first one: a new connection asks about the queue before it reads.
    shaky.way.hit_reply_to("XREADGROUP", Mishap::Lost);
    assert!(shaky.bus.claim(&worker, 1, BRIEF, &never).await.is_err());

    let given_back = shaky.scene.owned().await;
    let entries = [given_back.entry.clone()];
    let handed_back = shaky
        .scene
        .workers
        .hand_back(&given_back.worker, &entries, false);
    handed_back.await.unwrap();
    let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
    let reclaimed = shaky.done(reclaim).await;
    assert_eq!(reclaimed.len(), 1);
    assert_eq!(
        (&reclaimed[0].entry, reclaimed[0].delivery),
        (&entries[0], 1)
    );

    let claims = shaky.bus.claim(&worker, 9, BRIEF, &never).await.unwrap();
    // The older of the two may be left to its lease, but none is given twice.
    assert!(claims.iter().all(|claim| claim.entry == owed), "{claims:?}");
}

/// The reclaim gives it itself when it comes again.
#[tokio::test]
async fn what_a_lost_reclaim_took_is_not_claimed_as_well() {
    for begun in [true, false] {
        let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
        let (worker, never) = (WorkerId::generate(), CancellationToken::new());
        let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
        assert_eq!(reclaim().await.unwrap(), []);
        shaky.way.hit_reply_to("XREADGROUP", Mishap::Lost);
        assert!(shaky.bus.claim(&worker, 1, BRIEF, &never).await.is_err());

        let given_back = shaky.scene.owned().await;
        let entries = [given_back.entry.clone()];
        let handed_back = shaky
            .scene
            .workers
            .hand_back(&given_back.worker, &entries, begun);
        handed_back.await.unwrap();
        shaky.hit();
        assert!(reclaim().await.is_err());
        let claims = shaky.bus.claim(&worker, 9, BRIEF, &never).await.unwrap();
        assert_eq!(claims, [], "it would be begun twice");
        let reclaimed = shaky.again(reclaim).await;
        assert_eq!(reclaimed.len(), 1);
        assert_eq!(reclaimed[0].entry, entries[0]);
    }
}

/// Redis handed it out long before the worker knew of it, and nobody renewed its lease meanwhile.
#[tokio::test]
async fn the_lease_of_what_a_lost_read_handed_out_begins_with_the_claim() {
    const LEASE: Duration = Duration::from_secs(3);
    const HALF: Duration = Duration::from_millis(1_800);
    let shaky = Shaky::new(BusLimits::default(), 0, Mishap::Lost).await;
    let (worker, never) = (WorkerId::generate(), CancellationToken::new());
    shaky.bus.renew(&worker, LEASE, &[]).await.unwrap();
    let entry = shaky.scene.gateways.enqueue(&shaky.scene.request()).await;
    shaky.way.hit_reply_to("XREADGROUP", Mishap::Lost);
    assert!(shaky.bus.claim(&worker, 1, BRIEF, &never).await.is_err());
    tokio::time::sleep(HALF).await;
    let claims = shaky.more_claims(&worker, 1).await;
    assert_eq!(claims[0].entry, entry.unwrap());
    tokio::time::sleep(HALF).await;
    let other = WorkerId::generate();
    let reclaimed = shaky.scene.workers.reclaim(&other, LEASE, 9).await;
    assert_eq!(reclaimed.unwrap(), [], "it runs");
}
