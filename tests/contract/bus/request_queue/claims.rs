//! A worker takes what waits, or waits for it.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prynai_bus::ids::WorkerId;
use prynai_test_redis::{PATIENCE, assert_eventually};
use tokio_util::sync::CancellationToken;

use crate::scene::{Kind, LONG_LEASE, claim, claim_one};

for_both_buses! {
    entries_are_claimed_oldest_first,
    an_entry_is_claimed_once,
    a_claim_waits_for_the_first_entry,
    a_claim_that_finds_nothing_ends_after_its_wait,
    every_waiting_claim_is_woken,
    a_stopped_claim_ends_at_once,
    a_stopped_claim_loses_nothing,
    a_stopped_claim_leaves_the_entry_to_the_next,
}

async fn entries_are_claimed_oldest_first(kind: Kind) {
    let scene = kind.scene().await;
    let mut queued = Vec::new();
    for _ in 0..5 {
        let request = scene.request();
        let entry = scene.gateways.enqueue(&request).await.unwrap();
        queued.push((entry, request.stream, 1, false));
    }

    let mut claimed = claim(&*scene.workers, &scene.worker, 3).await;
    assert_eq!(claimed.len(), 3, "a claim takes all it may");
    claimed.extend(claim(&*scene.workers, &scene.worker, 3).await);

    let claimed: Vec<_> = claimed
        .into_iter()
        .map(|c| (c.entry, c.request.stream, c.delivery, c.cancelled))
        .collect();
    assert_eq!(claimed, queued);
}

async fn a_stopped_claim_leaves_the_entry_to_the_next(kind: Kind) {
    let scene = kind.scene().await;
    for round in 0..10 {
        let (first, second) = (WorkerId::generate(), WorkerId::generate());
        let (stop_first, stop_second) = (CancellationToken::new(), CancellationToken::new());
        let (claimed, also_claimed, ()) = tokio::join!(
            scene.workers.claim(&first, 1, LONG_LEASE, &stop_first),
            scene.workers.claim(&second, 1, LONG_LEASE, &stop_second),
            async {
                scene.gateways.enqueue(&scene.request()).await.unwrap();
                stop_first.cancel();
                assert_eventually!(
                    scene.depth().await == (0, round + 1),
                    "round {round}: one claim was stopped, and the other slept on"
                );
                stop_second.cancel();
            },
        );
        let claims = claimed.unwrap().len() + also_claimed.unwrap().len();
        assert_eq!(claims, 1, "round {round}");
    }
}

async fn an_entry_is_claimed_once(kind: Kind) {
    const ENTRIES: usize = 60;
    let scene = kind.scene().await;
    let enqueue = async {
        for _ in 0..ENTRIES {
            scene.gateways.enqueue(&scene.request()).await.unwrap();
        }
    };
    let stop = CancellationToken::new();
    let claimed = std::sync::Mutex::new(Vec::new());
    let work = || async {
        let worker = WorkerId::generate();
        while !stop.is_cancelled() {
            let claims = scene.workers.claim(&worker, 3, PATIENCE, &stop).await;
            let mut claimed = claimed.lock().unwrap();
            claimed.extend(claims.unwrap().into_iter().map(|claim| claim.entry));
            if claimed.len() >= ENTRIES {
                stop.cancel();
            }
        }
    };
    tokio::join!(enqueue, work(), work(), work());

    let claimed = claimed.into_inner().unwrap();
    let distinct: BTreeSet<_> = claimed.iter().collect();
    assert_eq!((claimed.len(), distinct.len()), (ENTRIES, ENTRIES));
}

async fn a_claim_waits_for_the_first_entry(kind: Kind) {
    let scene = kind.secluded_scene().await;
    let begun = Instant::now();
    let (claims, ()) = tokio::join!(claim(&*scene.workers, &scene.worker, 8), async {
        scene.until_a_claim_waits().await;
        scene.gateways.enqueue(&scene.request()).await.unwrap();
    });
    assert_eq!(claims.len(), 1);
    assert!(begun.elapsed() < PATIENCE, "the claim was not woken");
}

async fn a_claim_that_finds_nothing_ends_after_its_wait(kind: Kind) {
    let scene = kind.scene().await;
    let wait = Duration::from_millis(200);
    let begun = Instant::now();
    let stop = CancellationToken::new();
    let claims = scene.workers.claim(&scene.worker, 8, wait, &stop).await;
    assert_eq!(claims.unwrap(), []);
    let waited = begun.elapsed();
    // Redis counts whole milliseconds.
    assert!(waited >= wait - Duration::from_millis(2), "{waited:?}");
    assert!(waited < PATIENCE, "{waited:?}");
}

async fn every_waiting_claim_is_woken(kind: Kind) {
    let scene = kind.scene().await;
    let claim_one = || async {
        let worker = WorkerId::generate();
        claim(&*scene.workers, &worker, 1).await.len()
    };
    let enqueue = async {
        for _ in 0..3 {
            scene.gateways.enqueue(&scene.request()).await.unwrap();
        }
    };
    let begun = Instant::now();
    let claimed = tokio::join!(claim_one(), claim_one(), claim_one(), enqueue);
    assert_eq!(claimed, (1, 1, 1, ()));
    assert!(begun.elapsed() < PATIENCE, "a claim was not woken");
}

async fn a_stopped_claim_ends_at_once(kind: Kind) {
    let scene = kind.secluded_scene().await;
    let stop = CancellationToken::new();
    let begun = Instant::now();
    let waiting = scene.workers.claim(&scene.worker, 8, LONG_LEASE, &stop);
    let (claims, ()) = tokio::join!(waiting, async {
        scene.until_a_claim_waits().await;
        stop.cancel();
    });
    assert_eq!(claims.unwrap(), []);
    assert!(begun.elapsed() < PATIENCE, "the claim went on");

    // The same worker may claim again.
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    claim_one(&*scene.workers, &scene.worker).await;
}

async fn a_stopped_claim_loses_nothing(kind: Kind) {
    const ROUNDS: usize = 40;
    let scene = kind.scene().await;
    let turns = async |turns| {
        for _ in 0..turns {
            tokio::task::yield_now().await;
        }
    };
    for round in 0..ROUNDS {
        let stop = CancellationToken::new();
        let (claims, (), ()) = tokio::join!(
            scene.workers.claim(&scene.worker, 8, PATIENCE, &stop),
            async {
                // Before, while and after the claim is stopped, in turn.
                turns(round).await;
                scene.gateways.enqueue(&scene.request()).await.unwrap();
            },
            async {
                turns(ROUNDS / 2).await;
                stop.cancel();
            },
        );
        let claims = claims.unwrap();
        let (waiting, running) = scene.depth().await;
        assert_eq!(
            running,
            claims.len(),
            "round {round}: claimed, but not told"
        );
        assert_eq!(waiting, 1 - claims.len(), "round {round}");

        let claim = match claims.into_iter().next() {
            Some(claim) => claim,
            None => claim_one(&*scene.workers, &scene.worker).await,
        };
        scene.respond(&claim.ownership(&scene.worker), 1).await;
    }
}
