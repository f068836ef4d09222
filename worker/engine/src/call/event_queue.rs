//! Where calls put events before the last one, for the appender to write those of all calls together.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{Append, Appended, BusError};
use tokio::sync::{mpsc, oneshot};

/// Events of one call that are written together, and their bytes, at most; a larger event is written by itself.
pub(crate) const TOGETHER: usize = 64;
pub(crate) const TOGETHER_BYTES: usize = 32 * 1024;

/// The queue. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EventQueue(mpsc::UnboundedSender<Waiting>);

/// Events that a call has put into the queue. They are taken back when this is dropped before they are written.
pub(crate) struct Writing {
    place: Arc<Place>,
    answer: oneshot::Receiver<Written>,
}

/// The same events, for the appender.
pub(crate) struct Waiting {
    place: Arc<Place>,
    answer: oneshot::Sender<Written>,
}

/// Events that are about to be written, and where the answer goes.
pub(crate) struct Taken {
    pub(crate) append: Append,
    pub(crate) answer: oneshot::Sender<Written>,
}

/// What became of events, and the events.
pub(crate) struct Written {
    pub(crate) events: Vec<StreamEvent>,
    pub(crate) outcome: Result<Appended, BusError>,
}

/// Empty once its events are taken to be written, or taken back: whoever empties it has them.
struct Place(Mutex<Option<Append>>);

// === impl EventQueue ===

impl EventQueue {
    /// A queue, and its other end. It needs no bound of its own: each call has events in one place of it at most, and
    /// [`TOGETHER`] bounds what lies there.
    pub(crate) fn new() -> (Self, mpsc::UnboundedReceiver<Waiting>) {
        let (sender, receiver) = mpsc::unbounded_channel();
        (Self(sender), receiver)
    }

    /// Puts events of a call into the queue.
    pub(crate) fn put(&self, append: Append) -> Writing {
        let place = Arc::new(Place(Mutex::new(Some(append))));
        let (tell, answer) = oneshot::channel();
        let waiting = Waiting {
            place: Arc::clone(&place),
            answer: tell,
        };
        // Without an appender the process ends; the call hears that nobody answers.
        drop(self.0.send(waiting));
        Writing { place, answer }
    }
}

// === impl Writing ===

impl Writing {
    /// Moves events to those that wait, unless these are taken or too many.
    pub(crate) fn join(&self, events: &mut Vec<StreamEvent>) {
        let mut place = self.place.lock();
        if let Some(append) = place.as_mut()
            && fit(append.events.iter().chain(&*events))
        {
            append.events.append(events);
        }
    }

    /// Whether more events may join those that wait.
    pub(crate) fn has_room(&self) -> bool {
        let place = self.place.lock();
        place
            .as_ref()
            .is_some_and(|append| has_room(&append.events))
    }

    /// Takes the events back, unless they are taken to be written.
    pub(crate) fn take_back(&self) -> Option<Vec<StreamEvent>> {
        self.place.lock().take().map(|append| append.events)
    }

    /// Waits until they are written. May be dropped and called again without loss, until it has answered.
    pub(crate) async fn written(&mut self) -> Written {
        let answer = (&mut self.answer).await;
        answer.unwrap_or_else(|_| Written {
            events: self.take_back().unwrap_or_default(),
            outcome: Err(BusError::Unavailable(
                "nobody writes events any more".to_owned(),
            )),
        })
    }
}

impl Drop for Writing {
    fn drop(&mut self) {
        drop(self.take_back());
    }
}

// === impl Waiting, Place ===

impl Waiting {
    /// The events, unless they were taken back.
    pub(crate) fn take(self) -> Option<Taken> {
        let append = self.place.lock().take()?;
        let answer = self.answer;
        Some(Taken { append, answer })
    }
}

impl Place {
    fn lock(&self) -> MutexGuard<'_, Option<Append>> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether another event may be written together with these.
pub(crate) fn has_room(events: &[StreamEvent]) -> bool {
    events.len() < TOGETHER && bytes(events) < TOGETHER_BYTES
}

/// How many of these, in their order, may be written together; the first one in any case.
pub(crate) fn together(events: &[StreamEvent]) -> usize {
    let mut sum = 0;
    let fits = |event: &&StreamEvent| {
        sum += bytes([*event]);
        sum <= TOGETHER_BYTES
    };
    let count = events.iter().take(TOGETHER).take_while(fits).count();
    count.max(1).min(events.len())
}

/// Whether these may be written together.
pub(crate) fn fit<'a>(events: impl IntoIterator<Item = &'a StreamEvent> + Clone) -> bool {
    let count = events.clone().into_iter().count();
    count <= TOGETHER && bytes(events) <= TOGETHER_BYTES
}

fn bytes<'a>(events: impl IntoIterator<Item = &'a StreamEvent>) -> usize {
    let messages = events
        .into_iter()
        .filter_map(|event| event.message.as_ref());
    messages.map(|message| message.as_str().len()).sum()
}

#[cfg(test)]
mod tests {
    use prynai_bus::Ownership;
    use prynai_bus::ids::{GatewayId, StreamId, WorkerId};
    use prynai_bus::wire::event::EventKind;
    use prynai_bus::wire::message::RawJson;
    use prynai_bus::wire::request::Era;

    use super::*;

    fn append(count: usize) -> Append {
        let ownership = Ownership {
            request_id: None,
            stream: StreamId::generate(),
            entry: "1-1".into(),
            worker: WorkerId::generate(),
            delivery: 1,
            holder: GatewayId::generate(),
            session: None,
            era: Era::Modern,
        };
        let events = events(1, count, 1);
        Append { ownership, events }
    }

    /// So many events from an offset on, each of so many bytes.
    fn events(first: u64, count: usize, bytes: usize) -> Vec<StreamEvent> {
        let stream = StreamId::generate();
        let message = RawJson::from_value(&"x".repeat(bytes)).unwrap();
        let offsets = (first..).take(count);
        offsets
            .map(|offset| StreamEvent::new(stream, offset, EventKind::Message, message.clone()))
            .collect()
    }

    fn offsets(events: &[StreamEvent]) -> Vec<u64> {
        events.iter().map(|event| event.offset).collect()
    }

    #[tokio::test]
    async fn events_join_those_that_wait_until_these_are_taken() {
        let (queue, mut waiting) = EventQueue::new();
        let mut writing = queue.put(append(1));
        assert!(writing.has_room());
        let mut more = events(2, 2, 1);
        writing.join(&mut more);
        assert_eq!(more, []);
        let taken = waiting.recv().await.unwrap().take().unwrap();
        assert_eq!(offsets(&taken.append.events), [1, 2, 3]);

        let mut late = events(4, 1, 1);
        writing.join(&mut late);
        assert_eq!(offsets(&late), [4], "they go with the next write");
        assert!(!writing.has_room());
        assert!(writing.take_back().is_none());
        let written = Written {
            events: taken.append.events,
            outcome: Ok(Ok(())),
        };
        assert!(taken.answer.send(written).is_ok());
        let written = writing.written().await;
        assert_eq!(offsets(&written.events), [1, 2, 3]);
        assert!(matches!(written.outcome, Ok(Ok(()))));
    }

    #[tokio::test]
    async fn what_is_taken_back_or_forgotten_is_not_written() {
        let (queue, mut waiting) = EventQueue::new();
        let back = queue.put(append(2)).take_back().unwrap();
        assert_eq!(offsets(&back), [1, 2]);
        drop(queue.put(append(1)));
        for _ in 0..2 {
            assert!(waiting.recv().await.unwrap().take().is_none());
        }
    }

    #[test]
    fn what_waits_together_has_a_bound() {
        let (queue, _waiting) = EventQueue::new();
        for (count, bytes) in [(TOGETHER, 1), (1, TOGETHER_BYTES)] {
            let writing = queue.put(append(1));
            let mut more = events(2, count, bytes);
            writing.join(&mut more);
            assert_eq!(more.len(), count, "{count} {bytes}");
            assert!(writing.has_room());
        }
        let writing = queue.put(append(1));
        writing.join(&mut events(2, TOGETHER - 1, 1));
        assert!(!writing.has_room());
    }

    #[test]
    fn what_is_too_much_goes_in_parts() {
        let half = TOGETHER_BYTES / 2;
        for (sizes, expected) in [
            ([1, 1, 1].as_slice(), 3),
            (&[half, half - 10, half], 2),
            (&[1, 2 * TOGETHER_BYTES, 1], 1),
            (&[2 * TOGETHER_BYTES, 1], 1),
            (&[1; TOGETHER + 1], TOGETHER),
        ] {
            let mixed = sizes.iter().flat_map(|size| events(1, 1, *size));
            assert_eq!(together(&mixed.collect::<Vec<_>>()), expected);
        }
    }

    #[tokio::test]
    async fn without_an_appender_the_events_come_back() {
        let (queue, waiting) = EventQueue::new();
        drop(waiting);
        let written = queue.put(append(2)).written().await;
        assert_eq!(offsets(&written.events), [1, 2]);
        assert!(written.outcome.is_err_and(|error| error.is_passing()));
    }
}
