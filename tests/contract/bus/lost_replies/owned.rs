//! What a worker has: renewed, reclaimed, handed back, ended.

use prynai_bus::ids::WorkerId;
use prynai_bus::{Finish, LogState, Ownership, TakeOver};

use super::{always, in_every_way, tiny_pages};
use crate::scene::{LONG_LEASE, append, finish, message, next, redis_dead_letters, response};

#[tokio::test]
async fn what_a_lost_reclaim_took_is_given_again_in_parts() {
    in_every_way(tiny_pages(), async |shaky| {
        let (mut expected, worker) = (Vec::new(), WorkerId::generate());
        for _ in 0..3 {
            let from = shaky.scene.owned().await;
            let entries = [from.entry.clone()];
            let given_up = shaky.scene.workers.hand_back(&from.worker, &entries, true);
            given_up.await.unwrap();
            expected.extend(entries);
        }
        shaky.hit();
        let mut reclaimed = Vec::new();
        loop {
            let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
            let claims = shaky.again(reclaim).await;
            if claims.is_empty() {
                break;
            }
            assert_eq!(claims.len(), 1, "{claims:?}");
            assert_eq!(claims[0].delivery, 2);
            reclaimed.extend(claims.into_iter().map(|claim| claim.entry));
        }
        assert_eq!(reclaimed, expected, "each once");
    })
    .await;
}

#[tokio::test]
async fn leases_are_renewed() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        let entries = [owner.entry.clone()];
        shaky
            .done(|| shaky.bus.renew(&owner.worker, LONG_LEASE, &entries))
            .await;
        shaky
            .done(|| shaky.bus.renew_all(&owner.worker, LONG_LEASE))
            .await;
        shaky.scene.respond(&owner, 1).await;
    })
    .await;
}

#[tokio::test]
async fn what_a_lost_reclaim_took_is_given_again() {
    always(async |shaky| {
        let (from, worker) = (shaky.scene.owned().await, WorkerId::generate());
        let entries = [from.entry.clone()];
        let given_up = shaky.scene.workers.hand_back(&from.worker, &entries, true);
        given_up.await.unwrap();
        let reclaim = || shaky.bus.reclaim(&worker, LONG_LEASE, 9);
        let claims = shaky.done(reclaim).await;
        assert_eq!(claims.len(), 1, "{claims:?}");
        assert_eq!((&claims[0].entry, claims[0].delivery), (&from.entry, 2));
        let again = shaky.again(reclaim).await;
        assert_eq!(again, [], "a request is begun twice");

        let owner = claims[0].ownership(&worker);
        let taken = shaky.scene.workers.take_over(&owner).await.unwrap();
        assert_eq!(
            taken,
            TakeOver::Taken {
                newest: 0,
                task: None
            }
        );
    })
    .await;
}

/// Nobody has claimed it since: it is not one delivery less for each time that it is asked for.
#[tokio::test]
async fn a_delivery_that_was_not_begun_is_taken_back_once() {
    always(async |shaky| {
        let from = shaky.scene.owned().await;
        let (second, third) = (WorkerId::generate(), WorkerId::generate());
        let claim = shaky.scene.passed_on(&from, &second).await;
        assert_eq!(claim.delivery, 2);
        let entries = [claim.entry];
        let hand_back = || shaky.bus.hand_back(&second, &entries, false);
        shaky.done(hand_back).await;
        let claims = shaky.scene.workers.reclaim(&third, LONG_LEASE, 9).await;
        assert_eq!(claims.unwrap()[0].delivery, 2);
    })
    .await;
}

#[tokio::test]
async fn what_is_handed_back_is_handed_back_once() {
    always(async |shaky| {
        let (from, other) = (shaky.scene.owned().await, WorkerId::generate());
        let entries = [from.entry.clone()];
        let hand_back = || shaky.bus.hand_back(&from.worker, &entries, false);
        shaky.done(hand_back).await;
        let reclaim = || shaky.scene.workers.reclaim(&other, LONG_LEASE, 9);
        let claims = reclaim().await.unwrap();
        assert_eq!((claims.len(), claims[0].delivery), (1, 1));
        shaky.again(hand_back).await;
        assert_eq!(reclaim().await.unwrap(), [], "it is another worker's");
    })
    .await;
}

#[tokio::test]
async fn a_call_ends_once() {
    always(async |shaky| {
        let mut events_heard = shaky.scene.events_of(&shaky.scene.gateway).await;
        let owner = shaky.scene.owned().await;
        let other = shaky.scene.owned().await;
        let events = |owner: &Ownership| [1, 2].map(|offset| message(owner.stream, offset));
        let [first, second] = events(&owner);
        let appends = [&owner, &other].map(|owner| append(owner, &events(owner)));
        let appended = shaky.done(|| shaky.bus.append_all(&appends)).await;
        assert_eq!(appended, [Ok(()), Ok(())]);
        for event in [events(&owner), events(&other)].concat() {
            assert_eq!(next(&mut events_heard).await, event, "heard once, in order");
        }
        shaky.scene.respond(&other, 3).await;
        next(&mut events_heard).await;
        let (third, last) = (message(owner.stream, 3), response(owner.stream, 4));
        let finishes = [Finish {
            earlier: vec![third.clone()],
            ..finish(&owner, &last)
        }];
        let finished = shaky.done(|| shaky.bus.finish(&finishes)).await;
        assert_eq!(finished, [Ok(())]);
        // A stream of one event is made by its end.
        let quick = shaky.scene.owned().await;
        let only = response(quick.stream, 1);
        let finishes = [finish(&quick, &only)];
        let finished = shaky.done(|| shaky.bus.finish(&finishes)).await;
        assert_eq!(finished, [Ok(())]);

        for event in [&third, &last, &only] {
            assert_eq!(
                next(&mut events_heard).await,
                *event,
                "heard once, in order"
            );
        }
        let log = shaky.scene.log(owner.stream).await;
        let all = vec![first, second, third, last];
        assert_eq!(log, Some((all, LogState::Finished)));
        assert_eq!(shaky.scene.depth().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn a_dead_letter_is_made_once() {
    always(async |shaky| {
        let claim = shaky.scene.claimed(&shaky.scene.request()).await;
        shaky
            .done(|| shaky.bus.dead_letter(&claim, "hopeless"))
            .await;
        let letters = redis_dead_letters(&shaky.server, &shaky.prefix).await;
        assert_eq!(letters.len(), 1, "{letters:?}");
        assert_eq!(shaky.scene.depth().await, (0, 0));
    })
    .await;
}

#[tokio::test]
async fn the_queue_is_looked_at() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        assert_eq!(shaky.scene.depth().await, (0, 1));
        assert!(shaky.done(|| shaky.bus.is_pending(&owner.entry)).await);
        assert!(shaky.done(|| shaky.bus.queue_room(usize::MAX)).await > 0);
        assert_eq!(shaky.done(|| shaky.bus.backlog()).await.running, 1);
        shaky.done(|| shaky.bus.health()).await;
    })
    .await;
}
