//! The change feed, followed once for all listeners of this gateway.
//!
//! One task reads the feed and keeps its newest changes. A listener that lags is served from those, so that neither an
//! open, a subscription, a resume nor a gap makes anybody else read.
//!
//! The [`catalog`] listens, and whatever tells clients of changes.

pub(crate) mod catalog;
mod recent;
mod registry;
mod topic;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use prynai_bus::{Bus, BusError, FeedPosition, News, NewsReceiver, PositionedChange};

pub(crate) use topic::{Interest, Topic};

use registry::{ListenerId, Registry};

/// Changes read from the feed at a time.
const PAGE: usize = 256;

/// Pause before the feed is read again after the bus was away.
const RETRY: Duration = Duration::from_millis(500);

/// Where listeners of this gateway hear of changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Changes {
    bus: Arc<dyn Bus>,
    registry: Arc<Mutex<Registry>>,
}

/// The changes after a position that it waits for, in order and without holes.
pub(crate) struct Listener {
    registry: Arc<Mutex<Registry>>,
    id: ListenerId,
}

/// What a listener hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Something changed.
    Change(Arc<PositionedChange>),
    /// Changes were lost: assume that anything changed.
    AssumeAnything,
}

// === impl Changes ===

impl Changes {
    /// Changes as they are heard, and the role that hands them on: run it until the process ends.
    pub(crate) async fn new(
        bus: Arc<dyn Bus>,
        from_bus: NewsReceiver<PositionedChange>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), BusError> {
        // From its beginning, for those who come to resume.
        let beginning = FeedPosition {
            major: 0,
            minor: 0,
            ..bus.newest_change().await?
        };
        let changes = Self {
            bus,
            registry: Arc::new(Mutex::new(Registry::new(beginning))),
        };
        changes.read_on().await?;
        let role = changes.clone().follow(from_bus);
        Ok((changes, role))
    }

    /// Listens to what comes after `position`, or after now. Whatever changes once this has returned is
    /// heard.
    pub(crate) fn listen(&self, position: Option<FeedPosition>, interest: Interest) -> Listener {
        Listener {
            id: lock(&self.registry).add(position, interest),
            registry: self.registry.clone(),
        }
    }

    /// Whether a position is in the future, so that nobody was ever there.
    pub(crate) async fn is_to_come(&self, position: &FeedPosition) -> Result<bool, BusError> {
        if !position.is_after(lock(&self.registry).newest()) {
            return Ok(false);
        }
        // Another gateway may have heard more.
        Ok(position.is_after(&self.bus.newest_change().await?))
    }

    async fn follow(self, mut from_bus: NewsReceiver<PositionedChange>) {
        while let Some(news) = from_bus.recv().await {
            match news {
                News::Item(change) if self.is_of_this_epoch(&change) => {
                    wake(lock(&self.registry).tell(change));
                }
                News::Item(_) | News::Gap => self.catch_up().await,
            }
        }
    }

    fn is_of_this_epoch(&self, change: &PositionedChange) -> bool {
        change.position.epoch == lock(&self.registry).newest().epoch
    }

    /// Reads on, as soon as the bus lets it.
    async fn catch_up(&self) {
        while let Err(error) = self.read_on().await {
            tracing::debug!(%error, "the change feed cannot be read now");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Reads what the feed has after the newest change known here.
    async fn read_on(&self) -> Result<(), BusError> {
        loop {
            let newest = lock(&self.registry).newest().clone();
            let page = self.bus.read_changes(&newest, PAGE).await?;
            let is_last = page.changes.len() < PAGE;
            if page.lost && page.changes.is_empty() {
                let start = self.bus.newest_change().await?;
                lock(&self.registry).begin_anew(start);
            }
            wake(lock(&self.registry).tell_page(page));
            if is_last {
                return Ok(());
            }
        }
    }
}

fn lock(registry: &Mutex<Registry>) -> MutexGuard<'_, Registry> {
    // Every method leaves it in order, so a panic elsewhere does not spoil it.
    registry.lock().unwrap_or_else(PoisonError::into_inner)
}

fn wake(listeners: Vec<Waker>) {
    listeners.into_iter().for_each(Waker::wake);
}

// === impl Listener ===

impl Listener {
    /// The place in the feed up to which this has heard all that it waits for.
    pub(crate) fn position(&self) -> FeedPosition {
        lock(&self.registry).position(self.id)
    }

    /// Waits for this instead, from what it heard last on.
    pub(crate) fn wait_for(&self, interest: Interest) {
        lock(&self.registry).set_interest(self.id, interest);
    }

    /// What is heard next. May be dropped and called again without loss.
    pub(crate) async fn next(&mut self) -> Heard {
        poll_fn(|cx| lock(&self.registry).poll_next(self.id, cx)).await
    }
}

impl Drop for Listener {
    fn drop(&mut self) {
        lock(&self.registry).remove(self.id);
    }
}

#[cfg(test)]
mod tests;
