//! The streams this gateway holds.
//!
//! The bus publishes every event to its stream's holder, and the hub hands it to the task that answers the client. News
//! can be missed (a lost subscription, a slow client), so all that the hub gives is speed: [`HeldStream`] reads the log
//! whenever offsets do not follow on each other.

mod held_stream;
mod registry;

use std::sync::Arc;
use std::task::Waker;

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{Bus, BusError, EventLog, News, NewsReceiver};
use tokio::sync::mpsc;

use crate::metrics::metrics;

pub(crate) use held_stream::{Broken, HeldStream};
use registry::Registry;

/// Logs that wait to be deleted; beyond it they expire by themselves.
const DELIVERED: usize = 10_000;

/// Logs that are deleted together, at most.
const RELEASED_AT_ONCE: usize = 256;

/// News that are dispatched together, at most.
const DISPATCHED: usize = 256;

/// The streams this gateway holds. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Hub(Arc<Registry>);

/// What became of an attempt to take over a stream.
pub(crate) enum Resumed {
    /// What follows comes here.
    Held(HeldStream),
    /// The client has heard all that there ever will be.
    Over,
    /// There is no such stream (any more), or it belongs to another session.
    Unknown,
}

// === impl Hub ===

impl Hub {
    /// A hub and the task that serves it: run it until the process ends.
    pub(crate) fn new(
        gateway: GatewayId,
        bus: Arc<dyn Bus>,
        news: NewsReceiver<StreamEvent>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (delivered, to_release) = mpsc::channel(DELIVERED);
        let registry = Registry::new(gateway, bus.clone(), bus.clone(), bus.clone(), delivered);
        let hub = Self(Arc::new(registry));
        let task = {
            let hub = hub.clone();
            async move {
                tokio::join!(hub.dispatch(news), release(bus, to_release));
            }
        };
        (hub, task)
    }

    /// The name under which events are published to this hub.
    pub(crate) fn gateway(&self) -> &GatewayId {
        &self.0.gateway
    }

    /// How many streams are held now.
    pub(crate) fn held(&self) -> usize {
        self.0.lock().len()
    }

    /// Holds the stream of a request that is about to be queued.
    pub(crate) fn hold(&self, stream: StreamId, session: Option<SessionId>) -> HeldStream {
        let inbox = self.0.register(stream);
        HeldStream::new(self.0.clone(), stream, session, inbox)
    }

    /// Takes a stream over that was begun elsewhere, from after the event `after`.
    pub(crate) async fn resume(
        &self,
        stream: StreamId,
        session: SessionId,
        after: u64,
    ) -> Result<Resumed, BusError> {
        // Looked at before it is registered: a stranger's attempt must not disturb the reader.
        let registry = &self.0;
        let newest = registry
            .log
            .follow(&stream, &registry.gateway, Some(&session))
            .await?;
        let Some(newest) = newest else {
            metrics().resumed_unknown.inc();
            return Ok(Resumed::Unknown);
        };
        let mut held = self.hold(stream, Some(session));
        let (resumed, counter) = match held.resume(after, newest).await? {
            Ok(()) if held.is_over() => (Resumed::Over, &metrics().resumed_over),
            Ok(()) => (Resumed::Held(held), &metrics().resumed),
            Err(_) => (Resumed::Unknown, &metrics().resumed_unknown),
        };
        counter.inc();
        Ok(resumed)
    }

    async fn dispatch(&self, mut news: NewsReceiver<StreamEvent>) {
        let mut batch = Vec::with_capacity(DISPATCHED);
        let mut readers: Vec<Waker> = Vec::new();
        while news.recv_many(&mut batch, DISPATCHED).await > 0 {
            let held = self.0.lock();
            for item in batch.drain(..) {
                match item {
                    News::Item(event) => {
                        let inbox = held.get(&event.stream);
                        readers.extend(inbox.and_then(|inbox| inbox.put(event)));
                    }
                    News::Gap => held.values().for_each(|inbox| inbox.lag()),
                }
            }
            drop(held);
            // Only now: a reader finds all that came for it, and its client gets that in one write.
            readers.drain(..).for_each(Waker::wake);
        }
    }
}

/// Deletes the logs of streams that their clients have whole.
async fn release(log: Arc<dyn EventLog>, mut delivered: mpsc::Receiver<StreamId>) {
    let delay = log.release_delay();
    let mut batch = Vec::with_capacity(RELEASED_AT_ONCE);
    while delivered.recv_many(&mut batch, RELEASED_AT_ONCE).await > 0 {
        // No client waits for it.
        if !delay.is_zero() && batch.len() < RELEASED_AT_ONCE {
            tokio::time::sleep(delay).await;
            let more = std::iter::from_fn(|| delivered.try_recv().ok());
            batch.extend(more.take(RELEASED_AT_ONCE - batch.len()));
        }
        if let Err(error) = log.release(&batch).await {
            tracing::debug!(%error, "cannot clean up after calls that have ended; what is left of them expires by itself");
        }
        batch.clear();
    }
}

#[cfg(test)]
mod tests;
