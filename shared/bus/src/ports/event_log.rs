//! The log of each stream, and the news of it.

use async_trait::async_trait;

use super::ownership::{Ownership, Refusal};
use super::{BusError, NewsReceiver};
use crate::ids::{GatewayId, SessionId, StreamId};
use crate::wire::event::StreamEvent;
use crate::wire::request::Era;

/// The log of each stream, and the news of it.
///
/// The log is the truth; publication carries the news to the stream's holder, at most once, in
/// order. So a reader registers for news first, then reads the log, and drops by offset what it has
/// already seen; a hole in the offsets or a [`super::News::Gap`] sends it back to the log.
///
/// A stream has at most one holder: the gateway named in the request, or the last one that called
/// `follow`. Of a large event the news may be no more than [`StreamEvent::see_log`]. Only the owner writes. A log exists from the first write or `open_log` until it is
/// released or its retention ends, and is never made again.
///
/// A stream has one entry in the queue: the first one that writes to it. Another that names the stream is
/// a copy, which somebody put there; whatever it tries is refused with [`Refusal::Finished`].
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Makes the log before its first event, so that the client may resume the stream from offset 0
    /// on any gateway. Changes nothing when the log exists.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn open_log(
        &self,
        stream: &StreamId,
        holder: &GatewayId,
        session: Option<&SessionId>,
        era: Era,
    ) -> Result<(), BusError>;

    /// Makes `holder` the stream's holder, which is how a resume begins: whoever held the stream before hears no more of
    /// it. Returns the offset of the newest event, 0 without any; what was logged until then is there to be read.
    ///
    /// `None`, and the holder stays, when there is no such log (any more), or it belongs to another session than
    /// `session`.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn follow(
        &self,
        stream: &StreamId,
        holder: &GatewayId,
        session: Option<&SessionId>,
    ) -> Result<Option<u64>, BusError>;

    /// Reads the events after the offset `after`, a page at most, and changes nothing: how a holder makes up for missed
    /// news, and learns from [`LogPage::holder`] that another gateway has the stream now. `None` as for
    /// [`EventLog::follow`].
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn read_log(
        &self,
        stream: &StreamId,
        session: Option<&SessionId>,
        after: u64,
    ) -> Result<Option<LogPage>, BusError>;

    /// Logs an event and publishes it to the holder, in one atomic step.
    ///
    /// The owner counts the offsets and has one write per stream under way at a time. Idempotent: a
    /// repeated offset is `Ok` and is not published again. An offset beyond the next one is accepted
    /// (the log lost events; readers will see the hole).
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn append(&self, owner: &Ownership, event: &StreamEvent) -> Result<Appended, BusError>;

    /// Makes a redelivered claim (delivery > 1) the owner; from then on every earlier owner is
    /// refused. The log's retention begins anew, as after an event.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn take_over(&self, owner: &Ownership) -> Result<TakeOver, BusError>;

    /// Deletes the logs of streams whose last event has reached the client: those that are finished, and
    /// those that were cancelled and whose entry is gone. Any other is left alone: its worker must find
    /// the log, or the mark.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn release(&self, streams: &[StreamId]) -> Result<(), BusError>;

    /// Lets the log of a finished stream end after [`super::BusLimits::brief_retention`], if it would be kept for
    /// longer. Any other is left alone.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn keep_briefly(&self, stream: &StreamId) -> Result<(), BusError>;

    /// Subscribes to the events of all streams that `gateway` holds. Once per process.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn event_news(&self, gateway: &GatewayId) -> Result<NewsReceiver<StreamEvent>, BusError>;
}

/// What a reader finds in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The events after the position asked for, by offset: [`super::BusLimits::page_events`] and
    /// [`super::BusLimits::page_bytes`] at most, or a single one that is larger.
    pub events: Vec<StreamEvent>,
    /// There are more after these.
    pub has_more: bool,
    /// Offset of the newest event; without more, it is above the last of `events` when the log lost
    /// some.
    pub newest: u64,
    /// Whether more is to come.
    pub state: LogState,
    /// The gateway that the events are published to. `None` when the log names none, as one made by
    /// its response may: then it is the gateway named in the request.
    pub holder: Option<GatewayId>,
}

/// Whether more is to come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogState {
    /// More is to come.
    Open,
    /// The response is in the log.
    Finished,
    /// The request was cancelled; there is no response.
    Cancelled,
}

/// What became of an append.
pub type Appended = Result<(), Refusal>;

/// What became of a take-over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TakeOver {
    /// The stream is yours; the next offset is `newest + 1`.
    Taken {
        /// Offset of the newest event.
        newest: u64,
    },
    /// There is nothing to do: remove the entry.
    Refused(Refusal),
}
