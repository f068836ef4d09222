//! [`RequestQueue`](prynai_bus::RequestQueue): at least once, oldest first.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prynai_bus::ids::{EntryId, GatewayId, SessionId, WorkerId};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{BusError, BusLimits, Finish, LogState, Refusal};
use prynai_test_redis::{PATIENCE, assert_eventually};
use tokio_util::sync::CancellationToken;

use super::scene::{
    Kind, LONG_LEASE, claim, claim_one, finish, json, legacy_request, modern_request, next,
    response,
};

for_both_buses! {
    entries_are_claimed_oldest_first,
    a_request_arrives_as_it_was_queued,
    the_queue_is_bounded,
    the_depth_tells_waiting_from_running,
    an_entry_is_pending_until_it_is_finished,
    no_entry_is_trimmed,
    an_entry_is_claimed_once,
    a_claim_waits_for_the_first_entry,
    a_claim_that_finds_nothing_ends_after_its_wait,
    every_waiting_claim_is_woken,
    a_stopped_claim_ends_at_once,
    a_stopped_claim_loses_nothing,
    a_stopped_claim_leaves_the_entry_to_the_next,
    a_finish_logs_publishes_and_removes,
    many_requests_of_several_holders_finish_in_one_call,
    a_repeated_finish_is_accepted_and_published_once,
    a_finish_without_event_removes_the_entry_in_silence,
    a_finish_after_a_take_over_leaves_the_entry_to_its_new_owner,
    a_request_finished_before_the_take_over_is_over,
    a_dead_letter_keeps_the_request_and_the_reason,
    an_answered_request_may_become_a_dead_letter,
    a_former_delivery_makes_no_dead_letter,
    the_newest_dead_letters_are_kept,
    empty_lists_change_nothing,
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

async fn a_request_arrives_as_it_was_queued(kind: Kind) {
    let scene = kind.scene().await;
    let modern = RequestEnvelope {
        name: Some("écho \"x\"\n".to_owned()),
        request_id: Some(json("\"1\"")),
        headers: [("mcp-param-region".to_owned(), "eu".to_owned())].into(),
        deadline_ms: Some(1_785_000_030_000),
        message: json(r#"{"id":"1","params":{"n":1.0,"big":12345678901234567890}}"#),
        ..scene.request()
    };
    let legacy = legacy_request(&scene.gateway, &SessionId::generate());

    for request in [modern, legacy] {
        assert_eq!(scene.claimed(&request).await.request, request);
    }
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

async fn the_queue_is_bounded(kind: Kind) {
    let limits = BusLimits {
        queue: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = scene.owned().await;
    scene.gateways.enqueue(&scene.request()).await.unwrap();

    // One runs, one waits: both count.
    let refused = scene.gateways.enqueue(&scene.request()).await;
    assert!(
        matches!(refused, Err(BusError::QueueFull { limit: 2 })),
        "{refused:?}"
    );

    scene.respond(&owner, 1).await;
    scene.gateways.enqueue(&scene.request()).await.unwrap();
}

async fn the_depth_tells_waiting_from_running(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.depth().await, (0, 0));
    for _ in 0..3 {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
    }
    assert_eq!(scene.depth().await, (3, 0));

    let claims = claim(&*scene.workers, &scene.worker, 2).await;
    assert_eq!(scene.depth().await, (1, 2));

    scene.respond(&claims[0].ownership(&scene.worker), 1).await;
    assert_eq!(scene.depth().await, (1, 1));

    scene.respond(&claims[1].ownership(&scene.worker), 1).await;
    assert_eq!(scene.depth().await, (1, 0));
}

async fn an_entry_is_pending_until_it_is_finished(kind: Kind) {
    let scene = kind.scene().await;
    let is_pending = async |entry: &EntryId| scene.gateways.is_pending(entry).await.unwrap();
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    assert!(is_pending(&entry).await);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert!(is_pending(&entry).await);
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    assert!(!is_pending(&entry).await);
}

async fn no_entry_is_trimmed(kind: Kind) {
    const ENTRIES: usize = 1_000;
    let scene = kind.scene().await;
    for _ in 0..ENTRIES {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
    }
    assert_eq!(scene.depth().await, (ENTRIES, 0));

    let mut claimed = 0;
    while claimed < ENTRIES {
        claimed += claim(&*scene.workers, &scene.worker, 64).await.len();
    }
    assert_eq!(scene.depth().await, (0, ENTRIES));
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

async fn a_finish_logs_publishes_and_removes(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;

    let last = scene.respond(&owner, 1).await;
    assert_eq!(next(&mut events).await, last);
    assert_eq!(scene.depth().await, (0, 0));
    let expected = Some((vec![last], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
}

async fn many_requests_of_several_holders_finish_in_one_call(kind: Kind) {
    let scene = kind.scene().await;
    let holders: Vec<_> = (0..3).map(|_| GatewayId::generate()).collect();
    let mut finishes = Vec::new();
    for number in 0..30 {
        let request = modern_request(&holders[number % 3]);
        let owner = scene.claimed(&request).await.ownership(&scene.worker);
        let answer = response(owner.stream, 1);
        finishes.push(finish(&owner, &answer));
    }
    // One in the middle was taken over, another is cancelled: the others do not suffer.
    let lost = &finishes[10].ownership;
    let other = WorkerId::generate();
    let new_owner = scene.passed_on(lost, &other).await.ownership(&other);
    scene.workers.take_over(&new_owner).await.unwrap();
    scene.cancel(&finishes[20].ownership).await;

    let mut news = Vec::new();
    for holder in &holders {
        news.push(scene.events_of(holder).await);
    }
    let answers = scene.workers.finish(&finishes).await.unwrap();

    for (number, answer) in answers.iter().enumerate() {
        let expected = match number {
            10 => Err(Refusal::LostOwnership),
            20 => Err(Refusal::Cancelled),
            _ => Ok(()),
        };
        assert_eq!(*answer, expected, "request {number}");
        if answer.is_ok() {
            let published = next(&mut news[number % 3]).await;
            assert_eq!(Some(published), finishes[number].event, "request {number}");
        }
    }
    assert_eq!(answers.len(), finishes.len());
    assert_eq!(scene.depth().await, (0, 1), "only the lost one is left");
}

async fn a_repeated_finish_is_accepted_and_published_once(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    scene.respond(&owner, 2).await;
    let last = scene.respond(&owner, 2).await;

    let sentinel = scene.respond(&scene.owned().await, 1).await;
    let heard = [next(&mut events).await, next(&mut events).await];
    assert_eq!(heard, [first, last]);
    assert_eq!(next(&mut events).await, sentinel, "published twice");
}

async fn a_finish_without_event_removes_the_entry_in_silence(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let silent = Finish {
        ownership: scene.owned().await,
        event: None,
    };
    let answers = scene.workers.finish(&[silent]).await.unwrap();
    assert_eq!(answers, [Ok(())]);
    assert_eq!(scene.depth().await, (0, 0));

    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(next(&mut events).await, sentinel);
}

async fn a_finish_after_a_take_over_leaves_the_entry_to_its_new_owner(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();

    let late = finish(&old, &response(old.stream, 1));
    let answers = scene.workers.finish(&[late]).await.unwrap();
    assert_eq!(answers, [Err(Refusal::LostOwnership)]);
    assert_eq!(scene.depth().await, (0, 1));

    let last = scene.respond(&new, 1).await;
    assert_eq!(next(&mut events).await, last, "the old owner was heard");
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_request_finished_before_the_take_over_is_over(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.owned().await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);

    // Not taken over yet, so the first worker's answer counts, and there is nothing left to do.
    let last = scene.respond(&old, 1).await;
    let late = finish(&new, &response(new.stream, 1));
    let answers = scene.workers.finish(&[late]).await.unwrap();
    assert!(answers[0].is_err(), "{answers:?}");
    let (events, _) = scene.log(old.stream).await.expect("the log is kept");
    assert_eq!(events, [last]);
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_dead_letter_keeps_the_request_and_the_reason(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    let reason = "began 3 times and never ended";
    scene.workers.dead_letter(&claim, reason).await.unwrap();

    assert_eq!(scene.depth().await, (0, 0));
    let other = WorkerId::generate();
    let reclaim = scene.workers.reclaim(&other, Duration::ZERO, 10).await;
    assert_eq!(reclaim.unwrap(), []);
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 1, "{letters:?}");
    assert!(letters[0].contains(reason), "{letters:?}");
    assert!(
        letters[0].contains(&claim.request.stream.to_string()),
        "{letters:?}"
    );
}

async fn an_answered_request_may_become_a_dead_letter(kind: Kind) {
    let scene = kind.scene().await;
    let claim = scene.claimed(&scene.request()).await;
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    scene.workers.dead_letter(&claim, "hopeless").await.unwrap();
    assert_eq!(scene.dead_letters().await.len(), 1);
    assert_eq!(scene.depth().await, (0, 0));

    // And the other way round: what was buried may still be answered by its owner.
    let claim = scene.claimed(&scene.request()).await;
    let owner = claim.ownership(&scene.worker);
    scene.say(&owner, 1).await;
    scene.workers.dead_letter(&claim, "hopeless").await.unwrap();
    scene.respond(&owner, 2).await;
    assert_eq!(scene.dead_letters().await.len(), 2);
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_former_delivery_makes_no_dead_letter(kind: Kind) {
    let scene = kind.scene().await;
    let old = scene.claimed(&scene.request()).await;
    let worker = WorkerId::generate();
    let owner = old.ownership(&scene.worker);
    let new = scene.passed_on(&owner, &worker).await.ownership(&worker);
    scene.workers.dead_letter(&old, "hopeless").await.unwrap();

    assert_eq!(scene.dead_letters().await, [""; 0]);
    assert_eq!(scene.depth().await, (0, 1));
    scene.workers.take_over(&new).await.unwrap();
    scene.respond(&new, 1).await;
}

async fn the_newest_dead_letters_are_kept(kind: Kind) {
    let limits = BusLimits {
        dead_letters: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let reasons = ["first", "second", "third", "fourth"];
    for reason in reasons {
        let claim = scene.claimed(&scene.request()).await;
        scene.workers.dead_letter(&claim, reason).await.unwrap();
    }
    let letters = scene.dead_letters().await;
    assert_eq!(letters.len(), 2, "{letters:?}");
    for (letter, reason) in letters.iter().zip(&reasons[2..]) {
        assert!(letter.contains(reason), "{letters:?}");
    }
}

async fn empty_lists_change_nothing(kind: Kind) {
    let scene = kind.scene().await;
    let none: [EntryId; 0] = [];
    scene.claimed(&scene.request()).await;
    assert_eq!(scene.workers.finish(&[]).await.unwrap(), []);
    scene
        .workers
        .renew(&scene.worker, LONG_LEASE, &none)
        .await
        .unwrap();
    scene
        .workers
        .hand_back(&scene.worker, &none, true)
        .await
        .unwrap();
    scene.gateways.release(&[]).await.unwrap();
    assert_eq!(scene.workers.cancelled_among(&[]).await.unwrap(), []);
    assert_eq!(scene.depth().await, (0, 1));
}
