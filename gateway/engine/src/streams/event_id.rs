//! The ids of server-sent events, from which clients resume.

use std::fmt;
use std::str::FromStr;

use prynai_bus::FeedPosition;
use prynai_bus::ids::{StreamId, canonical_number};

/// Sets places in the feed apart from events of calls.
const FEED: &str = "feed-";

/// What a client has seen last. Opaque to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum EventId {
    /// This event of a call; 0 is before the first.
    Call { stream: StreamId, offset: u64 },
    /// This place in the change feed.
    Feed(FeedPosition),
}

/// Text that is not an [`EventId`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct InvalidEventId;

impl fmt::Display for EventId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call { stream, offset } => write!(f, "{stream}-{offset}"),
            Self::Feed(position) => write!(f, "{FEED}{position}"),
        }
    }
}

impl FromStr for EventId {
    type Err = InvalidEventId;

    /// Accepts only what `Display` writes: one event, one spelling.
    fn from_str(text: &str) -> Result<Self, InvalidEventId> {
        if let Some(position) = text.strip_prefix(FEED) {
            let position = position.parse().map_err(|_| InvalidEventId)?;
            return Ok(Self::Feed(position));
        }
        let (stream, offset) = text.split_once('-').ok_or(InvalidEventId)?;
        Ok(Self::Call {
            stream: stream.parse().map_err(|_| InvalidEventId)?,
            offset: canonical_number(offset).ok_or(InvalidEventId)?,
        })
    }
}
