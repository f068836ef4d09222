//! [`SignalChannel`](prynai_shared::bus::SignalChannel): what is said to a running call is stored, and
//! its worker is woken.

use std::collections::BTreeSet;
use std::time::Duration;

use prynai_shared::bus::{BusLimits, Finish, LogState, NewsReceiver, Ownership, Posted, Refusal};
use prynai_shared::ids::{SessionId, StreamId, WorkerId};
use prynai_shared::wire::event::EventKind;
use prynai_shared::wire::request::{CallRef, Era};
use prynai_shared::wire::signal::{Signal, SignalKind};
use prynai_tests::assert_eventually;

use super::scene::{
    Kind, Scene, begun, claim, claim_one, finish, json, legacy_request, message, next, response,
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
    mail_is_kept_in_order_and_wakes_the_worker,
    mail_is_taken_once,
    mail_for_no_running_call_is_refused,
    the_mailbox_is_bounded,
    mail_reaches_the_new_owner,
    wake_ups_reach_their_worker_only,
}

impl Scene {
    async fn signals_of(&self, worker: &WorkerId) -> NewsReceiver<Signal> {
        begun(self.workers.signal_news(worker).await.expect("subscribed")).await
    }

    /// A legacy call in a session, with its first event written.
    async fn call_in(&self, session: &SessionId) -> Ownership {
        let request = legacy_request(&self.gateway, session);
        let owner = self.claimed(&request).await.ownership(&self.worker);
        self.say(&owner, 1).await;
        owner
    }

    async fn post(&self, stream: StreamId, session: &SessionId, text: &str) -> Posted {
        let posted = self.gateways.post_mail(&stream, session, &json(text)).await;
        posted.expect("posted")
    }

    async fn mail(&self, owner: &Ownership) -> Vec<String> {
        let taken = self.workers.take_mail(owner).await.expect("taken");
        taken.iter().map(|mail| mail.as_str().to_owned()).collect()
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

async fn mail_is_kept_in_order_and_wakes_the_worker(kind: Kind) {
    let scene = kind.scene().await;
    let mut signals = scene.signals_of(&scene.worker).await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;

    let letters = [
        r#"{"id":"a.1","result":{"n":1.0}}"#,
        r#"{"id":"a.2"}"#,
        "{}",
    ];
    for letter in letters {
        assert_eq!(
            scene.post(owner.stream, &session, letter).await,
            Posted::Accepted
        );
    }
    for _ in letters {
        assert_eq!(
            next(&mut signals).await,
            Signal::new(owner.stream, SignalKind::Mail)
        );
    }
    assert_eq!(scene.mail(&owner).await, letters);
}

async fn mail_is_taken_once(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let owner = scene.call_in(&session).await;
    assert_eq!(scene.mail(&owner).await, [""; 0]);
    for letter in ["1", "2"] {
        scene.post(owner.stream, &session, letter).await;
        assert_eq!(scene.mail(&owner).await, [letter]);
        assert_eq!(scene.mail(&owner).await, [""; 0]);
    }
}

async fn mail_for_no_running_call_is_refused(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let refused = Posted::NoSuchCall;

    let unknown = StreamId::generate();
    assert_eq!(scene.post(unknown, &session, "1").await, refused, "unknown");

    let request = legacy_request(&scene.gateway, &session);
    let silent = scene.claimed(&request).await.ownership(&scene.worker);
    let stream = silent.stream;
    assert_eq!(scene.post(stream, &session, "1").await, refused, "no event");
    let opened = scene
        .gateways
        .open_log(&stream, &scene.gateway, Some(&session), Era::Legacy)
        .await;
    opened.unwrap();
    assert_eq!(
        scene.post(stream, &session, "1").await,
        refused,
        "only opened"
    );

    scene.say(&silent, 1).await;
    let other = SessionId::generate();
    assert_eq!(
        scene.post(stream, &other, "1").await,
        refused,
        "another session"
    );
    let modern = scene.owned().await;
    scene.say(&modern, 1).await;
    assert_eq!(
        scene.post(modern.stream, &session, "1").await,
        refused,
        "no session"
    );

    scene.respond(&silent, 2).await;
    assert_eq!(scene.post(stream, &session, "1").await, refused, "finished");

    let request = legacy_request(&scene.gateway, &session);
    let begun = scene.claimed(&request).await.ownership(&scene.worker);
    let worker = WorkerId::generate();
    let taken = scene.passed_on(&begun, &worker).await.ownership(&worker);
    scene.workers.take_over(&taken).await.unwrap();
    let posted = scene.post(taken.stream, &session, "1").await;
    assert_eq!(posted, refused, "only taken over");

    let cancelled = scene.call_in(&session).await;
    scene.cancel(&cancelled).await;
    assert_eq!(
        scene.post(cancelled.stream, &session, "1").await,
        refused,
        "cancelled"
    );
    assert_eq!(scene.mail(&silent).await, [""; 0]);
}

async fn the_mailbox_is_bounded(kind: Kind) {
    let limits = BusLimits {
        mailbox: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let session = SessionId::generate();
    let (one, two) = (scene.call_in(&session).await, scene.call_in(&session).await);
    for expected in [
        Posted::Accepted,
        Posted::Accepted,
        Posted::Full,
        Posted::Full,
    ] {
        assert_eq!(scene.post(one.stream, &session, "1").await, expected);
    }
    // Every call has a mailbox of its own.
    assert_eq!(
        scene.post(two.stream, &session, "1").await,
        Posted::Accepted
    );

    assert_eq!(scene.mail(&one).await, ["1", "1"]);
    assert_eq!(
        scene.post(one.stream, &session, "2").await,
        Posted::Accepted
    );
    assert_eq!(scene.mail(&one).await, ["2"]);
}

async fn mail_reaches_the_new_owner(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let old = scene.call_in(&session).await;
    let worker = WorkerId::generate();
    let mut signals = scene.signals_of(&worker).await;
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();

    assert_eq!(
        scene.post(old.stream, &session, "1").await,
        Posted::Accepted
    );
    assert_eq!(
        next(&mut signals).await,
        Signal::new(old.stream, SignalKind::Mail)
    );
    assert_eq!(scene.mail(&old).await, [""; 0], "it is not for the old");
    assert_eq!(scene.mail(&new).await, ["1"]);

    scene.cancel(&new).await;
    assert_eq!(
        next(&mut signals).await,
        Signal::new(old.stream, SignalKind::Cancel)
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
