//! A log is opened, found and read.

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, LogState};

use crate::scene::{Kind, legacy_request, next};

for_both_buses! {
    an_opened_log_can_be_followed_from_the_start,
    opening_a_log_again_changes_nothing,
    a_stream_without_a_log_is_not_followed,
    a_stream_of_another_session_is_not_followed,
    the_log_is_read_from_any_offset,
    the_log_is_read_page_by_page,
}

async fn an_opened_log_can_be_followed_from_the_start(kind: Kind) {
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

async fn a_stream_without_a_log_is_not_followed(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.log(StreamId::generate()).await, None);

    // A queued request has no log before its first event, and following does not make one.
    let owner = scene.owned().await;
    assert_eq!(scene.log(owner.stream).await, None);
    assert_eq!(scene.log(owner.stream).await, None);
}

async fn a_stream_of_another_session_is_not_followed(kind: Kind) {
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
