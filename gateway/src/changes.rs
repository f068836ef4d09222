//! The change feed, followed once for all listeners of this gateway.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use prynai_shared::bus::{Bus, BusError, FeedPosition, News, NewsReceiver, PositionedChange};
use tokio::sync::broadcast;

/// Changes that wait for a slow listener; beyond it the listener reads the feed instead.
const BUFFERED_CHANGES: usize = 256;

/// Changes read from the feed at a time.
const PAGE: usize = 256;

/// Pause before the feed is read again after the bus was away.
const RETRY: Duration = Duration::from_millis(500);

/// Where listeners of this gateway hear of changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Changes {
    bus: Arc<dyn Bus>,
    news: broadcast::Sender<Heard>,
}

#[derive(Clone)]
enum Heard {
    Change(Arc<PositionedChange>),
    /// News may have been missed: read the feed.
    Gap,
}

/// The changes after a position, in order and without holes.
pub(crate) struct Listener {
    bus: Arc<dyn Bus>,
    news: broadcast::Receiver<Heard>,
    position: FeedPosition,
    ready: VecDeque<Arc<PositionedChange>>,
    must_read: bool,
}

/// What a listener hears.
#[derive(Debug)]
pub(crate) enum Heed {
    /// Something changed.
    Change(Arc<PositionedChange>),
    /// Changes were lost: assume that anything changed.
    AssumeAnything,
}

// === impl Changes ===

impl Changes {
    /// Changes as they are heard, and the role that hands them on: run it until the process ends.
    pub(crate) fn new(
        bus: Arc<dyn Bus>,
        mut from_bus: NewsReceiver<PositionedChange>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (news, _) = broadcast::channel(BUFFERED_CHANGES);
        let changes = Self { bus, news };
        let sender = changes.news.clone();
        let role = async move {
            while let Some(item) = from_bus.recv().await {
                // Nobody listening is no failure.
                let _ = sender.send(match item {
                    News::Item(change) => Heard::Change(Arc::new(change)),
                    News::Gap => Heard::Gap,
                });
            }
        };
        (changes, role)
    }

    /// Listens to everything after `position`, or after now. Whatever changes once this has
    /// returned is heard.
    pub(crate) async fn listen(
        &self,
        position: Option<FeedPosition>,
    ) -> Result<Listener, BusError> {
        let news = self.news.subscribe();
        let must_read = position.is_some();
        let position = match position {
            Some(position) => position,
            None => self.bus.newest_change().await?,
        };
        Ok(Listener {
            bus: self.bus.clone(),
            news,
            position,
            ready: VecDeque::new(),
            must_read,
        })
    }
}

// === impl Listener ===

impl Listener {
    /// The position of what was heard last.
    pub(crate) fn position(&self) -> &FeedPosition {
        &self.position
    }

    /// What is heard next. May be dropped and called again without loss. `None` when the gateway
    /// stops.
    pub(crate) async fn next(&mut self) -> Option<Heed> {
        loop {
            if let Some(change) = self.ready.pop_front() {
                self.position = change.position.clone();
                return Some(Heed::Change(change));
            }
            if self.must_read {
                match self.read_feed().await {
                    Ok(Some(heed)) => return Some(heed),
                    Ok(None) => {}
                    Err(error) => {
                        tracing::debug!(%error, "the change feed cannot be read now");
                        tokio::time::sleep(RETRY).await;
                    }
                }
                continue;
            }
            match self.news.recv().await {
                Ok(Heard::Change(change)) if change.position.epoch != self.position.epoch => {
                    self.must_read = true;
                }
                Ok(Heard::Change(change)) if change.position.is_after(&self.position) => {
                    self.ready.push_back(change);
                }
                Ok(Heard::Change(_)) => {}
                Ok(Heard::Gap) | Err(broadcast::error::RecvError::Lagged(_)) => {
                    self.must_read = true;
                }
                Err(broadcast::error::RecvError::Closed) => return None,
            }
        }
    }

    async fn read_feed(&mut self) -> Result<Option<Heed>, BusError> {
        let page = self.bus.read_changes(&self.position, PAGE).await?;
        if page.lost {
            self.position = self.bus.newest_change().await?;
            return Ok(Some(Heed::AssumeAnything));
        }
        self.must_read = !page.changes.is_empty();
        self.ready = page.changes.into_iter().map(Arc::new).collect();
        Ok(None)
    }
}
