//! The log of each stream, and the news of it.

use std::time::Duration;

use async_trait::async_trait;

use super::ownership::{Ownership, Refusal};
use super::{BusError, NewsReceiver};
use crate::ids::{GatewayId, SessionId, StreamId};
use crate::wire::event::StreamEvent;
use crate::wire::request::Era;
use crate::wire::task::TaskBirth;

/// The log of each stream, and the news of it.
///
/// The log is the truth. Publication carries the news to the stream's holder, at most once and in order; the news of a
/// large event may be no more than [`StreamEvent::see_log`]. So a reader
///
/// 1. registers for news,
/// 2. reads the log,
/// 3. drops by offset what it has already seen, and
/// 4. reads the log again after a hole in the offsets and after a [`super::News::Gap`].
///
/// A stream has at most one holder: the gateway named in the request, or the last one that called
/// [`EventLog::follow`]. Only the owner writes.
///
/// A log exists from [`EventLog::open_log`] or the first write until it is released or its retention ends. It is never
/// made again.
///
/// A stream has one entry in the queue: the first one that writes to it. Another entry that names the stream is a copy
/// that somebody put there. Whatever it tries is refused with [`Refusal::Finished`].
#[async_trait]
pub trait EventLog: Send + Sync {
    /// Makes the log before its first event, so that the client can resume the stream from offset 0 on any gateway. May
    /// be repeated: it changes nothing when the log exists.
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

    /// Makes `holder` the stream's holder, which is how a resume begins. The holder before hears no more of the stream.
    /// Returns the offset of the newest event, 0 when there is none.
    ///
    /// `None` when there is no such log, or no longer, and when it belongs to another session than `session`. Then the
    /// holder stays as it was. May be repeated.
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

    /// Reads the events after the offset `after`, a page at most, and changes nothing. So a holder makes up for missed
    /// news, and learns from [`LogPage::holder`] that another gateway holds the stream now. `None` as for
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

    /// Logs events and publishes them to the holders of their streams. What one [`Append`] brings is logged and
    /// published in one atomic step, all of it or none. The answers are in the order of the appends, each about another
    /// stream.
    ///
    /// The owner counts the offsets, and has one write per stream under way at a time. May be repeated: an offset that
    /// was logged is `Ok` and is not published again. An offset beyond the next one is accepted, since the log may have
    /// lost events; readers see the hole.
    ///
    /// [`Refusal::LogFull`]: the log has no room for all of them, but may have some for the first ones.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn append_all(&self, appends: &[Append]) -> Result<Vec<Appended>, BusError>;

    /// Logs a single event, as [`EventLog::append_all`].
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn append(&self, owner: &Ownership, event: &StreamEvent) -> Result<Appended, BusError> {
        let append = Append {
            ownership: owner.clone(),
            events: vec![event.clone()],
        };
        let answers = self.append_all(&[append]).await?;
        let answer = answers.into_iter().next();
        answer.ok_or_else(|| BusError::Unexpected("no answer about an event".to_owned()))
    }

    /// Makes a redelivered claim (delivery above 1) the owner. From then on every earlier owner is refused. The log's
    /// retention begins anew, as after an event. May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn take_over(&self, owner: &Ownership) -> Result<TakeOver, BusError>;

    /// Deletes the logs of streams whose last event has reached the client: those that are finished, and those that
    /// were cancelled and whose entry is gone. Other logs are left alone, since a worker must find the log or the mark.
    /// May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn release(&self, streams: &[StreamId]) -> Result<(), BusError>;

    /// How long to gather streams for [`EventLog::release`], where to delete one log costs nearly as much as to delete
    /// many. No time at all where it does not: a log that stays longer takes memory from what follows.
    fn release_delay(&self) -> Duration {
        Duration::ZERO
    }

    /// Shortens the life of a finished stream's log to [`super::BusLimits::brief_retention`] from now, if it would live
    /// longer. Other logs are left alone.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn keep_briefly(&self, stream: &StreamId) -> Result<(), BusError>;

    /// Subscribes to the events of all streams that `gateway` holds. To be called once per process.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn event_news(&self, gateway: &GatewayId) -> Result<NewsReceiver<StreamEvent>, BusError>;
}

/// Events to be logged.
#[derive(Debug, Clone)]
pub struct Append {
    /// By whom, and in which stream.
    pub ownership: Ownership,
    /// The events, at least one, by ascending offset.
    pub events: Vec<StreamEvent>,
}

/// What a reader finds in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogPage {
    /// The events after the position asked for, by offset: [`super::BusLimits::page_events`] and
    /// [`super::BusLimits::page_bytes`] at most, or a single one that is larger.
    pub events: Vec<StreamEvent>,
    /// There are more after these.
    pub has_more: bool,
    /// Offset of the newest event. Without more events, it is above the last of `events` when the log lost some.
    pub newest: u64,
    /// Whether more is to come.
    pub state: LogState,
    /// The gateway that the events are published to. A log that was made by its response may name none: then it is the
    /// gateway named in the request.
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
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TakeOver {
    /// The stream is yours; the next offset is `newest + 1`.
    Taken {
        /// Offset of the newest event.
        newest: u64,
        /// The call has become a task.
        task: Option<TaskBirth>,
    },
    /// There is nothing to do: remove the entry.
    Refused(Refusal),
}
