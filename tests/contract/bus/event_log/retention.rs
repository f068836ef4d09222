//! How long a log is kept.

use std::time::Duration;

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::{BusLimits, Finish, LogState, Refusal};
use prynai_test_redis::assert_eventually;

use crate::scene::{Kind, LONG_LEASE, finish, legacy_request, message, next, response};

for_both_buses! {
    a_released_log_is_gone_for_good,
    an_unfinished_log_is_not_released,
    a_cancelled_log_is_released_once_its_entry_is_gone,
    a_finished_modern_log_ends_with_its_retention,
    a_finished_legacy_log_ends_with_its_retention,
    an_unfinished_log_ends_with_its_retention,
}

async fn a_released_log_is_gone_for_good(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let one = scene.owned().await;
    let two = scene.owned().await;
    scene.respond(&one, 1).await;
    scene.say(&two, 1).await;
    scene.respond(&two, 2).await;
    scene
        .gateways
        .release(&[one.stream, two.stream])
        .await
        .unwrap();
    assert_eq!(scene.log(one.stream).await, None);
    assert_eq!(scene.log(two.stream).await, None);

    // A straggler does not make it again.
    let late = message(one.stream, 1);
    let refused = scene.workers.append(&one, &late).await.unwrap();
    assert_eq!(refused, Err(Refusal::LostOwnership));
    for (owner, offset) in [(&one, 1), (&two, 2)] {
        let late = finish(owner, &response(owner.stream, offset));
        let refused = scene.workers.finish(&[late]).await.unwrap();
        assert_eq!(refused, [Err(Refusal::LostOwnership)]);
        assert_eq!(scene.log(owner.stream).await, None);
    }
    // Nor is it heard.
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    for _ in 0..3 {
        next(&mut events).await;
    }
    assert_eq!(next(&mut events).await, sentinel);
}

async fn an_unfinished_log_is_not_released(kind: Kind) {
    let scene = kind.scene().await;
    let open = scene.owned().await;
    let finished = scene.owned().await;
    let first = scene.say(&open, 1).await;
    scene.respond(&finished, 1).await;
    let unknown = StreamId::generate();
    let streams = [open.stream, finished.stream, unknown];
    scene.gateways.release(&streams).await.unwrap();

    assert_eq!(
        scene.log(open.stream).await,
        Some((vec![first], LogState::Open))
    );
    assert_eq!(scene.log(finished.stream).await, None);
}

async fn a_cancelled_log_is_released_once_its_entry_is_gone(kind: Kind) {
    let scene = kind.scene().await;
    let claims = [
        scene.claimed(&scene.request()).await,
        scene.claimed(&scene.request()).await,
        scene.claimed(&scene.request()).await,
        scene.claimed(&scene.request()).await,
    ];
    let owners = claims.each_ref().map(|c| c.ownership(&scene.worker));
    let streams = owners.each_ref().map(|owner| owner.stream);
    scene.say(&owners[0], 1).await;
    scene.say(&owners[3], 1).await;
    for owner in &owners[..3] {
        scene.cancel(owner).await;
    }
    scene.gateways.release(&streams).await.unwrap();
    let marked = scene.workers.cancelled_among(&streams).await.unwrap();
    assert_eq!(marked, streams[..3], "a worker would not find the mark");

    // The ways in which the entry of a cancelled call goes, and one that was gone before.
    let silent = Finish {
        ownership: owners[0].clone(),
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    scene.workers.finish(&[silent]).await.unwrap();
    let late = finish(&owners[1], &response(streams[1], 1));
    scene.workers.finish(&[late]).await.unwrap();
    for claim in &claims[2..] {
        scene.workers.dead_letter(claim, "hopeless").await.unwrap();
    }
    scene.cancel(&owners[3]).await;
    for stream in streams {
        let log = scene.log(stream).await.expect("the log is kept");
        assert_eq!(log.1, LogState::Cancelled);
    }
    scene.gateways.release(&streams).await.unwrap();
    for stream in streams {
        assert_eq!(scene.log(stream).await, None);
    }
}

/// The retention under test; everything else is kept for an hour.
const SHORT: Duration = Duration::from_millis(300);

fn kept_long() -> BusLimits {
    BusLimits {
        legacy_retention: LONG_LEASE,
        modern_retention: LONG_LEASE,
        open_retention: LONG_LEASE,
        ..BusLimits::default()
    }
}

async fn a_finished_modern_log_ends_with_its_retention(kind: Kind) {
    let limits = BusLimits {
        modern_retention: SHORT,
        ..kept_long()
    };
    ends_with_its_retention(kind, limits, [true, false, false]).await;
}

async fn a_finished_legacy_log_ends_with_its_retention(kind: Kind) {
    let limits = BusLimits {
        legacy_retention: SHORT,
        ..kept_long()
    };
    ends_with_its_retention(kind, limits, [false, true, false]).await;
}

async fn an_unfinished_log_ends_with_its_retention(kind: Kind) {
    let limits = BusLimits {
        open_retention: SHORT,
        ..kept_long()
    };
    ends_with_its_retention(kind, limits, [false, false, true]).await;
}

/// Makes a finished modern, a finished legacy and an open stream, waits for those that `end`, and
/// finds the others whole.
async fn ends_with_its_retention(kind: Kind, limits: BusLimits, end: [bool; 3]) {
    let scene = kind.scene_with(limits).await;
    let session = SessionId::generate();
    let legacy = legacy_request(&scene.gateway, &session);
    let legacy = scene.claimed(&legacy).await.ownership(&scene.worker);
    let (modern, open) = (scene.owned().await, scene.owned().await);
    scene.respond(&modern, 1).await;
    scene.respond(&legacy, 1).await;
    scene.say(&open, 1).await;

    let streams = [(modern, None), (legacy, Some(&session)), (open, None)];
    let is_kept = async |(owner, session): &(_, Option<&SessionId>)| {
        let owner: &prynai_bus::Ownership = owner;
        let read = scene.gateways.read_log(&owner.stream, *session, 0);
        read.await.unwrap().is_some()
    };
    for (stream, _) in streams.iter().zip(end).filter(|(_, ends)| *ends) {
        assert_eventually!(!is_kept(stream).await, "the log is kept too long");
    }
    for (stream, ends) in streams.iter().zip(end) {
        assert_eq!(is_kept(stream).await, !ends);
    }
}
