//! From the client's side to the worker that runs its call.

use async_trait::async_trait;

use super::{BusError, NewsReceiver, Ownership};
use crate::ids::{EntryId, SessionId, StreamId, WorkerId};
use crate::wire::message::RawJson;
use crate::wire::request::Era;
use crate::wire::signal::Signal;

/// From the client's side to the worker that runs its call.
///
/// Everything is stored before the worker is woken: a cancel as a mark on the log, a message in the call's mailbox. A
/// wake-up can be lost, what is stored cannot. So a worker misses nothing if it
///
/// 1. registers a claim and then looks at [`super::Claim::cancelled`], and
/// 2. asks [`SignalChannel::cancelled_among`] and [`SignalChannel::take_mail`] on every [`super::News::Gap`].
#[async_trait]
pub trait SignalChannel: Send + Sync {
    /// Marks a call as cancelled, in one atomic step. May be repeated.
    ///
    /// With an `entry`:
    ///
    /// * From now on nothing is written to the stream.
    /// * The holder is told with an event of the kind [`crate::wire::event::EventKind::Cancelled`].
    /// * The worker that runs the call is woken.
    /// * A finished call is left alone.
    ///
    /// Without one it cancels a request that may or may not be queued, since its `enqueue` had no answer. Then
    ///
    /// * the mark is left in any case, because a call that is over looks like one that is yet to come;
    /// * the mark stays for [`super::BusLimits::open_retention`];
    /// * no mark is left once [`super::BusLimits::queue`] of them are kept;
    /// * a worker that has the request and wrote nothing yet is not woken. It learns of the mark at its first write, or
    ///   from a second cancel with the `entry`, which tells the holder as well.
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

    /// Cancels a call whose client or whose gateway is gone, as [`SignalChannel::cancel_call`], unless it has become a
    /// task: then it changes nothing. May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn abandon_call(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
    ) -> Result<(), BusError>;

    /// Puts a client's message, an answer or the progress of one, into the mailbox of a call, and wakes the worker. The
    /// call must run, belong to `session`, and have written at least one event.
    ///
    /// May be repeated: a message that lies there already, byte for byte, is not put there twice.
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

    /// Reads the messages of the mailbox, oldest first. In the same atomic step it checks that `owner` owns the stream:
    /// anybody else gets none, and the messages stay for the owner. A bus with keys drops a message that none of them
    /// signed.
    ///
    /// `received` is [`Mail::received`] of the answer that the owner had last, 0 before the first. The messages up to
    /// it are removed, and those after it are returned. A message stays, and counts against the bound of the mailbox,
    /// until it is named as received: so a lost answer loses no message.
    ///
    /// One answer has [`super::BusLimits::page_bytes`] at most, or a single message that is larger. There are no more
    /// messages when [`Mail::received`] stays as it was.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn take_mail(&self, owner: &Ownership, received: u64) -> Result<Mail, BusError>;

    /// Those of `streams` whose calls are cancelled.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn cancelled_among(&self, streams: &[StreamId]) -> Result<Vec<StreamId>, BusError>;

    /// Subscribes to the wake-ups of `worker`. To be called once per process, before the first claim.
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
