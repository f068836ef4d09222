//! The change feed, followed once for all readers of this gateway.
//!
//! One task reads the feed and keeps its newest changes. A reader that lags is served from those, so that neither an
//! open, a subscription, a resume nor a gap makes anybody else read.
//!
//! The [`catalog`] is such a reader, and so is whatever tells clients of changes.

pub(crate) mod catalog;
mod recent;
mod registry;
mod topic;

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;
use std::time::Duration;

use prynai_bus::{BusError, ChangeFeed, FeedPosition, News, NewsReceiver, PositionedChange};

pub(crate) use topic::{Interest, Topic};

use registry::{ReaderId, Registry};

/// Changes read from the feed at a time.
const PAGE: usize = 256;

/// Pause before the feed is read again after the bus was away.
const RETRY: Duration = Duration::from_millis(500);

/// Where this gateway hears of changes. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Changes {
    feed: Arc<dyn ChangeFeed>,
    registry: Arc<Mutex<Registry>>,
}

/// Hears the changes that it waits for, from a position on, in order and without holes.
pub(crate) struct FeedReader {
    registry: Arc<Mutex<Registry>>,
    id: ReaderId,
}

/// What a reader hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Heard {
    /// Something changed.
    Change(Arc<PositionedChange>),
    /// Changes were lost: assume that anything changed.
    AssumeAnything,
}

// === impl Changes ===

impl Changes {
    /// Changes as they are heard, and the task that hands them on: run it until the process ends.
    pub(crate) async fn new(
        feed: Arc<dyn ChangeFeed>,
        news: NewsReceiver<PositionedChange>,
    ) -> Result<(Self, impl Future<Output = ()> + Send + 'static), BusError> {
        // From its beginning, for those who come to resume.
        let beginning = FeedPosition {
            major: 0,
            minor: 0,
            ..feed.newest_change().await?
        };
        let changes = Self {
            feed,
            registry: Arc::new(Mutex::new(Registry::new(beginning))),
        };
        changes.read_on().await?;
        let task = changes.clone().follow(news);
        Ok((changes, task))
    }

    /// Hears what comes after `position`, or after now. Whatever changes once this has returned is heard.
    pub(crate) fn reader(&self, position: Option<FeedPosition>, interest: Interest) -> FeedReader {
        FeedReader {
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
        Ok(position.is_after(&self.feed.newest_change().await?))
    }

    async fn follow(self, mut news: NewsReceiver<PositionedChange>) {
        while let Some(item) = news.recv().await {
            match item {
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
            tracing::debug!(%error, "cannot read the change feed; trying again");
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Reads what the feed has after the newest change known here.
    async fn read_on(&self) -> Result<(), BusError> {
        loop {
            let newest = lock(&self.registry).newest().clone();
            let page = self.feed.read_changes(&newest, PAGE).await?;
            let is_last = page.changes.len() < PAGE;
            if page.lost && page.changes.is_empty() {
                let start = self.feed.newest_change().await?;
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

fn wake(readers: Vec<Waker>) {
    readers.into_iter().for_each(Waker::wake);
}

// === impl FeedReader ===

impl FeedReader {
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

impl Drop for FeedReader {
    fn drop(&mut self) {
        lock(&self.registry).remove(self.id);
    }
}

#[cfg(test)]
mod tests;
