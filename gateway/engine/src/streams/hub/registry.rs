//! Which streams are held here, and the way their news takes to who reads them.

use std::collections::{HashMap, VecDeque};
use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};

use prynai_bus::ids::{GatewayId, StreamId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{EventLog, RequestQueue, TaskStore};
use tokio::sync::{Semaphore, mpsc};

/// Events that wait for a client to read them, and their bytes without the last event; more stay in the log only.
/// Twice as many as a worker writes of one call at a time.
pub(super) const BUFFERED_EVENTS: usize = 128;
pub(super) const BUFFERED_BYTES: usize = 256 * 1024;

/// Logs read at a time when all streams have to look at theirs, so that each is read before its deadline.
const LOOKS: usize = 128;

/// The streams held here, and what each of them needs of the process.
pub(super) struct Registry {
    pub(super) gateway: GatewayId,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) requests: Arc<dyn RequestQueue>,
    pub(super) tasks: Arc<dyn TaskStore>,
    pub(super) held: Mutex<HashMap<StreamId, Arc<Inbox>>>,
    pub(super) looks: Semaphore,
    /// Streams whose logs are not needed any more.
    pub(super) delivered: mpsc::Sender<StreamId>,
}

/// What the reader of a stream has to be told, on its way from the hub to it.
#[derive(Default)]
pub(super) struct Inbox(Mutex<Untold>);

#[derive(Default)]
struct Untold {
    events: VecDeque<StreamEvent>,
    /// Of the events.
    bytes: usize,
    /// Events were dropped here, or news may have been lost on the way here.
    behind: bool,
    /// Another reader has the stream.
    replaced: bool,
    reader: Option<Waker>,
}

pub(super) enum Wake {
    Event(StreamEvent),
    ReadLog,
}

// === impl Registry ===

impl Registry {
    pub(super) fn new(
        gateway: GatewayId,
        log: Arc<dyn EventLog>,
        requests: Arc<dyn RequestQueue>,
        tasks: Arc<dyn TaskStore>,
        delivered: mpsc::Sender<StreamId>,
    ) -> Self {
        Self {
            gateway,
            log,
            requests,
            tasks,
            held: Mutex::default(),
            looks: Semaphore::new(LOOKS),
            delivered,
        }
    }

    /// Holds a stream from now on, in place of who held it here before.
    pub(super) fn register(&self, stream: StreamId) -> Arc<Inbox> {
        let inbox = Arc::new(Inbox::default());
        let before = self.lock().insert(stream, inbox.clone());
        if let Some(before) = before {
            before.tell(|untold| untold.replaced = true);
        }
        inbox
    }

    /// Holds a stream no longer, unless another reader has it.
    pub(super) fn unregister(&self, stream: &StreamId, inbox: &Arc<Inbox>) {
        let mut held = self.lock();
        if held
            .get(stream)
            .is_some_and(|held| Arc::ptr_eq(held, inbox))
        {
            held.remove(stream);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Arc<Inbox>>> {
        // The map is valid after every single operation, so a panic elsewhere does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Inbox ===

impl Inbox {
    /// Puts an event there for the reader, and gives who is to be woken for it; an event that has no room is to be read
    /// in the log.
    #[must_use]
    pub(super) fn put(&self, event: StreamEvent) -> Option<Waker> {
        self.change(|untold| {
            if untold.bytes >= BUFFERED_BYTES || untold.events.len() >= BUFFERED_EVENTS {
                untold.behind = true;
            } else {
                untold.bytes += bytes(&event);
                untold.events.push_back(event);
            }
        })
    }

    /// Lets the reader read the log.
    pub(super) fn lag(&self) {
        self.tell(|untold| untold.behind = true);
    }

    /// What comes next; `None` when there is another reader. May be dropped and called again without loss.
    pub(super) fn next(&self) -> impl Future<Output = Option<Wake>> + Send {
        poll_fn(|cx| {
            let mut untold = self.lock();
            if let Some(wake) = untold.take() {
                return Poll::Ready(Some(wake));
            }
            if untold.replaced {
                return Poll::Ready(None);
            }
            match &mut untold.reader {
                Some(reader) => reader.clone_from(cx.waker()),
                none => *none = Some(cx.waker().clone()),
            }
            Poll::Pending
        })
    }

    /// What comes next, if it is here already.
    pub(super) fn next_now(&self) -> Option<Wake> {
        self.lock().take()
    }

    /// Bytes of the events that wait here.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.lock().bytes
    }

    fn tell(&self, change: impl FnOnce(&mut Untold)) {
        if let Some(reader) = self.change(change) {
            reader.wake();
        }
    }

    fn change(&self, change: impl FnOnce(&mut Untold)) -> Option<Waker> {
        let mut untold = self.lock();
        change(&mut untold);
        untold.reader.take()
    }

    fn lock(&self) -> MutexGuard<'_, Untold> {
        // Nothing panics while it holds the lock.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Untold {
    fn take(&mut self) -> Option<Wake> {
        if std::mem::take(&mut self.behind) {
            return Some(Wake::ReadLog);
        }
        let event = self.events.pop_front()?;
        self.bytes -= bytes(&event);
        Some(Wake::Event(event))
    }
}

fn bytes(event: &StreamEvent) -> usize {
    let message = event.message.as_ref();
    message.map_or(0, |message| message.as_str().len())
}
