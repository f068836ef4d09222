//! Changes that handlers tell of.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ChangeFeed;
use prynai_bus::wire::change::Change;
use prynai_process::backoff::Backoff;
use tokio::sync::Notify;

/// How long a change is tried to be published.
const PUBLISHING: Duration = Duration::from_secs(5);

/// Publishes what handlers say of changes, which concern everybody.
pub(crate) struct ChangePublisher {
    pub(crate) feed: Arc<dyn ChangeFeed>,
    /// Told when the tools changed, so that they are announced again.
    pub(crate) tools_changed: Arc<Notify>,
}

impl ChangePublisher {
    /// Publishes a change, or gives up after a while.
    pub(crate) async fn publish(&self, change: &Change) {
        let mut backoff = Backoff::for_at_most(PUBLISHING);
        while let Err(error) = self.feed.publish_change(change).await {
            if !backoff.pause().await {
                tracing::warn!(%error, ?change, "a change could not be published; clients are not told of it");
                break;
            }
        }
        if *change == Change::ToolsListChanged {
            self.tools_changed.notify_one();
        }
    }
}
