//! Which streams are held here, and the way their news takes to who reads them.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{EventLog, RequestQueue};
use tokio::sync::{Semaphore, mpsc};

/// Events that wait for a client to read them, and their bytes without the last event; more stay in the log only.
pub(super) const BUFFERED_EVENTS: usize = 32;
pub(super) const BUFFERED_BYTES: usize = 256 * 1024;

/// Logs read at a time when all streams have to look at theirs, so that each is read before its deadline.
const LOOKS: usize = 128;

/// The streams held here, and what each of them needs of the process.
pub(super) struct Registry {
    pub(super) gateway: GatewayId,
    pub(super) log: Arc<dyn EventLog>,
    pub(super) requests: Arc<dyn RequestQueue>,
    pub(super) held: Mutex<HashMap<StreamId, Held>>,
    pub(super) registrations: AtomicU64,
    pub(super) looks: Semaphore,
    pub(super) ends: mpsc::Sender<End>,
}

/// One held stream, as the hub sees it.
pub(super) struct Held {
    pub(super) registration: u64,
    pub(super) news: mpsc::Sender<Wake>,
    pub(super) behind: Arc<AtomicBool>,
    pub(super) buffered: Arc<AtomicUsize>,
}

/// What is left to do once a client has its answer.
pub(super) enum End {
    /// Delete the log.
    Release(StreamId),
    /// Take the call out of its session's list of calls.
    Forget(SessionId, StreamId),
}

/// The other end of a [`Held`]: what its reader is told.
pub(super) struct Inbox {
    pub(super) registration: u64,
    pub(super) news: mpsc::Receiver<Wake>,
    pub(super) behind: Arc<AtomicBool>,
    /// Bytes of the events in `news`.
    pub(super) buffered: Arc<AtomicUsize>,
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
        ends: mpsc::Sender<End>,
    ) -> Self {
        Self {
            gateway,
            log,
            requests,
            held: Mutex::default(),
            registrations: AtomicU64::default(),
            looks: Semaphore::new(LOOKS),
            ends,
        }
    }

    /// Holds a stream from now on, in place of who held it here before.
    pub(super) fn register(&self, stream: StreamId) -> Inbox {
        let registration = self.registrations.fetch_add(1, Ordering::Relaxed);
        let (sender, news) = mpsc::channel(BUFFERED_EVENTS);
        let behind = Arc::new(AtomicBool::new(false));
        let buffered = Arc::new(AtomicUsize::new(0));
        self.lock().insert(
            stream,
            Held {
                registration,
                news: sender,
                behind: behind.clone(),
                buffered: buffered.clone(),
            },
        );
        Inbox {
            registration,
            news,
            behind,
            buffered,
        }
    }

    /// Holds a stream no longer, unless it was registered anew.
    pub(super) fn unregister(&self, stream: &StreamId, registration: u64) {
        let mut held = self.lock();
        if held
            .get(stream)
            .is_some_and(|held| held.registration == registration)
        {
            held.remove(stream);
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Held>> {
        // The map is valid after every single operation, so a panic elsewhere does not spoil it.
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

// === impl Held ===

impl Held {
    pub(super) fn wake(&self, wake: Wake) {
        let bytes = wake.bytes();
        // Added before it is sent: the other end takes it off again.
        let buffered = self.buffered.fetch_add(bytes, Ordering::Relaxed);
        if buffered >= BUFFERED_BYTES || self.news.try_send(wake).is_err() {
            self.buffered.fetch_sub(bytes, Ordering::Relaxed);
            self.behind.store(true, Ordering::Release);
        }
    }
}

// === impl Inbox ===

impl Inbox {
    pub(super) async fn next(&mut self) -> Option<Wake> {
        let wake = self.news.recv().await?;
        self.buffered.fetch_sub(wake.bytes(), Ordering::Relaxed);
        Some(wake)
    }
}

// === impl Wake ===

impl Wake {
    fn bytes(&self) -> usize {
        match self {
            Self::Event(event) => event.message.as_ref().map_or(0, |m| m.as_str().len()),
            Self::ReadLog => 0,
        }
    }
}
