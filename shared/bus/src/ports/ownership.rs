//! The right to write to a stream, and why it is refused.

use crate::ids::{EntryId, GatewayId, SessionId, StreamId, WorkerId};
use crate::wire::message::RawJson;
use crate::wire::request::Era;

/// The right to write to a stream: a fencing token with what the first write must know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ownership {
    /// The stream.
    pub stream: StreamId,
    /// Its queue entry.
    pub entry: EntryId,
    /// The worker.
    pub worker: WorkerId,
    /// The delivery under which it was claimed. Only delivery 1 may take ownership by its first
    /// write; a later one calls [`super::EventLog::take_over`] first.
    pub delivery: u32,
    /// The gateway that asked. A later [`super::EventLog::follow`] names another one.
    pub holder: GatewayId,
    /// The session the stream belongs to.
    pub session: Option<SessionId>,
    /// The client's own id of the request: a session finds its calls by it.
    pub request_id: Option<RawJson>,
    /// Decides how long the finished log is kept.
    pub era: Era,
}

/// Why the owner may not write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// Another delivery owns the stream, or the log is gone: stop, write nothing more.
    LostOwnership,
    /// The client cancelled: stop, write nothing more.
    Cancelled,
    /// The stream has its response already, or is another entry's.
    Finished,
    /// The log holds as many events, or bytes, as it may; only `finish` is accepted.
    LogFull,
}

impl Ownership {
    /// The fencing token as stored: worker and delivery.
    pub fn token(&self) -> String {
        format!("{}:{}", self.worker, self.delivery)
    }
}
