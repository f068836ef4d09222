//! A change that readers of the feed may want to know of.

use serde::{Deserialize, Serialize};

use super::{FORMAT, WireError, check_format};
use crate::ids::{SessionId, StreamId};

/// One entry of the change feed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChangeEntry {
    /// Format version.
    pub v: u32,
    /// What changed.
    #[serde(flatten)]
    pub change: Change,
}

/// What changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "change", rename_all = "snake_case")]
pub enum Change {
    /// `notifications/tools/list_changed`.
    ToolsListChanged,
    /// `notifications/prompts/list_changed`.
    PromptsListChanged,
    /// `notifications/resources/list_changed`.
    ResourcesListChanged,
    /// `notifications/resources/updated`.
    ResourceUpdated {
        /// Which resource.
        uri: String,
    },
    /// A worker announced another catalog.
    CatalogChanged,
    /// A session's subscriptions or log level changed; holders of its streams read it again.
    SessionChanged {
        /// Which session.
        session: SessionId,
    },
    /// A session's stream of changes was opened; older ones of the same session close, since a
    /// message may go out on one of them only (2025-11-25, Transports, Multiple Connections).
    SessionListening {
        /// Which session.
        session: SessionId,
        /// Which stream.
        listener: StreamId,
    },
    /// A session ended; holders of its streams close them.
    SessionEnded {
        /// Which session.
        session: SessionId,
    },
}

impl ChangeEntry {
    /// An entry for a change.
    pub fn new(change: Change) -> Self {
        Self { v: FORMAT, change }
    }

    /// The single line of JSON that is logged and published.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_line(&self) -> Result<String, WireError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a line that [`ChangeEntry::to_line`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When it is not a change, or of a newer format.
    pub fn from_line(line: &str) -> Result<Self, WireError> {
        let entry: Self = serde_json::from_str(line)?;
        check_format(entry.v)?;
        Ok(entry)
    }
}
