//! A call is cancelled by somebody who does not know its entry: perhaps it is not queued yet.

use std::time::Duration;

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{BusLimits, Finish, LogState, Refusal};
use prynai_test_redis::assert_eventually;

use crate::scene::{Kind, claim, finish, message, next, response};

for_both_buses! {
    a_cancel_without_entry_is_told_by_one_with_it,
    a_request_is_cancelled_before_it_comes,
    a_request_whose_entry_is_unknown_is_cancelled_while_it_waits,
    a_call_whose_entry_is_unknown_is_cancelled_while_it_runs,
    a_finished_call_whose_entry_is_unknown_is_left_alone,
    marks_of_requests_that_never_come_are_bounded,
    marks_of_requests_that_never_come_end,
}

async fn a_cancel_without_entry_is_told_by_one_with_it(kind: Kind) {
    let scene = kind.scene().await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    scene.cancel_unknown(owner.stream).await;
    scene.cancel(&owner).await;
    let wake_up = Signal::new(owner.stream, SignalKind::Cancel);
    assert_eq!(next(&mut signals).await, wake_up);
    let told = next(&mut events).await;
    let expected = (owner.stream, EventKind::Cancelled);
    assert_eq!((told.stream, told.kind), expected);

    // Once is enough.
    scene.cancel(&owner).await;
    scene.cancel_unknown(owner.stream).await;
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(next(&mut events).await, sentinel);
}

async fn a_request_is_cancelled_before_it_comes(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let request = scene.request();
    scene.cancel_unknown(request.stream).await;
    let claim = scene.claimed(&request).await;
    assert!(claim.cancelled);
    let other = scene.claimed(&scene.request()).await;
    assert!(!other.cancelled, "another request");

    let owner = claim.ownership(&scene.worker);
    let first = message(owner.stream, 1);
    let appended = scene.workers.append(&owner, &first).await;
    assert_eq!(appended.unwrap(), Err(Refusal::Cancelled));
    let silent = Finish {
        ownership: owner,
        record: None,
        earlier: Vec::new(),
        event: None,
    };
    assert_eq!(scene.workers.finish(&[silent]).await.unwrap(), [Ok(())]);
    let sentinel = scene.respond(&other.ownership(&scene.worker), 1).await;
    assert_eq!(next(&mut events).await, sentinel);
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_request_whose_entry_is_unknown_is_cancelled_while_it_waits(kind: Kind) {
    let scene = kind.scene().await;
    let requests = [scene.request(), scene.request(), scene.request()];
    for request in &requests {
        scene.gateways.enqueue(request).await.unwrap();
    }
    scene.cancel_unknown(requests[1].stream).await;
    let claims = claim(&*scene.workers, &scene.worker, 3).await;
    let cancelled: Vec<_> = claims.iter().map(|claim| claim.cancelled).collect();
    assert_eq!(cancelled, [false, true, false]);
    // Whoever claims it next sees it as well.
    let owner = claims[1].ownership(&scene.worker);
    assert!(
        scene
            .passed_on(&owner, &WorkerId::generate())
            .await
            .cancelled
    );
}

async fn a_call_whose_entry_is_unknown_is_cancelled_while_it_runs(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let (silent, begun) = (scene.owned().await, scene.owned().await);
    let first = scene.say(&begun, 1).await;
    scene.cancel_unknown(silent.stream).await;
    scene.cancel_unknown(begun.stream).await;

    // Nobody can tell which worker has a call that has said nothing.
    let told = next(&mut signals).await;
    assert_eq!(told, Signal::new(begun.stream, SignalKind::Cancel));
    assert_eq!(next(&mut events).await, first);
    let told = next(&mut events).await;
    assert_eq!(
        (told.stream, told.kind),
        (begun.stream, EventKind::Cancelled)
    );
    for (owner, offset) in [(&silent, 1), (&begun, 2)] {
        let answer = finish(owner, &response(owner.stream, offset));
        let answers = scene.workers.finish(&[answer]).await.unwrap();
        assert_eq!(answers, [Err(Refusal::Cancelled)]);
    }
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_finished_call_whose_entry_is_unknown_is_left_alone(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    let last = scene.respond(&owner, 1).await;
    scene.cancel_unknown(owner.stream).await;
    let expected = Some((vec![last], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
}

async fn marks_of_requests_that_never_come_are_bounded(kind: Kind) {
    let limits = BusLimits {
        queue: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let streams = [(); 4].map(|()| StreamId::generate());
    for stream in streams {
        scene.cancel_unknown(stream).await;
    }
    let marked = scene.workers.cancelled_among(&streams).await.unwrap();
    assert_eq!(marked, streams[..2]);

    // A call that is known is marked all the same.
    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let marked = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(marked.unwrap(), [owner.stream]);
}

async fn marks_of_requests_that_never_come_end(kind: Kind) {
    let limits = BusLimits {
        queue: 1,
        open_retention: Duration::from_millis(300),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let marked = async |stream| {
        let marked = scene.workers.cancelled_among(&[stream]).await;
        !marked.unwrap().is_empty()
    };
    let old = StreamId::generate();
    scene.cancel_unknown(old).await;
    assert!(marked(old).await);
    assert_eventually!(!marked(old).await, "the mark is kept too long");
    // It makes room for another.
    let new = StreamId::generate();
    assert_eventually!({
        scene.cancel_unknown(new).await;
        marked(new).await
    });
}
