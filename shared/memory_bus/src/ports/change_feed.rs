//! [`ChangeFeed`] in memory.

use async_trait::async_trait;
use prynai_bus::wire::change::Change;
use prynai_bus::{BusError, ChangeFeed, ChangePage, FeedPosition, NewsReceiver, PositionedChange};

use crate::bus::{MemoryBus, lock};

#[async_trait]
impl ChangeFeed for MemoryBus {
    async fn publish_change(&self, change: &Change) -> Result<FeedPosition, BusError> {
        Ok(lock(&self.feed).publish(change.clone()))
    }

    async fn newest_change(&self) -> Result<FeedPosition, BusError> {
        Ok(lock(&self.feed).newest())
    }

    async fn read_changes(&self, after: &FeedPosition, max: usize) -> Result<ChangePage, BusError> {
        Ok(lock(&self.feed).read(after, max))
    }

    async fn change_news(&self) -> Result<NewsReceiver<PositionedChange>, BusError> {
        Ok(lock(&self.feed).subscribe())
    }
}
