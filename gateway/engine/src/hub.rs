//! The streams this gateway holds.
//!
//! The bus publishes every event to its stream's holder; the hub hands it to the task that answers
//! the client. News can be missed (a lost subscription, a slow client), so the hub only ever
//! hurries: [`HeldStream`] reads the log whenever offsets do not follow on each other.

mod held_stream;

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::future::join_all;
use prynai_shared::bus::{Bus, BusError, News, NewsReceiver};
use prynai_shared::ids::{GatewayId, SessionId, StreamId};
use prynai_shared::wire::event::StreamEvent;
use tokio::sync::{Semaphore, mpsc};

pub(crate) use held_stream::{Broken, HeldStream};

/// Events that wait for a client to read, and their bytes, but for the last one; more stay in the log
/// only.
const BUFFERED_EVENTS: usize = 32;
const BUFFERED_BYTES: usize = 256 * 1024;

/// Logs read at a time when all streams have to look at theirs, so that each is read before its deadline.
const LOOKS: usize = 128;

/// Ends of calls that wait to be noted; beyond it retention and the worker see to them.
const PENDING_ENDS: usize = 10_000;

/// The streams this gateway holds. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Shared>);

struct Shared {
    gateway: GatewayId,
    bus: Arc<dyn Bus>,
    held: Mutex<HashMap<StreamId, Held>>,
    registrations: AtomicU64,
    looks: Semaphore,
    ends: mpsc::Sender<End>,
}

struct Held {
    registration: u64,
    news: mpsc::Sender<Nudge>,
    behind: Arc<AtomicBool>,
    buffered: Arc<AtomicUsize>,
}

/// What became of an attempt to take over a stream.
pub(crate) enum Resumed {
    /// What follows comes here.
    Held(HeldStream),
    /// The client has heard all that there ever will be.
    Over,
    /// There is no such stream (any more), or it belongs to another session.
    Unknown,
}

/// What is left to do once a client has its answer.
enum End {
    /// Delete the log.
    Release(StreamId),
    /// Take the call out of its session's books.
    Forget(SessionId, StreamId),
}

/// The other end of a [`Held`].
struct Ear {
    registration: u64,
    news: mpsc::Receiver<Nudge>,
    behind: Arc<AtomicBool>,
    /// Bytes of the events in `news`.
    buffered: Arc<AtomicUsize>,
}

enum Nudge {
    Event(StreamEvent),
    ReadLog,
}

// === impl Hub ===

impl Hub {
    /// A hub and the roles that serve it: run both until the process ends.
    pub(crate) fn new(
        gateway: GatewayId,
        bus: Arc<dyn Bus>,
        news: NewsReceiver<StreamEvent>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (ends, to_note) = mpsc::channel(PENDING_ENDS);
        let hub = Self(Arc::new(Shared {
            gateway,
            bus: bus.clone(),
            held: Mutex::default(),
            registrations: AtomicU64::default(),
            looks: Semaphore::new(LOOKS),
            ends,
        }));
        let roles = {
            let hub = hub.clone();
            async move {
                tokio::join!(hub.dispatch(news), note_ends(bus, to_note));
            }
        };
        (hub, roles)
    }

    /// The name under which events are published to this hub.
    pub(crate) fn gateway(&self) -> &GatewayId {
        &self.0.gateway
    }

    /// How many streams are held now.
    pub(crate) fn held(&self) -> usize {
        self.lock().len()
    }

    /// Holds the stream of a request that is about to be queued.
    pub(crate) fn hold(&self, stream: StreamId, session: Option<SessionId>) -> HeldStream {
        let registration = self.0.registrations.fetch_add(1, Ordering::Relaxed);
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
        let ear = Ear {
            registration,
            news,
            behind,
            buffered,
        };
        HeldStream::new(self.clone(), stream, session, ear)
    }

    /// Takes a stream over that was begun elsewhere, from after the event `after`.
    pub(crate) async fn resume(
        &self,
        stream: StreamId,
        session: SessionId,
        after: u64,
    ) -> Result<Resumed, BusError> {
        // Looked at before it is registered: a stranger's attempt must not disturb the reader.
        let shared = &self.0;
        let known = shared
            .bus
            .follow(&stream, &shared.gateway, Some(&session), after)
            .await?;
        let Some(known) = known else {
            return Ok(Resumed::Unknown);
        };
        let mut held = self.hold(stream, Some(session));
        Ok(match held.resume(after, known.newest).await? {
            Ok(()) if held.is_over() => Resumed::Over,
            Ok(()) => Resumed::Held(held),
            Err(_) => Resumed::Unknown,
        })
    }

    async fn dispatch(&self, mut news: NewsReceiver<StreamEvent>) {
        while let Some(item) = news.recv().await {
            match item {
                News::Item(event) => {
                    if let Some(held) = self.lock().get(&event.stream) {
                        held.nudge(Nudge::Event(event));
                    }
                }
                News::Gap => {
                    for held in self.lock().values() {
                        held.nudge(Nudge::ReadLog);
                    }
                }
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<StreamId, Held>> {
        // The map is valid after every single operation, so a panic elsewhere does not spoil it.
        self.0.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

async fn note_ends(bus: Arc<dyn Bus>, mut ends: mpsc::Receiver<End>) {
    let mut batch = Vec::new();
    while ends.recv_many(&mut batch, 128).await > 0 {
        let mut finished = Vec::new();
        let mut forgotten = Vec::new();
        for end in batch.drain(..) {
            match end {
                End::Release(stream) => finished.push(stream),
                End::Forget(session, stream) => {
                    let bus = bus.clone();
                    forgotten.push(async move { bus.forget_call(&session, &stream).await });
                }
            }
        }
        let released = async {
            if finished.is_empty() {
                return Ok(());
            }
            bus.release(&finished).await
        };
        let (released, forgotten) = tokio::join!(released, join_all(forgotten));
        if let Some(error) = forgotten
            .into_iter()
            .chain([released])
            .find_map(Result::err)
        {
            tracing::debug!(%error, "some ends of calls are left to their retention");
        }
    }
}

// === impl Held ===

impl Held {
    fn nudge(&self, nudge: Nudge) {
        let bytes = nudge.bytes();
        // Added before it is sent: the other end takes it off again.
        let buffered = self.buffered.fetch_add(bytes, Ordering::Relaxed);
        if buffered >= BUFFERED_BYTES || self.news.try_send(nudge).is_err() {
            self.buffered.fetch_sub(bytes, Ordering::Relaxed);
            self.behind.store(true, Ordering::Release);
        }
    }
}

// === impl Ear ===

impl Ear {
    async fn hear(&mut self) -> Option<Nudge> {
        let nudge = self.news.recv().await?;
        self.buffered.fetch_sub(nudge.bytes(), Ordering::Relaxed);
        Some(nudge)
    }
}

// === impl Nudge ===

impl Nudge {
    fn bytes(&self) -> usize {
        match self {
            Self::Event(event) => event.message.as_ref().map_or(0, |m| m.as_str().len()),
            Self::ReadLog => 0,
        }
    }
}

#[cfg(test)]
mod tests;
