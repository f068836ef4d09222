//! Events that are written together, and with the end of their stream.

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::{BusLimits, Finish, LogState, Ownership, Refusal};

use crate::scene::{Kind, append, finish, json, message, next, response};

for_both_buses! {
    events_of_many_streams_are_written_at_once,
    each_stream_has_its_own_answer,
    what_was_written_before_is_not_told_again,
    a_full_log_takes_all_events_or_none,
    the_last_events_come_with_the_response,
    the_last_events_have_room_in_a_full_log,
    a_stream_with_many_bytes_has_all_its_events_in_the_log,
}

fn messages(owner: &Ownership, offsets: std::ops::RangeInclusive<u64>) -> Vec<StreamEvent> {
    offsets
        .map(|offset| message(owner.stream, offset))
        .collect()
}

/// Ends a stream with events before the response that were not written before.
fn finish_with(owner: &Ownership, earlier: &[StreamEvent], offset: u64) -> Finish {
    Finish {
        earlier: earlier.to_vec(),
        ..finish(owner, &response(owner.stream, offset))
    }
}

async fn events_of_many_streams_are_written_at_once(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut owners = Vec::new();
    // More than one run of a script takes.
    for _ in 0..70 {
        owners.push(scene.owned().await);
    }
    for offsets in [1..=2, 3..=3, 4..=9] {
        let said = owners.iter().map(|owner| messages(owner, offsets.clone()));
        let said: Vec<_> = said.collect();
        let appends = owners.iter().zip(&said);
        let appends: Vec<_> = appends.map(|(owner, said)| append(owner, said)).collect();
        let answers = scene.workers.append_all(&appends).await.unwrap();
        assert_eq!(answers, vec![Ok(()); owners.len()]);
        for expected in said.concat() {
            assert_eq!(next(&mut events).await, expected);
        }
    }
    for owner in &owners {
        let expected = Some((messages(owner, 1..=9), LogState::Open));
        assert_eq!(scene.log(owner.stream).await, expected);
    }
    assert_eq!(scene.workers.append_all(&[]).await.unwrap(), []);
}

async fn each_stream_has_its_own_answer(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let [cancelled, begun, new, finished] = [
        scene.owned().await,
        scene.owned().await,
        scene.owned().await,
        scene.owned().await,
    ];
    scene.cancel(&cancelled).await;
    scene.say(&begun, 1).await;
    scene.respond(&finished, 1).await;
    let lost = Ownership {
        delivery: 2,
        ..scene.owned().await
    };
    let appends = [&cancelled, &begun, &lost, &new, &finished];
    let appends = appends.map(|owner| {
        let first = if owner == &begun { 2 } else { 1 };
        append(owner, &messages(owner, first..=first + 1))
    });
    let answers = scene.workers.append_all(&appends).await.unwrap();
    let expected = [
        Err(Refusal::Cancelled),
        Ok(()),
        Err(Refusal::LostOwnership),
        Ok(()),
        Err(Refusal::Finished),
    ];
    assert_eq!(answers, expected);
    for _ in 0..3 {
        // The cancel, and what was said before.
        next(&mut events).await;
    }
    for expected in [messages(&begun, 2..=3), messages(&new, 1..=2)].concat() {
        assert_eq!(next(&mut events).await, expected);
    }
    let log = scene.log(new.stream).await;
    assert_eq!(log, Some((messages(&new, 1..=2), LogState::Open)));
}

async fn what_was_written_before_is_not_told_again(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    for offsets in [1..=2, 1..=2, 2..=4, 3..=4] {
        let appends = [append(&owner, &messages(&owner, offsets))];
        assert_eq!(scene.workers.append_all(&appends).await.unwrap(), [Ok(())]);
    }
    let last = finish_with(&owner, &messages(&owner, 3..=5), 6);
    for _ in 0..2 {
        let finished = scene.workers.finish(std::slice::from_ref(&last)).await;
        assert_eq!(finished.unwrap(), [Ok(())]);
    }
    let mut all = messages(&owner, 1..=5);
    all.push(response(owner.stream, 6));
    for expected in &all {
        assert_eq!(next(&mut events).await, *expected);
    }
    assert_eq!(
        scene.log(owner.stream).await,
        Some((all, LogState::Finished))
    );
    let other = scene.owned().await;
    let said = scene.say(&other, 1).await;
    assert_eq!(next(&mut events).await, said, "nothing is told twice");
}

async fn a_full_log_takes_all_events_or_none(kind: Kind) {
    let limits = BusLimits {
        log_events: 3,
        log_bytes: 1_000,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let appended = async |events: &[StreamEvent]| {
        let appends = [append(&owner, events)];
        scene.workers.append_all(&appends).await.unwrap()[0]
    };
    // Also when nothing was written yet.
    let full = Err(Refusal::LogFull);
    assert_eq!(appended(&messages(&owner, 1..=4)).await, full);
    let log = scene.log(owner.stream).await;
    assert!(log.is_none_or(|(events, _)| events.is_empty()));
    assert_eq!(appended(&messages(&owner, 1..=2)).await, Ok(()));
    assert_eq!(appended(&messages(&owner, 3..=4)).await, full);
    let text = json(&format!("\"{}\"", "x".repeat(1_000)));
    let huge = StreamEvent::new(owner.stream, 3, EventKind::Message, text);
    assert_eq!(appended(&[huge]).await, full);
    assert_eq!(appended(&messages(&owner, 2..=3)).await, Ok(()));
    for expected in messages(&owner, 1..=3) {
        assert_eq!(next(&mut events).await, expected);
    }
    let log = scene.log(owner.stream).await;
    assert_eq!(log, Some((messages(&owner, 1..=3), LogState::Open)));
}

async fn the_last_events_come_with_the_response(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let (quick, begun, cancelled) = (
        scene.owned().await,
        scene.owned().await,
        scene.owned().await,
    );
    scene.say(&begun, 1).await;
    next(&mut events).await;
    scene.cancel(&cancelled).await;
    next(&mut events).await;
    let lost = Ownership {
        delivery: 2,
        ..scene.owned().await
    };
    let finishes = [
        finish_with(&quick, &messages(&quick, 1..=3), 4),
        finish_with(&cancelled, &messages(&cancelled, 1..=1), 2),
        finish_with(&lost, &messages(&lost, 1..=1), 2),
        finish_with(&begun, &messages(&begun, 2..=2), 3),
    ];
    let answers = scene.workers.finish(&finishes).await.unwrap();
    let expected = [
        Ok(()),
        Err(Refusal::Cancelled),
        Err(Refusal::LostOwnership),
        Ok(()),
    ];
    assert_eq!(answers, expected);
    for (owner, known, last) in [(&quick, 0, 4), (&begun, 1, 3)] {
        let mut all = messages(owner, 1..=last - 1);
        all.push(response(owner.stream, last));
        for expected in &all[known..] {
            assert_eq!(next(&mut events).await, *expected);
        }
        let log = scene.log(owner.stream).await;
        assert_eq!(log, Some((all, LogState::Finished)));
    }
    assert_eq!(scene.depth().await, (0, 1), "what is lost stays");
}

async fn the_last_events_have_room_in_a_full_log(kind: Kind) {
    let limits = BusLimits {
        log_events: 1,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = scene.owned().await;
    scene.say(&owner, 1).await;
    let last = finish_with(&owner, &messages(&owner, 2..=3), 4);
    assert_eq!(scene.workers.finish(&[last]).await.unwrap(), [Ok(())]);
    let (logged, state) = scene.log(owner.stream).await.expect("the log is there");
    assert_eq!((logged.len(), state), (4, LogState::Finished));
}

/// They are not published then, only that they are there.
async fn a_stream_with_many_bytes_has_all_its_events_in_the_log(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let text = json(&format!("\"{}\"", "x".repeat(100_000)));
    let event = |offset| StreamEvent::new(owner.stream, offset, EventKind::Message, text.clone());
    let said = [event(1), event(2)];
    let appends = [append(&owner, &said)];
    assert_eq!(scene.workers.append_all(&appends).await.unwrap(), [Ok(())]);
    let heard = next(&mut events).await;
    assert!(heard == said[0] || heard == StreamEvent::see_log(owner.stream));
    for (after, expected) in (0..).zip(said) {
        let page = scene.gateways.read_log(&owner.stream, None, after).await;
        let page = page.unwrap().expect("the log is there");
        assert_eq!(page.events[0], expected);
    }
}
