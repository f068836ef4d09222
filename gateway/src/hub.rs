//! The streams this gateway holds.
//!
//! The bus publishes every event to its stream's holder; the hub hands it to the task that answers
//! the client. News can be missed (a lost subscription, a slow client), so the hub only ever
//! hurries: [`HeldStream`] reads the log whenever offsets do not follow on each other.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::future::join_all;
use prynai_shared::bus::{Bus, BusError, Followed, LogState, News, NewsReceiver};
use prynai_shared::ids::{GatewayId, SessionId, StreamId};
use prynai_shared::wire::event::{EventKind, StreamEvent};
use prynai_shared::wire::request::Era;
use tokio::sync::mpsc;

/// Events that wait for a client to read; more stay in the log only.
const BUFFERED_EVENTS: usize = 32;

/// After this silence the log is read, should news have been lost without notice.
const PROBE: Duration = Duration::from_secs(10);

/// Pause before the log is read again after the bus was away.
const RETRY: Duration = Duration::from_millis(500);

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
    ends: mpsc::Sender<End>,
}

struct Held {
    registration: u64,
    news: mpsc::Sender<Nudge>,
    behind: Arc<AtomicBool>,
}

/// What is left to do once a client has its answer.
enum End {
    /// Delete the log.
    Release(StreamId),
    /// Take the call out of its session's books.
    Forget(SessionId, StreamId),
}

enum Nudge {
    Event(StreamEvent),
    ReadLog,
}

/// One stream, read in order and without holes.
pub(crate) struct HeldStream {
    hub: Hub,
    stream: StreamId,
    session: Option<SessionId>,
    registration: u64,
    news: mpsc::Receiver<Nudge>,
    behind: Arc<AtomicBool>,
    ready: VecDeque<StreamEvent>,
    delivered: u64,
    /// Up to here a pause was meant for the connection before this one; without one, every pause was.
    heeds_pauses_after: Option<u64>,
    log_seen: bool,
    must_read: bool,
    ended: bool,
}

/// Why a stream has no more events before its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Events or the whole log are gone: the outcome is unknown.
    Lost,
    /// Another connection reads the stream now.
    Replaced,
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
        self.lock().insert(
            stream,
            Held {
                registration,
                news: sender,
                behind: behind.clone(),
            },
        );
        HeldStream {
            hub: self.clone(),
            stream,
            session,
            registration,
            news,
            behind,
            ready: VecDeque::new(),
            delivered: 0,
            heeds_pauses_after: None,
            log_seen: false,
            must_read: false,
            ended: false,
        }
    }

    /// Takes a stream over that was begun elsewhere, from after the event `after`. `None` when it
    /// is not in the log, or belongs to another session.
    pub(crate) async fn resume(
        &self,
        stream: StreamId,
        session: SessionId,
        after: u64,
    ) -> Result<Option<HeldStream>, BusError> {
        // Looked at before it is registered: a stranger's attempt must not disturb the reader.
        let shared = &self.0;
        let known = shared
            .bus
            .follow(&stream, &shared.gateway, Some(&session), after)
            .await?;
        if known.is_none() {
            return Ok(None);
        }
        let mut held = self.hold(stream, Some(session));
        held.delivered = after;
        held.log_seen = true;
        Ok(match held.read_log().await? {
            Ok(()) => {
                let replayed = held.ready.back().map_or(after, |event| event.offset);
                held.heeds_pauses_after = Some(replayed);
                Some(held)
            }
            Err(_) => None,
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
        if self.news.try_send(nudge).is_err() {
            self.behind.store(true, Ordering::Release);
        }
    }
}

// === impl HeldStream ===

impl HeldStream {
    /// The stream's name.
    pub(crate) fn id(&self) -> StreamId {
        self.stream
    }

    /// For a client that comes back when its connection is closed.
    pub(crate) fn heed_pauses(&mut self) {
        self.heeds_pauses_after.get_or_insert(0);
    }

    /// Whether the client comes back when its connection is closed.
    pub(crate) fn client_comes_back(&self) -> bool {
        self.heeds_pauses_after.is_some()
    }

    fn heeds(&self, pause: &StreamEvent) -> bool {
        self.heeds_pauses_after
            .is_some_and(|after| pause.offset > after)
    }

    /// Makes the log exist, so that a client may resume from here and a lost log is noticed.
    pub(crate) async fn open_log(&mut self, era: Era) -> Result<(), BusError> {
        if !self.log_seen {
            self.hub
                .0
                .bus
                .open_log(&self.stream, self.hub.gateway(), self.session.as_ref(), era)
                .await?;
            self.log_seen = true;
        }
        Ok(())
    }

    /// The next event; `None` after the one that ends the stream. May be dropped and called again
    /// without loss.
    pub(crate) async fn next(&mut self) -> Option<Result<StreamEvent, Broken>> {
        while !self.ended {
            if let Some(event) = self.ready.pop_front() {
                self.delivered = event.offset;
                self.ended = event.ends_stream();
                if event.kind == EventKind::Pause && !self.heeds(&event) {
                    continue;
                }
                return Some(Ok(event));
            }
            self.must_read |= self.behind.swap(false, Ordering::AcqRel);
            let heard = if self.must_read {
                self.catch_up().await
            } else {
                self.hear().await
            };
            if let Err(broken) = heard {
                self.ended = true;
                return Some(Err(broken));
            }
        }
        None
    }

    /// Waits for news, or for the time to look without any.
    async fn hear(&mut self) -> Result<(), Broken> {
        match tokio::time::timeout(PROBE, self.news.recv()).await {
            Ok(Some(Nudge::Event(event))) => {
                if event.offset == self.delivered + 1 {
                    self.ready.push_back(event);
                } else if event.offset > self.delivered {
                    self.must_read = true;
                }
            }
            Ok(Some(Nudge::ReadLog)) | Err(_) => self.must_read = true,
            Ok(None) => return Err(Broken::Replaced),
        }
        Ok(())
    }

    /// Reads the log; waits a little when the bus is away.
    async fn catch_up(&mut self) -> Result<(), Broken> {
        match self.read_log().await {
            Ok(read) => {
                self.must_read = false;
                read
            }
            Err(error) => {
                tracing::debug!(stream = %self.stream, %error, "the log cannot be read now");
                tokio::time::sleep(RETRY).await;
                Ok(())
            }
        }
    }

    /// The client has the whole answer and will not come back for it: its log is not needed.
    pub(crate) fn release(&self) {
        self.note(End::Release(self.stream));
    }

    /// The call has ended. Its worker forgets it as well, but may have done so before it was recorded.
    pub(crate) fn forget_call(&self) {
        if let Some(session) = &self.session {
            self.note(End::Forget(session.clone(), self.stream));
        }
    }

    fn note(&self, end: End) {
        if self.hub.0.ends.try_send(end).is_err() {
            tracing::debug!(stream = %self.stream, "too many ends at once; this one is not noted");
        }
    }

    async fn read_log(&mut self) -> Result<Result<(), Broken>, BusError> {
        let bus = &self.hub.0.bus;
        let followed = bus
            .read_log(&self.stream, self.session.as_ref(), self.delivered)
            .await?;
        Ok(match followed {
            Some(followed) => self.take(followed),
            // Not begun yet: nothing was ever written.
            None if !self.log_seen && self.delivered == 0 => Ok(()),
            None => Err(Broken::Lost),
        })
    }

    fn take(&mut self, followed: Followed) -> Result<(), Broken> {
        self.log_seen = true;
        let elsewhere = |holder: &GatewayId| *holder != self.hub.0.gateway;
        if followed.holder.as_ref().is_some_and(elsewhere) {
            return Err(Broken::Replaced);
        }
        let consecutive = followed
            .events
            .iter()
            .zip(self.delivered + 1..)
            .all(|(event, offset)| event.offset == offset);
        let last = followed.events.last().map_or(self.delivered, |e| e.offset);
        // A log that is shorter than what was delivered lost its end.
        if !consecutive || last != followed.newest {
            return Err(Broken::Lost);
        }
        self.ready = followed.events.into();
        let end_is_ready = self.ready.back().is_some_and(StreamEvent::ends_stream);
        match followed.state {
            LogState::Cancelled if !end_is_ready => {
                self.ready
                    .push_back(StreamEvent::cancelled(self.stream, last + 1));
            }
            // Everything up to the response was delivered before.
            LogState::Finished if self.ready.is_empty() => self.ended = true,
            _ => {}
        }
        Ok(())
    }
}

impl Drop for HeldStream {
    fn drop(&mut self) {
        let mut held = self.hub.lock();
        if held
            .get(&self.stream)
            .is_some_and(|h| h.registration == self.registration)
        {
            held.remove(&self.stream);
        }
    }
}

#[cfg(test)]
mod tests;
