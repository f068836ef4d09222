//! [`RequestQueue`](prynai_bus::RequestQueue): the running entries are the lease table.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prynai_bus::ids::WorkerId;
use prynai_bus::{Finish, Refusal, TakeOver};
use prynai_test_redis::{assert_eventually, eventually};

use crate::scene::{Kind, LONG_LEASE, claim_one};

for_both_buses! {
    an_entry_is_reclaimed_only_after_its_lease,
    a_renewed_entry_stays_with_its_worker,
    a_reclaimed_entry_is_out_of_its_former_workers_hands,
    every_reclaim_counts_as_a_delivery,
    no_more_is_reclaimed_than_asked_for,
    an_entry_handed_back_unbegun_is_found_at_once_and_not_counted,
    an_entry_handed_back_unbegun_is_nobodys,
    an_entry_handed_back_begun_is_found_at_once_and_counted,
    an_entry_handed_back_is_not_renewed,
    the_lease_of_the_owner_counts,
    all_of_a_worker_is_renewed_but_what_it_gave_up,
}

async fn an_entry_is_reclaimed_only_after_its_lease(kind: Kind) {
    let scene = kind.scene().await;
    let begun = Instant::now();
    let first = scene.claimed(&scene.request()).await;
    let other = WorkerId::generate();
    let early = scene.workers.reclaim(&other, LONG_LEASE, 10).await;
    assert_eq!(early.unwrap(), []);

    let lease = Duration::from_millis(300);
    let second = eventually!(
        scene
            .workers
            .reclaim(&other, lease, 10)
            .await
            .unwrap()
            .pop(),
        "the entry was never reclaimed"
    );
    // Redis counts whole milliseconds.
    let waited = begun.elapsed();
    assert!(waited >= lease - Duration::from_millis(2), "{waited:?}");
    assert_eq!((second.entry, second.delivery), (first.entry, 2));
    assert_eq!(second.request, first.request);
    assert_eq!(scene.depth().await, (0, 1));
}

async fn a_renewed_entry_stays_with_its_worker(kind: Kind) {
    let scene = kind.scene().await;
    let renewed = scene.claimed(&scene.request()).await;
    let neglected = scene.claimed(&scene.request()).await;
    let other = WorkerId::generate();

    let lease = Duration::from_secs(1);
    let reclaimed = eventually!({
        let entries = [renewed.entry.clone()];
        scene
            .workers
            .renew(&scene.worker, lease, &entries)
            .await
            .unwrap();
        let reclaimed = scene.workers.reclaim(&other, lease, 10).await.unwrap();
        (!reclaimed.is_empty()).then_some(reclaimed)
    });
    let entries: Vec<_> = reclaimed.into_iter().map(|claim| claim.entry).collect();
    assert_eq!(entries, [neglected.entry]);
}

async fn all_of_a_worker_is_renewed_but_what_it_gave_up(kind: Kind) {
    let scene = kind.scene().await;
    let lease = Duration::from_secs(1);
    let kept = scene.claimed(&scene.request()).await;
    let given_up = scene.claimed(&scene.request()).await;
    let lost = WorkerId::generate();
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    let of_lost = claim_one(&*scene.workers, &lost).await;
    let own = [given_up.entry.clone()];
    let handed_back = scene.workers.hand_back(&scene.worker, &own, true);
    handed_back.await.unwrap();

    let (looks, mut found) = (WorkerId::generate(), Vec::new());
    assert_eventually!({
        let renewed = scene.workers.renew_all(&scene.worker, lease).await;
        renewed.unwrap();
        let reclaimed = scene.workers.reclaim(&looks, lease, 10).await.unwrap();
        found.extend(reclaimed.into_iter().map(|claim| claim.entry));
        found.contains(&of_lost.entry)
    });
    assert!(found.contains(&given_up.entry), "{found:?}");
    assert!(!found.contains(&kept.entry), "{found:?}");
}

/// Not the lease of the worker that looks: during a change of the setting a fleet has both.
async fn the_lease_of_the_owner_counts(kind: Kind) {
    let scene = kind.scene().await;
    let (patient, hasty) = (scene.worker.clone(), WorkerId::generate());
    let (long, brief) = (LONG_LEASE, Duration::from_millis(300));
    scene.workers.renew(&patient, long, &[]).await.unwrap();
    scene.workers.renew(&hasty, brief, &[]).await.unwrap();
    let of_patient = scene.claimed(&scene.request()).await;
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    let of_hasty = claim_one(&*scene.workers, &hasty).await;

    let looks = WorkerId::generate();
    let (mut found_by_patient, mut found_by_hasty) = (Vec::new(), Vec::new());
    assert_eventually!({
        let found = scene.workers.reclaim(&looks, long, 10).await.unwrap();
        found_by_patient.extend(found.into_iter().map(|claim| claim.entry));
        found_by_patient.len() == 1
    });
    assert_eq!(found_by_patient, [of_hasty.entry]);

    // Long after what the hasty one would allow.
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    let later = claim_one(&*scene.workers, &hasty).await;
    assert_eventually!({
        let found = scene.workers.reclaim(&looks, brief, 10).await.unwrap();
        found_by_hasty.extend(found.into_iter().map(|claim| claim.entry));
        found_by_hasty.contains(&later.entry)
    });
    assert!(!found_by_hasty.contains(&of_patient.entry));
}

async fn a_reclaimed_entry_is_out_of_its_former_workers_hands(kind: Kind) {
    let scene = kind.scene().await;
    let first = scene.claimed(&scene.request()).await;
    let entries = [first.entry.clone()];
    let second_worker = WorkerId::generate();
    scene
        .passed_on(&first.ownership(&scene.worker), &second_worker)
        .await;

    // Neither of these is for the first worker to do any more.
    scene
        .workers
        .renew(&scene.worker, LONG_LEASE, &entries)
        .await
        .unwrap();
    let handed_back = scene.workers.hand_back(&scene.worker, &entries, true).await;
    handed_back.unwrap();
    let third_worker = WorkerId::generate();
    let reclaim = scene.workers.reclaim(&third_worker, LONG_LEASE, 10).await;
    assert_eq!(reclaim.unwrap(), []);

    // The second worker still has it, so it can give it up.
    let handed_back = scene
        .workers
        .hand_back(&second_worker, &entries, true)
        .await;
    handed_back.unwrap();
    let reclaim = scene.workers.reclaim(&third_worker, LONG_LEASE, 10).await;
    assert_eq!(reclaim.unwrap().len(), 1);
}

async fn every_reclaim_counts_as_a_delivery(kind: Kind) {
    let scene = kind.scene().await;
    let mut owner = scene.owned().await;
    for delivery in 2..5 {
        let next = WorkerId::generate();
        let claim = scene.passed_on(&owner, &next).await;
        assert_eq!(claim.delivery, delivery);
        owner = claim.ownership(&next);
    }
}

async fn no_more_is_reclaimed_than_asked_for(kind: Kind) {
    let scene = kind.scene().await;
    let mut entries = Vec::new();
    for _ in 0..5 {
        entries.push(scene.claimed(&scene.request()).await.entry);
    }
    let handed_back = scene.workers.hand_back(&scene.worker, &entries, true).await;
    handed_back.unwrap();

    let mut reclaimed = Vec::new();
    for expected in [2, 2, 1, 0] {
        let other = WorkerId::generate();
        let claims = scene.workers.reclaim(&other, LONG_LEASE, 2).await.unwrap();
        assert_eq!(claims.len(), expected);
        reclaimed.extend(claims.into_iter().map(|claim| claim.entry));
    }
    let reclaimed: BTreeSet<_> = reclaimed.into_iter().collect();
    assert_eq!(reclaimed, BTreeSet::from_iter(entries));
}

async fn an_entry_handed_back_unbegun_is_found_at_once_and_not_counted(kind: Kind) {
    let scene = kind.scene().await;
    let mut entry = scene.claimed(&scene.request()).await;
    let mut worker = scene.worker.clone();
    for _ in 0..3 {
        let entries = [entry.entry.clone()];
        scene
            .workers
            .hand_back(&worker, &entries, false)
            .await
            .unwrap();
        worker = WorkerId::generate();
        let mut claims = scene
            .workers
            .reclaim(&worker, LONG_LEASE, 10)
            .await
            .unwrap();
        entry = claims.pop().expect("found at once");
        assert_eq!(entry.delivery, 1);
    }

    // As a first delivery it may begin to write.
    let owner = entry.ownership(&worker);
    scene.say(&owner, 1).await;
    scene.respond(&owner, 2).await;
    assert_eq!(scene.depth().await, (0, 0));
}

async fn an_entry_handed_back_unbegun_is_nobodys(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let entries = [claim.entry.clone()];
    let handed_back = scene.workers.hand_back(&scene.worker, &entries, false);
    handed_back.await.unwrap();

    let owner = claim.ownership(&scene.worker);
    let taken = scene.workers.take_over(&owner).await.unwrap();
    assert_eq!(taken, TakeOver::Refused(Refusal::LostOwnership));
    scene.workers.dead_letter(&claim, "hopeless").await.unwrap();
    let silent = Finish {
        ownership: owner,
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    let answers = scene.workers.finish(&[silent]).await.unwrap();
    assert_eq!(answers, [Err(Refusal::LostOwnership)]);
    assert_eq!(scene.dead_letters().await, [""; 0]);
    assert_eq!(scene.depth().await, (0, 1));
}

async fn an_entry_handed_back_begun_is_found_at_once_and_counted(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let entries = [claim.entry.clone()];
    let handed_back = scene.workers.hand_back(&scene.worker, &entries, true).await;
    handed_back.unwrap();
    assert_eq!(scene.depth().await, (0, 1));

    // Even the worker that gave it up may take it again.
    let reclaim = scene.workers.reclaim(&scene.worker, LONG_LEASE, 10).await;
    let reclaimed = reclaim.unwrap().pop().expect("found at once");
    assert_eq!((reclaimed.entry, reclaimed.delivery), (claim.entry, 2));
}

async fn an_entry_handed_back_is_not_renewed(kind: Kind) {
    let scene = kind.scene().await;
    for begun in [true, false] {
        let entries = [scene.claimed(&scene.request()).await.entry];
        let handed_back = scene
            .workers
            .hand_back(&scene.worker, &entries, begun)
            .await;
        handed_back.unwrap();
        scene
            .workers
            .renew(&scene.worker, LONG_LEASE, &entries)
            .await
            .unwrap();

        let other = WorkerId::generate();
        let reclaim = scene.workers.reclaim(&other, LONG_LEASE, 10).await;
        assert_eq!(reclaim.unwrap().len(), 1, "begun: {begun}");
    }
}
