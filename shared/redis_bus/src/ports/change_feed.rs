//! [`ChangeFeed`] on Redis: one stream for all.

use std::sync::Arc;

use async_trait::async_trait;
use prynai_bus::wire::change::{Change, ChangeEntry};
use prynai_bus::{BusError, ChangeFeed, ChangePage, FeedPosition, NewsReceiver, PositionedChange};

use crate::bus::RedisBus;
use crate::scripts;
use crate::wire::lines;

#[async_trait]
impl ChangeFeed for RedisBus {
    async fn publish_change(&self, change: &Change) -> Result<FeedPosition, BusError> {
        let line = ChangeEntry::new(change.clone()).to_line()?;
        let publish = scripts::publish_change(&self.keys, &self.limits, &line);
        position(&self.run(&publish).await?)
    }

    async fn newest_change(&self) -> Result<FeedPosition, BusError> {
        position(&self.run(&scripts::newest_change(&self.keys)).await?)
    }

    async fn read_changes(&self, after: &FeedPosition, max: usize) -> Result<ChangePage, BusError> {
        let read = scripts::read_changes(&self.keys, &self.limits, after, max);
        page(self.run(&read).await?)
    }

    async fn change_news(&self) -> Result<NewsReceiver<PositionedChange>, BusError> {
        let channel = self.keys.feed_channel();
        self.subscriptions
            .open(&self.keys, channel, lines::read_change)
            .await
    }
}

fn position(text: &str) -> Result<FeedPosition, BusError> {
    let malformed = |_| BusError::Unexpected(format!("{text:?} as a position of the feed"));
    text.parse().map_err(malformed)
}

/// Reads an answer of `read_changes.lua`: epoch, whether any were lost, id and line of each.
fn page(answer: Vec<String>) -> Result<ChangePage, BusError> {
    let mut answer = answer.into_iter();
    let (Some(epoch), Some(lost)) = (answer.next(), answer.next()) else {
        return Err(BusError::Unexpected("a page without an epoch".to_owned()));
    };
    let epoch: Arc<str> = epoch.into();
    let mut changes = Vec::with_capacity(answer.len() / 2);
    while let (Some(id), Some(line)) = (answer.next(), answer.next()) {
        changes.push(PositionedChange {
            position: position(&format!("{epoch}-{id}"))?,
            change: ChangeEntry::from_line(&line)?.change,
        });
    }
    Ok(ChangePage {
        changes,
        lost: lost == "1",
    })
}
