//! One log of changes for all who read it.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use async_trait::async_trait;

use super::{BusError, NewsReceiver};
use crate::ids::canonical_number;
use crate::wire::change::Change;

/// One log of changes for all who read it. A change costs one append, however many they are.
///
/// All entries are ordered by position. The newest [`super::BusLimits::feed`] are kept. Publication carries the news,
/// as with a stream's log: subscribe first, then read.
#[async_trait]
pub trait ChangeFeed: Send + Sync {
    /// Logs a change and publishes it to every subscriber, in one atomic step. Repeated, it is logged and heard again.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn publish_change(&self, change: &Change) -> Result<FeedPosition, BusError>;

    /// The position of the newest change.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn newest_change(&self) -> Result<FeedPosition, BusError>;

    /// Reads up to `max` changes after a position, oldest first.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn read_changes(&self, after: &FeedPosition, max: usize) -> Result<ChangePage, BusError>;

    /// Subscribes to all changes.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn change_news(&self) -> Result<NewsReceiver<PositionedChange>, BusError>;
}

/// A place in the feed. Positions of one epoch are ordered; another epoch means that the feed was
/// lost and begun anew.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedPosition {
    /// Names this life of the feed; letters and digits.
    pub epoch: Arc<str>,
    /// Major part: milliseconds on Redis.
    pub major: u64,
    /// Minor part.
    pub minor: u64,
}

/// A change and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PositionedChange {
    /// Its place.
    pub position: FeedPosition,
    /// The change.
    pub change: Change,
}

/// What follows a position.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangePage {
    /// The changes, oldest first; empty at the end of the feed.
    pub changes: Vec<PositionedChange>,
    /// Changes between the position and the first of these are gone: trimmed, or lost with an
    /// earlier epoch. The reader must assume that anything changed.
    pub lost: bool,
}

/// Text that is not a [`FeedPosition`].
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("not a position of the change feed")]
pub struct InvalidPosition;

impl FeedPosition {
    /// Whether `self` is later than `other` in the same epoch.
    pub fn is_after(&self, other: &Self) -> bool {
        self.epoch == other.epoch && (self.major, self.minor) > (other.major, other.minor)
    }
}

impl fmt::Display for FeedPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}-{}", self.epoch, self.major, self.minor)
    }
}

impl FromStr for FeedPosition {
    type Err = InvalidPosition;

    fn from_str(text: &str) -> Result<Self, InvalidPosition> {
        let mut parts = text.split('-');
        let (Some(epoch), Some(major), Some(minor), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(InvalidPosition);
        };
        if epoch.is_empty() || epoch.len() > 32 || !epoch.bytes().all(|b| b.is_ascii_alphanumeric())
        {
            return Err(InvalidPosition);
        }
        Ok(Self {
            epoch: epoch.into(),
            major: canonical_number(major).ok_or(InvalidPosition)?,
            minor: canonical_number(minor).ok_or(InvalidPosition)?,
        })
    }
}
