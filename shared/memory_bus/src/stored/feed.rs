//! The change feed.

use std::collections::VecDeque;
use std::sync::Arc;

use prynai_bus::wire::change::Change;
use prynai_bus::{ChangePage, FeedPosition, NewsReceiver, PositionedChange};
use uuid::Uuid;

use super::news::Outlets;

/// The newest changes. A position's major part counts them, its minor part is 0.
pub(crate) struct Feed {
    epoch: Arc<str>,
    limit: usize,
    newest: u64,
    kept: VecDeque<PositionedChange>,
    outlets: Outlets<PositionedChange>,
}

impl Feed {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            epoch: Uuid::new_v4().simple().to_string().into(),
            limit,
            newest: 0,
            kept: VecDeque::new(),
            outlets: Outlets::default(),
        }
    }

    pub(crate) fn publish(&mut self, change: Change) -> FeedPosition {
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

    pub(crate) fn newest(&self) -> FeedPosition {
        self.position(self.newest)
    }

    pub(crate) fn subscribe(&mut self) -> NewsReceiver<PositionedChange> {
        self.outlets.subscribe()
    }

    fn position(&self, major: u64) -> FeedPosition {
        FeedPosition {
            epoch: self.epoch.clone(),
            major,
            minor: 0,
        }
    }

    pub(crate) fn read(&self, after: &FeedPosition, max: usize) -> ChangePage {
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
