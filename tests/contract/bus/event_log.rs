//! [`EventLog`](prynai_bus::EventLog): the log is the truth, publication carries the news.

use std::time::Duration;

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, Finish, LogState, Refusal};
use prynai_test_redis::assert_eventually;

use super::scene::{
    Kind, LONG_LEASE, finish, json, legacy_request, message, modern_request, next, response,
};

for_both_buses! {
    an_opened_log_can_be_page_from_the_start,
    opening_a_log_again_changes_nothing,
    a_stream_without_a_log_is_not_page,
    a_stream_of_another_session_is_not_page,
    events_are_logged_and_published_in_order,
    the_log_is_read_from_any_offset,
    the_log_is_read_page_by_page,
    the_log_is_bounded_in_bytes,
    a_repeated_offset_is_accepted_and_published_once,
    a_hole_in_the_offsets_shows,
    the_log_is_bounded_but_for_the_final_event,
    nothing_follows_the_response,
    only_the_holder_hears_the_events,
    following_moves_the_events_to_the_follower,
    reading_leaves_the_events_with_their_holder,
    every_reader_learns_who_holds_the_stream,
    the_holder_that_opened_the_log_hears_the_first_event,
    a_released_log_is_gone_for_good,
    an_unfinished_log_is_not_released,
    a_cancelled_log_is_released_once_its_entry_is_gone,
    a_finished_modern_log_ends_with_its_retention,
    a_finished_legacy_log_ends_with_its_retention,
    an_unfinished_log_ends_with_its_retention,
}

async fn an_opened_log_can_be_page_from_the_start(kind: Kind) {
    let scene = kind.scene().await;
    let session = SessionId::generate();
    let request = legacy_request(&scene.gateway, &session);
    let stream = request.stream;
    let opened = scene
        .gateways
        .open_log(&stream, &scene.gateway, Some(&session), Era::Legacy)
        .await;
    opened.unwrap();

    let follow = scene
        .gateways
        .follow(&stream, &scene.gateway, Some(&session));
    assert_eq!(follow.await.unwrap(), Some(0));
    let read = scene.gateways.read_log(&stream, Some(&session), 0).await;
    let page = read.unwrap().expect("the log is there");
    assert_eq!(page.events, []);
    assert_eq!((page.newest, page.state), (0, LogState::Open));

    // The worker writes to the log it finds.
    let owner = scene.claimed(&request).await.ownership(&scene.worker);
    let first = scene.say(&owner, 1).await;
    let last = scene.respond(&owner, 2).await;
    let follow = scene
        .gateways
        .follow(&stream, &scene.gateway, Some(&session));
    assert_eq!(follow.await.unwrap(), Some(2));
    let read = scene.gateways.read_log(&stream, Some(&session), 0).await;
    let page = read.unwrap().expect("the log is there");
    assert_eq!(page.events, [first, last]);
}

async fn opening_a_log_again_changes_nothing(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    let late = GatewayId::generate();
    let session = SessionId::generate();
    let opened = scene
        .gateways
        .open_log(&owner.stream, &late, Some(&session), Era::Modern)
        .await;
    opened.unwrap();

    let second = scene.say(&owner, 2).await;
    assert_eq!(next(&mut events).await, first);
    assert_eq!(next(&mut events).await, second, "the holder has changed");
    let (logged, _) = scene
        .log(owner.stream)
        .await
        .expect("the session has not changed");
    assert_eq!(logged, [first, second]);
}

async fn a_stream_without_a_log_is_not_page(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.log(StreamId::generate()).await, None);

    // A queued request has no log before its first event, and following does not make one.
    let owner = scene.owned().await;
    assert_eq!(scene.log(owner.stream).await, None);
    assert_eq!(scene.log(owner.stream).await, None);
}

async fn a_stream_of_another_session_is_not_page(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let session = SessionId::generate();
    let legacy = legacy_request(&scene.gateway, &session);
    let owner = scene.claimed(&legacy).await.ownership(&scene.worker);
    let first = scene.say(&owner, 1).await;

    let intruder = GatewayId::generate();
    let other = SessionId::generate();
    for wrong in [Some(&other), None] {
        let follow = scene.gateways.follow(&owner.stream, &intruder, wrong).await;
        assert_eq!(follow.unwrap(), None, "{wrong:?}");
    }
    let modern = scene.owned().await;
    let other_first = scene.say(&modern, 1).await;
    let follow = scene
        .gateways
        .follow(&modern.stream, &intruder, Some(&other))
        .await;
    assert_eq!(follow.unwrap(), None, "a stream without a session");

    // Nor did the intruder become the holder.
    let second = scene.say(&owner, 2).await;
    let other_second = scene.say(&modern, 2).await;
    for expected in [first, other_first, second, other_second] {
        assert_eq!(next(&mut events).await, expected);
    }
}

async fn events_are_logged_and_published_in_order(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let mut said = Vec::new();
    for offset in 1..=20 {
        said.push(scene.say(&owner, offset).await);
    }
    said.push(scene.respond(&owner, 21).await);

    for expected in &said {
        assert_eq!(next(&mut events).await, *expected);
    }
    assert_eq!(
        scene.log(owner.stream).await,
        Some((said, LogState::Finished))
    );
}

async fn the_log_is_read_from_any_offset(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    for offset in 1..=12 {
        scene.say(&owner, offset).await;
    }
    for after in [0, 1, 9, 11, 12, 13, u64::MAX] {
        let read = scene.gateways.read_log(&owner.stream, None, after).await;
        let page = read.unwrap().expect("the log is there");
        let offsets: Vec<_> = page.events.iter().map(|event| event.offset).collect();
        let expected: Vec<_> = (1..=12).filter(|offset| *offset > after).collect();
        assert_eq!(offsets, expected, "after {after}");
        assert_eq!((page.newest, page.state), (12, LogState::Open));
    }
}

async fn the_log_is_read_page_by_page(kind: Kind) {
    let by_count = BusLimits {
        page_events: 5,
        ..BusLimits::default()
    };
    // Less than any event, but one is always read.
    let by_size = BusLimits {
        page_bytes: 1,
        ..BusLimits::default()
    };
    for (limits, page) in [(by_count, 5), (by_size, 1)] {
        let scene = kind.scene_with(limits).await;
        let owner = scene.owned().await;
        for offset in 1..=9 {
            scene.say(&owner, offset).await;
        }
        scene.respond(&owner, 10).await;
        for after in (0..=10).step_by(page) {
            let look = scene.gateways.read_log(&owner.stream, None, after).await;
            let read = look.unwrap().expect("the log is there");
            let offsets: Vec<_> = read.events.iter().map(|event| event.offset).collect();
            let last = (after + page as u64).min(10);
            assert_eq!(offsets, Vec::from_iter(after + 1..=last));
            assert_eq!(read.has_more, last < 10, "after {after}");
            let told = (read.newest, read.state);
            assert_eq!(told, (10, LogState::Finished));
        }
    }
}

async fn the_log_is_bounded_in_bytes(kind: Kind) {
    let limits = BusLimits {
        log_bytes: 3_500,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = scene.owned().await;
    let event = |offset, size| {
        let text = json(&format!("\"{}\"", "x".repeat(size)));
        StreamEvent::new(owner.stream, offset, EventKind::Message, text)
    };
    let append = async |event| scene.workers.append(&owner, &event).await.unwrap();
    for offset in 1..=3 {
        assert_eq!(append(event(offset, 1_000)).await, Ok(()));
    }
    assert_eq!(append(event(4, 1_000)).await, Err(Refusal::LogFull));
    scene.respond(&owner, 4).await;

    let owner = scene.owned().await;
    let huge = StreamEvent {
        stream: owner.stream,
        ..event(1, 4_000)
    };
    let refused = scene.workers.append(&owner, &huge).await.unwrap();
    assert_eq!(refused, Err(Refusal::LogFull));
    scene.respond(&owner, 1).await;
}

async fn a_repeated_offset_is_accepted_and_published_once(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    let second = scene.say(&owner, 2).await;
    scene.say(&owner, 2).await;
    scene.say(&owner, 1).await;
    let third = scene.say(&owner, 3).await;

    let said = vec![first, second, third];
    for expected in &said {
        assert_eq!(next(&mut events).await, *expected);
    }
    assert_eq!(scene.log(owner.stream).await, Some((said, LogState::Open)));
}

async fn a_hole_in_the_offsets_shows(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.say(&owner, 1).await;
    scene.say(&owner, 4).await;

    let read = scene.gateways.read_log(&owner.stream, None, 0).await;
    let page = read.unwrap().expect("the log is there");
    let offsets: Vec<_> = page.events.iter().map(|event| event.offset).collect();
    assert_eq!((offsets, page.newest), (vec![1, 4], 4));

    scene.respond(&owner, 7).await;
    let read = scene.gateways.read_log(&owner.stream, None, 4).await;
    let page = read.unwrap().expect("the log is there");
    assert_eq!((page.events.len(), page.newest), (1, 7));
}

async fn the_log_is_bounded_but_for_the_final_event(kind: Kind) {
    let limits = BusLimits {
        log_events: 3,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    for offset in 1..=3 {
        scene.say(&owner, offset).await;
    }
    let fourth = message(owner.stream, 4);
    let refused = scene.workers.append(&owner, &fourth).await.unwrap();
    assert_eq!(refused, Err(Refusal::LogFull));
    // What is in the log may be repeated all the same.
    scene.say(&owner, 3).await;

    scene.respond(&owner, 4).await;
    for offset in 1..=4 {
        assert_eq!(next(&mut events).await.offset, offset);
    }
    let (logged, state) = scene.log(owner.stream).await.expect("the log is there");
    assert_eq!((logged.len(), state), (4, LogState::Finished));
}

async fn nothing_follows_the_response(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    let last = scene.respond(&owner, 1).await;

    let late = message(owner.stream, 2);
    let refused = scene.workers.append(&owner, &late).await.unwrap();
    assert_eq!(refused, Err(Refusal::Finished));
    let second = finish(&owner, &response(owner.stream, 2));
    let refused = scene.workers.finish(&[second]).await.unwrap();
    assert_eq!(refused, [Err(Refusal::Finished)]);
    let expected = Some((vec![last], LogState::Finished));
    assert_eq!(scene.log(owner.stream).await, expected);
}

async fn only_the_holder_hears_the_events(kind: Kind) {
    let scene = kind.scene().await;
    let other = GatewayId::generate();
    let mut ours = scene.events_of(&scene.gateway).await;
    let mut theirs = scene.events_of(&other).await;

    let owner = scene.owned().await;
    let their_request = modern_request(&other);
    let their_owner = scene.claimed(&their_request).await.ownership(&scene.worker);
    let our_events = [scene.say(&owner, 1).await, scene.respond(&owner, 2).await];
    let their_event = scene.respond(&their_owner, 1).await;

    assert_eq!(next(&mut theirs).await, their_event);
    assert_eq!([next(&mut ours).await, next(&mut ours).await], our_events);
}

async fn following_moves_the_events_to_the_follower(kind: Kind) {
    let scene = kind.scene().await;
    let follower = GatewayId::generate();
    let mut before = scene.events_of(&scene.gateway).await;
    let mut after = scene.events_of(&follower).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;

    let follow = scene.gateways.follow(&owner.stream, &follower, None);
    assert_eq!(follow.await.unwrap(), Some(1));
    let read = scene.gateways.read_log(&owner.stream, None, 0).await;
    let page = read.unwrap().expect("the log is there");
    assert_eq!(page.events, std::slice::from_ref(&first));

    // The holder named in the worker's claim is overruled.
    let second = scene.say(&owner, 2).await;
    let last = scene.respond(&owner, 3).await;
    assert_eq!(
        [next(&mut after).await, next(&mut after).await],
        [second, last]
    );
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(
        [next(&mut before).await, next(&mut before).await],
        [first, sentinel]
    );
}

async fn reading_leaves_the_events_with_their_holder(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    let second = scene.say(&owner, 2).await;

    let stream = &owner.stream;
    let read = scene.workers.read_log(stream, None, 1).await.unwrap();
    let read = read.expect("the log is there");
    assert_eq!(read.events, std::slice::from_ref(&second));
    assert_eq!((read.newest, read.state), (2, LogState::Open));
    let other = SessionId::generate();
    let refused = scene.gateways.read_log(stream, Some(&other), 0).await;
    assert_eq!(refused.unwrap(), None, "of another session");

    let last = scene.respond(&owner, 3).await;
    for expected in [first, second, last] {
        assert_eq!(next(&mut events).await, expected);
    }
}

async fn every_reader_learns_who_holds_the_stream(kind: Kind) {
    let scene = kind.scene().await;
    let follower = GatewayId::generate();
    let owner = scene.owned().await;
    let stream = &owner.stream;
    let holder = async || {
        let read = scene.gateways.read_log(stream, None, 0).await.unwrap();
        read.expect("the log is there").holder
    };
    scene.say(&owner, 1).await;
    assert_eq!(holder().await.as_ref(), Some(&scene.gateway));

    let follow = scene.gateways.follow(stream, &follower, None).await;
    assert_eq!(follow.unwrap(), Some(1));
    assert_eq!(holder().await.as_ref(), Some(&follower));
    scene.respond(&owner, 2).await;
    assert_eq!(holder().await.as_ref(), Some(&follower));

    // Made by its response, a log need not name the gateway that the request names.
    let at_once = scene.owned().await;
    scene.respond(&at_once, 1).await;
    let read = scene.gateways.read_log(&at_once.stream, None, 0).await;
    let holder = read.unwrap().expect("the log is there").holder;
    assert!(holder.is_none_or(|holder| holder == scene.gateway));
}

async fn the_holder_that_opened_the_log_hears_the_first_event(kind: Kind) {
    let scene = kind.scene().await;
    let opener = GatewayId::generate();
    let mut events = scene.events_of(&opener).await;
    let owner = scene.owned().await;
    let opened = scene
        .gateways
        .open_log(&owner.stream, &opener, None, Era::Modern)
        .await;
    opened.unwrap();
    let first = scene.say(&owner, 1).await;
    assert_eq!(next(&mut events).await, first);
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
