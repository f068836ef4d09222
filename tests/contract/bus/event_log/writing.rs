//! What is written arrives once and in order, and has a bound.

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::{BusLimits, LogState, Refusal};

use crate::scene::{Kind, finish, json, message, next, response};

for_both_buses! {
    events_are_logged_and_published_in_order,
    the_log_is_bounded_in_bytes,
    a_repeated_offset_is_accepted_and_published_once,
    a_hole_in_the_offsets_shows,
    the_log_is_bounded_but_for_the_final_event,
    nothing_follows_the_response,
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
