//! What one change costs, counted.

use futures::task::noop_waker;
use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::change::Change;

use super::*;

const CROWD: usize = 5_000;

fn start() -> FeedPosition {
    FeedPosition {
        epoch: "e".into(),
        major: 0,
        minor: 0,
    }
}

fn positioned(major: u64, change: Change) -> PositionedChange {
    let position = FeedPosition { major, ..start() };
    PositionedChange { position, change }
}

fn updated(uri: &str) -> Change {
    Change::ResourceUpdated {
        uri: uri.to_owned(),
    }
}

/// As a stream of a session waits.
fn interest(session: &SessionId, uri: &str) -> Interest {
    let lists = [Topic::Tools, Topic::Prompts, Topic::Resources];
    let own = [Topic::Session(session.clone()), Topic::Resource(uri.into())];
    lists.into_iter().chain(own).collect()
}

/// A gateway with many streams, each of which waits for its next change.
fn crowd() -> (Registry, Vec<SessionId>) {
    let mut registry = Registry::new(start());
    let sessions: Vec<_> = (0..CROWD).map(|_| SessionId::generate()).collect();
    for (number, session) in sessions.iter().enumerate() {
        let id = registry.add(None, interest(session, &format!("a://{number}")));
        wait(&mut registry, id);
    }
    (registry, sessions)
}

fn wait(registry: &mut Registry, id: ReaderId) {
    let waker = noop_waker();
    let next = registry.poll_next(id, &mut Context::from_waker(&waker));
    assert!(next.is_pending(), "{next:?}");
}

/// How many readers have something to hear.
fn concerned(registry: &Registry) -> usize {
    let readers = registry.readers.values();
    readers
        .filter(|place| !place.waiting.is_empty() || place.behind || place.lost)
        .count()
}

#[test]
fn a_change_wakes_those_whom_it_concerns_however_many_others_there_are() {
    let (mut registry, sessions) = crowd();
    let session = || sessions[7].clone();
    let changes = [
        updated("a://7"),
        Change::SessionChanged { session: session() },
        Change::SessionListening {
            session: session(),
            listener: StreamId::generate(),
        },
        Change::SessionEnded { session: session() },
    ];
    for (change, major) in changes.into_iter().zip(1..) {
        let woken = registry.tell(positioned(major, change)).len();
        // The same one each time, which was awake after the first.
        assert_eq!(woken, usize::from(major == 1));
        assert_eq!(concerned(&registry), 1);
    }
    for (change, major) in [
        (updated("b://7"), 10),
        (Change::CatalogChanged, 11),
        (
            Change::SessionEnded {
                session: SessionId::generate(),
            },
            12,
        ),
    ] {
        assert_eq!(registry.tell(positioned(major, change)).len(), 0);
        assert_eq!(concerned(&registry), 1);
    }
    let woken = registry.tell(positioned(20, Change::ToolsListChanged));
    assert_eq!(woken.len(), CROWD - 1);
}

#[test]
fn who_opens_subscribes_and_leaves_disturbs_nobody() {
    let (mut registry, _) = crowd();
    let session = SessionId::generate();
    let id = registry.add(None, interest(&session, "b://1"));
    assert_eq!(concerned(&registry), 1, "only the new one has to look");
    wait(&mut registry, id);
    registry.set_interest(id, interest(&session, "b://2"));
    assert_eq!(concerned(&registry), 1);
    wait(&mut registry, id);
    assert_eq!(registry.tell(positioned(1, updated("b://1"))).len(), 0);
    assert_eq!(registry.tell(positioned(2, updated("b://2"))).len(), 1);
    registry.remove(id);
    assert_eq!(concerned(&registry), 0);
    assert_eq!(registry.tell(positioned(3, updated("b://2"))).len(), 0);
}

#[test]
fn nothing_is_left_of_readers_that_went() {
    let (mut registry, _) = crowd();
    let ids: Vec<_> = registry.readers.keys().copied().collect();
    for id in ids {
        registry.remove(id);
    }
    assert!(registry.by_topic.is_empty() && registry.readers.is_empty());
}

#[test]
fn what_waits_for_a_reader_that_takes_nothing_is_bounded() {
    let mut registry = Registry::new(start());
    let id = registry.add(None, interest(&SessionId::generate(), "a://1"));
    wait(&mut registry, id);
    for major in 1..=1_000 {
        registry.tell(positioned(major, updated("a://1")));
    }
    assert_eq!(registry.readers[&id].waiting.len(), MOST_WAITING);
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    for major in 1..=1_000 {
        let Poll::Ready(Heard::Change(change)) = registry.poll_next(id, &mut cx) else {
            panic!("change {major} is not there");
        };
        assert_eq!(change.position.major, major);
        assert!(registry.readers[&id].waiting.len() <= MOST_WAITING);
    }
    wait(&mut registry, id);
}

#[test]
fn a_loss_is_told_to_all_and_only_once() {
    let mut registry = Registry::new(start());
    let ids = [1, 2, 3].map(|number| {
        let id = registry.add(None, interest(&SessionId::generate(), "a://1"));
        registry.tell(positioned(number, updated("a://1")));
        id
    });
    let page = ChangePage {
        changes: [50, 51]
            .map(|major| positioned(major, updated("a://1")))
            .into(),
        lost: true,
    };
    registry.tell_page(page);
    registry.tell(positioned(52, updated("a://1")));
    let waker = noop_waker();
    let mut cx = Context::from_waker(&waker);
    for id in ids {
        let first = registry.poll_next(id, &mut cx);
        assert_eq!(first, Poll::Ready(Heard::AssumeAnything));
        assert_eq!(registry.position(id).major, 51);
        let Poll::Ready(Heard::Change(change)) = registry.poll_next(id, &mut cx) else {
            panic!("the change after the loss is not there");
        };
        assert_eq!(change.position.major, 52);
        wait(&mut registry, id);
    }
}
