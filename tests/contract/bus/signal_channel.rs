//! [`SignalChannel`](prynai_bus::SignalChannel): a cancel is a mark, the worker is woken, and a
//! gateway that is gone is noticed.

use std::collections::BTreeSet;
use std::time::Duration;

use prynai_bus::ids::{GatewayId, StreamId, WorkerId};
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::request::{CallRef, Era};
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{BusLimits, Finish, LogState, NewsReceiver, Refusal};
use prynai_test_redis::assert_eventually;

use super::scene::{
    Kind, LONG_LEASE, Scene, begun, claim, claim_one, finish, message, next, response,
};

for_both_buses! {
    a_call_cancelled_while_it_waits_is_claimed_as_cancelled,
    a_call_cancelled_while_it_runs_is_silenced,
    a_call_cancelled_before_its_first_event_wakes_its_worker,
    a_cancel_without_entry_is_told_by_one_with_it,
    a_cancelled_call_is_claimed_as_cancelled_again,
    a_cancelled_call_may_be_finished_and_is_gone,
    a_finished_call_cannot_be_cancelled,
    a_call_that_is_over_is_not_brought_back_by_a_cancel,
    a_request_is_cancelled_before_it_comes,
    a_request_whose_entry_is_unknown_is_cancelled_while_it_waits,
    a_call_whose_entry_is_unknown_is_cancelled_while_it_runs,
    a_finished_call_whose_entry_is_unknown_is_left_alone,
    marks_of_requests_that_never_come_are_bounded,
    marks_of_requests_that_never_come_end,
    the_cancelled_are_told_apart,
    wake_ups_reach_their_worker_only,
    a_gateway_is_there_for_as_long_as_it_said,
}

impl Scene {
    pub(super) async fn signals_of(&self, worker: &WorkerId) -> NewsReceiver<Signal> {
        begun(self.workers.signal_news(worker).await.expect("subscribed")).await
    }
}

async fn a_call_cancelled_while_it_waits_is_claimed_as_cancelled(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let request = scene.request();
    let call = CallRef {
        stream: request.stream,
        entry: scene.gateways.enqueue(&request).await.unwrap(),
    };
    let (stream, entry) = (&call.stream, Some(&call.entry));
    let cancelled = scene.gateways.cancel_call(stream, entry, Era::Modern).await;
    cancelled.unwrap();

    let told = next(&mut events).await;
    assert_eq!(
        (told.stream, told.kind),
        (call.stream, EventKind::Cancelled)
    );
    assert_eq!(told.message, None);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(claim.entry, call.entry);
    assert!(claim.cancelled);

    // A worker that did not look is stopped at its first write.
    let owner = claim.ownership(&scene.worker);
    let appended = scene.workers.append(&owner, &message(call.stream, 1)).await;
    assert_eq!(appended.unwrap(), Err(Refusal::Cancelled));
}

async fn a_call_cancelled_while_it_runs_is_silenced(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;

    scene.cancel(&owner).await;

    assert_eq!(
        next(&mut signals).await,
        Signal::new(owner.stream, SignalKind::Cancel)
    );
    assert_eq!(next(&mut events).await, first);
    let told = next(&mut events).await;
    assert_eq!(
        (told.stream, told.kind),
        (owner.stream, EventKind::Cancelled)
    );
    assert!(
        told.offset > first.offset,
        "it comes after all that was said"
    );

    let appended = scene
        .workers
        .append(&owner, &message(owner.stream, 2))
        .await;
    assert_eq!(appended.unwrap(), Err(Refusal::Cancelled));
    let (logged, state) = scene.log(owner.stream).await.expect("the mark is kept");
    assert_eq!(state, LogState::Cancelled);
    let messages: Vec<_> = logged
        .iter()
        .filter(|event| event.message.is_some())
        .collect();
    assert_eq!(messages, [&first]);
}

async fn a_call_cancelled_before_its_first_event_wakes_its_worker(kind: Kind) {
    let scene = kind.scene().await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let owner = scene.owned().await;
    scene.cancel(&owner).await;

    assert_eq!(
        next(&mut signals).await,
        Signal::new(owner.stream, SignalKind::Cancel)
    );
    let cancelled = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(cancelled.unwrap(), [owner.stream]);
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

async fn a_cancelled_call_is_claimed_as_cancelled_again(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let claim = scene.passed_on(&owner, &WorkerId::generate()).await;
    assert!(claim.cancelled);
}

async fn a_cancelled_call_may_be_finished_and_is_gone(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;

    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let answer = finish(&owner, &response(owner.stream, 1));
    let answers = scene.workers.finish(&[answer]).await.unwrap();
    assert_eq!(answers, [Err(Refusal::Cancelled)]);
    assert_eq!(scene.depth().await, (0, 0));

    let owner = scene.owned().await;
    scene.cancel(&owner).await;
    let silent = Finish {
        ownership: owner,
        event: None,
    };
    scene.workers.finish(&[silent]).await.unwrap();
    assert_eq!(scene.depth().await, (0, 0));

    // The holder heard of the two cancels and of nothing else.
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    for _ in 0..2 {
        assert_eq!(next(&mut events).await.kind, EventKind::Cancelled);
    }
    assert_eq!(next(&mut events).await, sentinel);
}

async fn a_finished_call_cannot_be_cancelled(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let last = scene.respond(&owner, 1).await;
    scene.cancel(&owner).await;

    let cancelled = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(cancelled.unwrap(), []);
    let expected = Some((vec![last.clone()], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(
        [next(&mut events).await, next(&mut events).await],
        [last, sentinel]
    );
}

async fn a_call_that_is_over_is_not_brought_back_by_a_cancel(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.respond(&owner, 1).await;
    scene.gateways.release(&[owner.stream]).await.unwrap();
    scene.cancel(&owner).await;

    assert_eq!(scene.log(owner.stream).await, None);
    let cancelled = scene.workers.cancelled_among(&[owner.stream]).await;
    assert_eq!(cancelled.unwrap(), []);
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

async fn the_cancelled_are_told_apart(kind: Kind) {
    let scene = kind.scene().await;
    let mut calls = Vec::new();
    for _ in 0..6 {
        calls.push(scene.owned().await);
    }
    scene.say(&calls[0], 1).await;
    scene.say(&calls[1], 1).await;
    for call in [&calls[1], &calls[2], &calls[5]] {
        scene.cancel(call).await;
    }

    let mut asked: Vec<_> = calls.iter().map(|call| call.stream).collect();
    asked.push(StreamId::generate());
    let cancelled = scene.workers.cancelled_among(&asked).await.unwrap();
    assert_eq!(
        BTreeSet::from_iter(cancelled),
        BTreeSet::from([calls[1].stream, calls[2].stream, calls[5].stream])
    );
}

async fn wake_ups_reach_their_worker_only(kind: Kind) {
    let scene = kind.scene().await;
    let other = WorkerId::generate();
    let mut ours = scene.signals_of(&scene.worker).await;
    let mut theirs = scene.signals_of(&other).await;

    let our_call = scene.owned().await;
    let claim = {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
        claim_one(&*scene.workers, &other).await
    };
    scene.cancel(&our_call).await;
    scene.cancel(&claim.ownership(&other)).await;

    let their_stream = claim.request.stream;
    assert_eq!(
        next(&mut theirs).await,
        Signal::new(their_stream, SignalKind::Cancel)
    );
    assert_eq!(
        next(&mut ours).await,
        Signal::new(our_call.stream, SignalKind::Cancel)
    );
}

async fn a_gateway_is_there_for_as_long_as_it_said(kind: Kind) {
    let scene = kind.scene().await;
    let [there, brief, never] = [(); 3].map(|()| GatewayId::generate());
    let all = [there.clone(), brief.clone(), never.clone()];
    let silent = async || scene.workers.silent_among(&all).await.unwrap();
    let beat = async |gateway, life| scene.gateways.beat(gateway, life).await.unwrap();
    beat(&there, LONG_LEASE).await;
    beat(&brief, LONG_LEASE).await;
    assert_eq!(silent().await, std::slice::from_ref(&never));
    beat(&brief, Duration::from_millis(1)).await;
    assert_eventually!(silent().await == [brief.clone(), never.clone()]);
    beat(&brief, LONG_LEASE).await;
    assert_eq!(silent().await, std::slice::from_ref(&never));
    assert!(scene.workers.silent_among(&[]).await.unwrap().is_empty());
}
