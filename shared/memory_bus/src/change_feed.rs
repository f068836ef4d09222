//! [`ChangeFeed`] in memory.

use std::collections::VecDeque;
use std::sync::Arc;

use async_trait::async_trait;
use prynai_bus::wire::change::Change;
use prynai_bus::{BusError, ChangeFeed, ChangePage, FeedPosition, NewsReceiver, PositionedChange};
use uuid::Uuid;

use super::news::Outlets;
use super::{MemoryBus, lock};

/// The newest changes. A position's major part counts them, its minor part is 0.
pub(super) struct Feed {
    epoch: Arc<str>,
    limit: usize,
    newest: u64,
    kept: VecDeque<PositionedChange>,
    outlets: Outlets<PositionedChange>,
}

#[async_trait]
impl ChangeFeed for MemoryBus {
    async fn publish_change(&self, change: &Change) -> Result<FeedPosition, BusError> {
        Ok(lock(&self.feed).publish(change.clone()))
    }

    async fn newest_change(&self) -> Result<FeedPosition, BusError> {
        let feed = lock(&self.feed);
        Ok(feed.position(feed.newest))
    }

    async fn read_changes(&self, after: &FeedPosition, max: usize) -> Result<ChangePage, BusError> {
        Ok(lock(&self.feed).read(after, max))
    }

    async fn change_news(&self) -> Result<NewsReceiver<PositionedChange>, BusError> {
        Ok(lock(&self.feed).outlets.subscribe())
    }
}

impl Feed {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            epoch: Uuid::new_v4().simple().to_string().into(),
            limit,
            newest: 0,
            kept: VecDeque::new(),
            outlets: Outlets::default(),
        }
    }

    pub(super) fn publish(&mut self, change: Change) -> FeedPosition {
        self.newest += 1;
        let position = self.position(self.newest);
        let change = PositionedChange {
            position: position.clone(),
            change,
        };
        self.kept.push_back(change.clone());
        if self.kept.len() > self.limit {
            self.kept.pop_front();
        }
        self.outlets.publish(change);
        position
    }

    fn position(&self, major: u64) -> FeedPosition {
        FeedPosition {
            epoch: self.epoch.clone(),
            major,
            minor: 0,
        }
    }

    fn read(&self, after: &FeedPosition, max: usize) -> ChangePage {
        let same_epoch = after.epoch == self.epoch;
        let seen = |kept: &PositionedChange| same_epoch && !kept.position.is_after(after);
        let from = self.kept.partition_point(seen);
        let trimmed = self.newest - self.kept.len() as u64;
        ChangePage {
            changes: self.kept.iter().skip(from).take(max).cloned().collect(),
            lost: !same_epoch || after.major < trimmed,
        }
    }
}
