//! A request that somebody queued a second time, as it was: it cannot touch the stream of the first.

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{Claim, Finish, LogState, Ownership, Refusal, TakeOver};

use crate::scene::{Kind, LONG_LEASE, Scene, claim_one, message, next, response};

for_both_buses! {
    a_copy_cannot_write_while_the_call_runs,
    a_copy_cannot_write_after_the_response,
    a_copy_takes_nothing_over,
    a_copy_does_not_use_up_the_mark_of_a_cancelled_call,
}

impl Scene {
    /// Lets `worker` claim a second entry of the same request.
    async fn copied(&self, request: &Claim, worker: &WorkerId) -> Claim {
        let queued = self.gateways.enqueue(&request.request).await;
        queued.expect("is queued");
        claim_one(&*self.workers, worker).await
    }

    async fn is_refused(&self, copy: &Ownership, event: &StreamEvent) {
        let appended = self.workers.append(copy, event).await.expect("answered");
        assert_eq!(appended, Err(Refusal::Finished), "{event:?}");
    }

    async fn is_removed(&self, copy: &Ownership, event: Option<StreamEvent>) {
        let ownership = copy.clone();
        let finished = self
            .workers
            .finish(&[Finish {
                ownership,
                record: None,
                earlier: Vec::new(),
                event,
            }])
            .await;
        assert_eq!(finished.expect("answered"), [Err(Refusal::Finished)]);
        let pending = self.gateways.is_pending(&copy.entry).await;
        assert!(!pending.expect("answered"), "the copy is still there");
    }
}

async fn a_copy_cannot_write_while_the_call_runs(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let claim = scene.claimed(&scene.request()).await;
    let own = claim.ownership(&scene.worker);
    let stream = own.stream;
    let first = scene.say(&own, 1).await;
    // Of the same worker: worker and delivery are those of the original.
    for worker in [scene.worker.clone(), WorkerId::generate()] {
        let copy = scene.copied(&claim, &worker).await.ownership(&worker);
        for offset in [1, 2] {
            scene.is_refused(&copy, &message(stream, offset)).await;
        }
        scene.is_removed(&copy, Some(response(stream, 2))).await;
    }
    assert_eq!(scene.depth().await, (0, 1));
    let second = scene.say(&own, 2).await;
    let last = scene.respond(&own, 3).await;
    for event in [first, second, last] {
        assert_eq!(next(&mut events).await, event);
    }
}

async fn a_copy_cannot_write_after_the_response(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let own = claim.ownership(&scene.worker);
    let stream = own.stream;
    let last = scene.respond(&own, 1).await;
    for worker in [scene.worker.clone(), WorkerId::generate()] {
        let copy = scene.copied(&claim, &worker).await.ownership(&worker);
        scene.is_refused(&copy, &message(stream, 1)).await;
        scene.is_removed(&copy, Some(response(stream, 1))).await;
    }
    let log = scene.log(stream).await.expect("is kept");
    assert_eq!(log, (vec![last], LogState::Finished));
}

async fn a_copy_takes_nothing_over(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let own = claim.ownership(&scene.worker);
    scene.say(&own, 1).await;
    let copy = scene.copied(&claim, &scene.worker).await;
    let other = WorkerId::generate();
    let copy = copy.ownership(&scene.worker);
    let copy = scene.passed_on(&copy, &other).await.ownership(&other);
    let taken = scene.workers.take_over(&copy).await.unwrap();
    assert_eq!(taken, TakeOver::Refused(Refusal::Finished));
    scene.is_removed(&copy, None).await;

    // The original may be taken over as ever.
    let new = scene.passed_on(&own, &other).await.ownership(&other);
    let taken = scene.workers.take_over(&new).await.unwrap();
    assert_eq!(
        taken,
        TakeOver::Taken {
            newest: 1,
            task: None
        }
    );
    scene.respond(&new, 2).await;
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_copy_does_not_use_up_the_mark_of_a_cancelled_call(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let own = claim.ownership(&scene.worker);
    let stream = own.stream;
    scene.cancel(&own).await;
    for is_dead in [false, true] {
        let copy = scene.copied(&claim, &scene.worker).await;
        assert!(copy.cancelled);
        if is_dead {
            scene.workers.dead_letter(&copy, "a copy").await.unwrap();
        } else {
            scene.is_removed(&copy.ownership(&scene.worker), None).await;
        }
        // Released are only logs whose mark nobody will look for.
        scene.gateways.release(&[stream]).await.unwrap();
        let log = scene.log(stream).await.expect("the mark is there");
        assert_eq!(log.1, LogState::Cancelled);
    }
    let entries = [own.entry.clone()];
    let handed_back = scene.workers.hand_back(&scene.worker, &entries, false);
    handed_back.await.unwrap();
    let again = scene.workers.reclaim(&scene.worker, LONG_LEASE, 1).await;
    assert!(again.unwrap()[0].cancelled);
    let ended = Finish {
        ownership: own,
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    assert_eq!(scene.workers.finish(&[ended]).await.unwrap(), [Ok(())]);
    scene.gateways.release(&[stream]).await.unwrap();
    assert_eq!(scene.log(stream).await, None);
    assert_eq!(scene.depth().await, (0, 0));
}
