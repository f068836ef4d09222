//! From the client's side to the worker that runs its call.

use async_trait::async_trait;

use super::{BusError, NewsReceiver, Ownership};
use crate::ids::{EntryId, SessionId, StreamId, WorkerId};
use crate::wire::message::RawJson;
use crate::wire::request::Era;
use crate::wire::signal::Signal;

/// From the client's side to the worker that runs its call.
///
/// What is said is stored (a cancel as a mark on the log, a message in the call's mailbox) and the
/// running worker is woken. So a worker that registers a claim, then looks at the claim's
/// `cancelled` and on every [`super::News::Gap`] at `cancelled_among` and `take_mail`, misses nothing.
#[async_trait]
pub trait SignalChannel: Send + Sync {
    /// Marks a call as cancelled: from now on nothing is written to its stream, its holder is told
    /// with a [`crate::wire::event::EventKind::Cancelled`] event, and its worker is woken. A finished
    /// call is left alone.
    ///
    /// Without an `entry` it cancels a request that may or may not be queued (its `enqueue` failed with
    /// [`BusError::Unavailable`]). Then a call that is over looks like one that is yet to come, so the
    /// mark is left in any case, for [`super::BusLimits::open_retention`]; once
    /// [`super::BusLimits::queue`] such marks are kept, no further one is. A worker that has the request
    /// but wrote nothing yet is not woken: it learns of the mark at its first write, or from a second
    /// cancel that has the `entry`; that one tells the holder as well.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn cancel_call(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
    ) -> Result<(), BusError>;

    /// Puts a client's message (an answer, or progress on one) into the mailbox of a call that runs,
    /// belongs to `session` and has written at least one event. One that lies there already, byte for byte,
    /// is the same message, sent again.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn post_mail(
        &self,
        stream: &StreamId,
        session: &SessionId,
        message: &RawJson,
    ) -> Result<Posted, BusError>;

    /// Reads the messages of the mailbox, oldest first, in one atomic step with a look at who owns the
    /// stream: anybody but the owner gets none, and they stay for the owner. A bus with keys drops what was
    /// not signed with one of them.
    ///
    /// `received` is [`Mail::received`] of what the owner received last, 0 before the first. What came
    /// before is removed, and what comes after is returned; it stays until it is named as received, so
    /// that an answer which is lost loses none. Until then it counts against the bound of the mailbox. One answer has
    /// [`super::BusLimits::page_bytes`] at most, or a single message that is larger; there is no more when
    /// [`Mail::received`] stays as it was.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn take_mail(&self, owner: &Ownership, received: u64) -> Result<Mail, BusError>;

    /// Which of these calls are cancelled.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn cancelled_among(&self, streams: &[StreamId]) -> Result<Vec<StreamId>, BusError>;

    /// Subscribes to the wake-ups of `worker`. Once per process, before its first claim.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn signal_news(&self, worker: &WorkerId) -> Result<NewsReceiver<Signal>, BusError>;
}

/// What lay in a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mail {
    /// The messages, oldest first.
    pub messages: Vec<RawJson>,
    /// What the owner names next, once it has them.
    pub received: u64,
}

/// What became of a client's message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// It lies in the mailbox.
    Accepted,
    /// No such call runs in this session.
    NoSuchCall,
    /// The mailbox is full.
    Full,
}
