//! An event of a stream: what a worker has to say about one request.

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::{FORMAT, WireError, check_format};
use crate::ids::StreamId;

/// One event, in the form in which it is logged and published.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct StreamEvent {
    /// Format version.
    pub v: u32,
    /// Whose event.
    pub stream: StreamId,
    /// 1, 2, 3 … within the stream; the owner counts.
    pub offset: u64,
    /// What it means for the stream.
    pub kind: EventKind,
    /// The message is sealed, and is an error of JSON-RPC.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub failed: bool,
    /// The JSON-RPC message for the client. Absent for [`EventKind::Pause`], [`EventKind::Cancelled`] and
    /// [`StreamEvent::see_log`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<RawJson>,
}

/// What an event means for its stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EventKind {
    /// A notification or a question to the client; more follows.
    Message,
    /// The client's connection shall be closed; the client comes back for what follows (SEP-1699).
    Pause,
    /// The response; nothing follows.
    Final,
    /// The response, which names a task: nothing follows for this client, but the log lives on, since the call does.
    Task,
    /// The request was cancelled; nothing follows and the client gets no response.
    Cancelled,
}

impl StreamEvent {
    /// An event with a message.
    pub fn new(stream: StreamId, offset: u64, kind: EventKind, message: RawJson) -> Self {
        Self {
            v: FORMAT,
            stream,
            offset,
            kind,
            failed: false,
            message: Some(message),
        }
    }

    /// The event that says: cancelled, nothing follows.
    pub fn cancelled(stream: StreamId, offset: u64) -> Self {
        Self::without_message(stream, offset, EventKind::Cancelled)
    }

    /// News of an event that is too large to be published and is in the log. Its offset is above that of every event: a
    /// reader, also one of an earlier release, finds events missing before it and reads the log.
    pub fn see_log(stream: StreamId) -> Self {
        Self::without_message(stream, u64::MAX, EventKind::Message)
    }

    /// The event that closes the client's connection.
    pub fn pause(stream: StreamId, offset: u64) -> Self {
        Self::without_message(stream, offset, EventKind::Pause)
    }

    fn without_message(stream: StreamId, offset: u64, kind: EventKind) -> Self {
        Self {
            v: FORMAT,
            stream,
            offset,
            kind,
            failed: false,
            message: None,
        }
    }

    /// Whether the stream ends with it.
    pub fn ends_stream(&self) -> bool {
        matches!(
            self.kind,
            EventKind::Final | EventKind::Task | EventKind::Cancelled
        )
    }

    /// The single line of JSON that is logged and published.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_line(&self) -> Result<String, WireError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads a line that [`StreamEvent::to_line`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When it is not an event, or of a newer format.
    pub fn from_line(line: &str) -> Result<Self, WireError> {
        let event: Self = serde_json::from_str(line)?;
        check_format(event.v)?;
        Ok(event)
    }
}
