//! The hub on a real bus whose news the test withholds, delays and doubles.

use prynai_bus::ids::WorkerId;
use prynai_bus::testing::modern_request;
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, Finish, Ownership};
use prynai_memory_bus::MemoryBus;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::held_stream::PROBE;
use super::registry::{BUFFERED_BYTES, BUFFERED_EVENTS};
use super::*;

struct Fixture {
    bus: Arc<dyn Bus>,
    hub: Hub,
    news: mpsc::Sender<News<StreamEvent>>,
    owner: Ownership,
    _task: JoinHandle<()>,
}

impl Fixture {
    async fn new() -> Self {
        Self::with_limits(BusLimits::default()).await
    }

    async fn with_limits(limits: BusLimits) -> Self {
        let bus: Arc<dyn Bus> = MemoryBus::new(limits);
        let gateway = GatewayId::generate();
        let (news, receiver) = mpsc::channel(1024);
        let (hub, task) = Hub::new(gateway.clone(), bus.clone(), receiver);
        bus.enqueue(&modern_request(&gateway)).await.unwrap();
        let worker = WorkerId::generate();
        let never = CancellationToken::new();
        let claimed = bus.claim(&worker, 1, PROBE, &never).await.unwrap();
        Self {
            owner: claimed[0].ownership(&worker),
            bus,
            hub,
            news,
            _task: tokio::spawn(task),
        }
    }

    fn event(&self, offset: u64) -> StreamEvent {
        let message = RawJson::from_value(&offset).unwrap();
        StreamEvent::new(self.owner.stream, offset, EventKind::Message, message)
    }

    async fn log(&self, offset: u64) -> StreamEvent {
        let event = self.event(offset);
        let appended = self.bus.append(&self.owner, &event).await;
        assert_eq!(appended.unwrap(), Ok(()));
        event
    }

    async fn finish(&self, offset: u64) {
        let mut event = self.event(offset);
        event.kind = EventKind::Final;
        let finish = Finish {
            ownership: self.owner.clone(),
            record: None,
            earlier: Vec::new(),
            event: Some(event),
        };
        assert_eq!(self.bus.finish(&[finish]).await.unwrap(), [Ok(())]);
    }

    async fn tell(&self, event: StreamEvent) {
        self.news.send(News::Item(event)).await.unwrap();
    }
}

async fn offsets(held: &mut HeldStream) -> Vec<u64> {
    let mut offsets = Vec::new();
    while let Some(event) = held.next().await {
        offsets.push(event.unwrap().offset);
    }
    offsets
}

#[tokio::test]
async fn events_are_delivered_once_and_in_order_though_news_is_lost_and_doubled() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    let one = fixture.log(1).await;
    fixture.tell(one.clone()).await;
    fixture.tell(one).await;
    fixture.log(2).await;
    let three = fixture.log(3).await;
    fixture.tell(three).await;
    fixture.finish(4).await;
    fixture.news.send(News::Gap).await.unwrap();
    assert_eq!(offsets(&mut held).await, [1, 2, 3, 4]);
}

#[tokio::test(start_paused = true)]
async fn a_silence_is_ended_by_a_look_at_the_log() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    fixture.log(1).await;
    fixture.finish(2).await;
    assert_eq!(offsets(&mut held).await, [1, 2]);
}

#[tokio::test]
async fn a_reader_that_is_slower_than_the_news_reads_the_log() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    let last = 4 * BUFFERED_EVENTS as u64;
    for offset in 1..=last {
        let event = fixture.log(offset).await;
        fixture.tell(event).await;
    }
    fixture.finish(last + 1).await;
    fixture.news.send(News::Gap).await.unwrap();
    assert_eq!(offsets(&mut held).await, (1..=last + 1).collect::<Vec<_>>());
}

#[tokio::test]
async fn what_came_together_is_there_together() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    let other = fixture.hub.hold(StreamId::generate(), None);
    let last = 20;
    for offset in 1..=last {
        let event = fixture.log(offset).await;
        fixture.tell(event.clone()).await;
        let stream = other.id();
        fixture.tell(StreamEvent { stream, ..event }).await;
    }
    assert_eq!(held.next_now(), None, "nothing was dispatched yet");
    assert_eq!(held.next().await.unwrap().unwrap().offset, 1);
    for offset in 2..=last {
        assert_eq!(held.next_now().unwrap().offset, offset);
    }
    assert_eq!(held.next_now(), None);
    // What is missing is not waited for, and not left out.
    fixture.log(last + 1).await;
    let event = fixture.log(last + 2).await;
    fixture.tell(event).await;
    fixture.finish(last + 3).await;
    tokio::task::yield_now().await;
    assert_eq!(held.next_now(), None);
    assert_eq!(offsets(&mut held).await, [last + 1, last + 2, last + 3]);
}

#[tokio::test(start_paused = true)]
async fn a_log_that_is_gone_is_told() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    held.open_log(Era::Modern).await.unwrap();
    fixture.finish(1).await;
    fixture.bus.release(&[fixture.owner.stream]).await.unwrap();
    assert_eq!(held.next().await, Some(Err(Broken::Lost)));
    assert_eq!(held.next().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_hole_in_the_log_is_told_and_not_skipped() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    fixture.log(1).await;
    fixture.log(3).await;
    assert_eq!(held.next().await, Some(Err(Broken::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_log_that_lost_its_end_is_told() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    fixture.log(1).await;
    fixture.tell(fixture.event(1)).await;
    // Published, and then gone from the log with the last second before a crash.
    fixture.tell(fixture.event(2)).await;
    assert_eq!(held.next().await.unwrap().unwrap().offset, 1);
    assert_eq!(held.next().await.unwrap().unwrap().offset, 2);
    assert_eq!(held.next().await, Some(Err(Broken::Lost)));
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_call_ends_without_a_response() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    fixture.log(1).await;
    let (stream, entry) = (&fixture.owner.stream, Some(&fixture.owner.entry));
    let cancelled = fixture.bus.cancel_call(stream, entry, Era::Modern).await;
    cancelled.unwrap();
    let first = held.next().await.unwrap().unwrap();
    assert_eq!((first.offset, first.kind), (1, EventKind::Message));
    let last = held.next().await.unwrap().unwrap();
    assert_eq!((last.kind, last.message), (EventKind::Cancelled, None));
    assert_eq!(held.next().await, None);
}

#[tokio::test]
async fn the_newest_reader_of_a_stream_replaces_the_one_before() {
    let fixture = Fixture::new().await;
    let session = SessionId::generate();
    let stream = fixture.owner.stream;
    let mut first = fixture.hub.hold(stream, Some(session.clone()));
    first.open_log(Era::Legacy).await.unwrap();
    let stranger = SessionId::generate();
    let refused = fixture.hub.resume(stream, stranger, 0).await.unwrap();
    assert!(matches!(refused, Resumed::Unknown));
    let second = fixture.hub.resume(stream, session, 0).await.unwrap();
    assert_eq!(first.next().await, Some(Err(Broken::Replaced)));
    drop(first);
    assert_eq!(fixture.hub.held(), 1);
    drop(second);
    assert_eq!(fixture.hub.held(), 0);
}

#[tokio::test]
async fn a_stream_of_which_all_was_heard_is_over() {
    for cancelled in [true, false] {
        let fixture = Fixture::new().await;
        let session = SessionId::generate();
        let Ownership { stream, entry, .. } = fixture.owner.clone();
        let mut first = fixture.hub.hold(stream, Some(session.clone()));
        first.open_log(Era::Legacy).await.unwrap();
        let resume = async |after| {
            let session = session.clone();
            fixture.hub.resume(stream, session, after).await.unwrap()
        };
        fixture.log(1).await;
        // Meant for the connection of that time: whoever comes back hears nothing of it.
        let pause = StreamEvent::pause(stream, 2);
        let appended = fixture.bus.append(&fixture.owner, &pause).await;
        assert_eq!(appended.unwrap(), Ok(()));
        for after in [0, 1, 2] {
            assert!(matches!(resume(after).await, Resumed::Held(_)), "{after}");
        }
        let (before_the_end, over) = if cancelled {
            let cancel = fixture.bus.cancel_call(&stream, Some(&entry), Era::Legacy);
            cancel.await.unwrap();
            (0, 1)
        } else {
            fixture.finish(3).await;
            (2, 3)
        };
        let Resumed::Held(mut rest) = resume(before_the_end).await else {
            panic!("the rest is kept back");
        };
        let next = rest.next().await.unwrap().unwrap();
        assert!(next.message.is_some(), "{next:?}");
        assert!(matches!(resume(over).await, Resumed::Over), "{cancelled}");
        assert!(matches!(resume(9).await, Resumed::Unknown), "{cancelled}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_lost_with_the_queue_is_told() {
    let fixture = Fixture::new().await;
    let mut waiting = fixture.hub.hold(fixture.owner.stream, None);
    waiting.queued_as(fixture.owner.entry.clone());
    let mut lost = fixture.hub.hold(StreamId::generate(), None);
    lost.queued_as("17-0".into());
    assert_eq!(lost.next().await, Some(Err(Broken::Lost)));
    let mut opened = fixture.hub.hold(StreamId::generate(), None);
    opened.queued_as("17-1".into());
    opened.open_log(Era::Legacy).await.unwrap();
    assert_eq!(opened.next().await, Some(Err(Broken::Lost)));
    // One that was only silent goes on.
    let silent = tokio::time::timeout(PROBE * 3, waiting.next()).await;
    assert!(silent.is_err(), "{silent:?}");
    fixture.finish(1).await;
    assert_eq!(waiting.next().await.unwrap().unwrap().offset, 1);
}

#[tokio::test]
async fn a_long_log_is_read_page_by_page() {
    let limits = BusLimits {
        page_events: 4,
        ..BusLimits::default()
    };
    let fixture = Fixture::with_limits(limits).await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    for offset in 1..=10 {
        fixture.log(offset).await;
    }
    fixture.finish(11).await;
    fixture.news.send(News::Gap).await.unwrap();
    for offset in 1..=11 {
        assert_eq!(held.next().await.unwrap().unwrap().offset, offset);
        assert!(held.ready.len() < 4, "more than a page is kept");
    }
    assert_eq!(held.next().await, None);
}

#[tokio::test]
async fn what_a_slow_reader_has_not_read_is_bounded_in_bytes() {
    let fixture = Fixture::new().await;
    let mut held = fixture.hub.hold(fixture.owner.stream, None);
    let text = RawJson::from_value(&"x".repeat(BUFFERED_BYTES / 2)).unwrap();
    for offset in 1..=10 {
        let event = StreamEvent {
            message: Some(text.clone()),
            ..fixture.event(offset)
        };
        let appended = fixture.bus.append(&fixture.owner, &event).await;
        assert_eq!(appended.unwrap(), Ok(()));
        fixture.tell(event).await;
    }
    fixture.finish(11).await;
    for offset in 1..=11 {
        assert_eq!(held.next().await.unwrap().unwrap().offset, offset);
        let buffered = fixture.hub.0.lock()[&fixture.owner.stream].bytes();
        assert!(buffered < BUFFERED_BYTES * 2, "{buffered} bytes");
    }
}
