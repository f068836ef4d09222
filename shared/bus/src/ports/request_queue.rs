//! Requests on their way to a worker.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BusError;
use super::ownership::{Ownership, Refusal};
use crate::ids::{EntryId, WorkerId};
use crate::wire::event::StreamEvent;
use crate::wire::request::RequestEnvelope;

/// Requests on their way to a worker, at least once, oldest first.
///
/// An entry is *waiting* until a worker claims it, then *running* until it is finished. The list
/// of running entries is the lease table: a claim that is not renewed can be reclaimed by any
/// worker. How long a lease lasts is its owner's affair; only time counts in which the bus answered
/// workers, so that an outage costs nobody what he runs. Entries are deleted only by `finish` and `dead_letter`, never trimmed, so the backlog
/// that an autoscaler reads is true.
///
/// An entry that cannot be read is never handed out. One of a newer format is handed back, not begun,
/// for the workers of that release, twice at most; any other, and that one the third time, becomes a
/// dead letter. Its client is answered with an internal error, as far as stream, holder and request id
/// can be read, so that nobody waits for ever.
///
/// A bus that others may write to can be given keys: then it signs what it
/// enqueues, and hands out only what was signed. Any other entry becomes a dead letter, and nobody is
/// answered: nothing that it says is to be believed, least of all who waits for the answer. Without keys,
/// signatures are not looked at.
#[async_trait]
pub trait RequestQueue: Send + Sync {
    /// Adds a request at the end and names its entry. Never called twice for one request.
    ///
    /// # Errors
    ///
    /// [`BusError::Unavailable`]: it was not added, and should it still come it is claimed as cancelled.
    /// [`BusError::Unanswered`]: it may have been added, and may run; a
    /// [`cancel_call`](super::SignalChannel::cancel_call) without an entry withdraws it.
    /// [`BusError::QueueFull`] once [`super::BusLimits::queue`] entries wait or run. Each
    /// process may exceed the bound by the calls it has under way and, with much room left when it
    /// last looked, by 64 more.
    async fn enqueue(&self, request: &RequestEnvelope) -> Result<EntryId, BusError>;

    /// How many more requests the queue takes, as far as is known. Cheap: at least `wanted` of late is
    /// answered from memory; only when less is known, and that is older than a tenth of a second, the
    /// bus is asked, by one caller for all.
    ///
    /// # Errors
    ///
    /// When the bus had to be asked and is away.
    async fn queue_room(&self, wanted: usize) -> Result<usize, BusError>;

    /// Whether an entry waits or runs.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn is_pending(&self, entry: &EntryId) -> Result<bool, BusError>;

    /// Takes up to `max` waiting entries for `worker`, waiting up to `wait` for the first one.
    ///
    /// Ends early and loses nothing when `stop` fires: what was already handed out is returned.
    /// The future must be driven to its end; a dropped one may leave claimed entries to their lease.
    /// One call at a time per worker.
    ///
    /// What was handed out by a call that failed is returned by the next one, also after `stop` fired.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn claim(
        &self,
        worker: &WorkerId,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Claim>, BusError>;

    /// Lets the leases of running entries start anew now, and says that this worker's leases last
    /// `lease`: before its first claim, and again with each renewal. Entries that are no longer this
    /// worker's are left alone.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn renew(
        &self,
        worker: &WorkerId,
        lease: Duration,
        entries: &[EntryId],
    ) -> Result<(), BusError>;

    /// As [`RequestQueue::renew`], for all that was handed out to `worker`, also what it does not know of yet.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn renew_all(&self, worker: &WorkerId, lease: Duration) -> Result<(), BusError>;

    /// Takes up to `max` entries that were not renewed for the lease of their owner; `lease`, which is
    /// `worker`'s own, stands for the lease of an owner that never told. Their `delivery` is above 1,
    /// unless they were handed back before they were begun. What was handed out by a call that failed is
    /// returned by the next one, with the same delivery.
    ///
    /// One answer has [`super::BusLimits::page_bytes`] at most, or a single entry that is larger: ask again until there
    /// are none.
    ///
    /// Only time counts in which the bus answered: a few seconds in which no worker called this are
    /// taken for an outage. So each worker calls it at least once a second, for as long as it lives.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn reclaim(
        &self,
        worker: &WorkerId,
        lease: Duration,
        max: usize,
    ) -> Result<Vec<Claim>, BusError>;

    /// The time by the bus' own clock, in Unix milliseconds: the one clock for deadlines, whatever those
    /// of the processes show. As it was told last, so it costs nothing.
    fn now_ms(&self) -> u64;

    /// Gives entries up so that the next `reclaim` of any worker finds them, whatever its lease.
    /// With `begun` false their delivery is not counted, and the claim that it gave is void at once.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn hand_back(
        &self,
        worker: &WorkerId,
        entries: &[EntryId],
        begun: bool,
    ) -> Result<(), BusError>;

    /// Ends requests: for each, atomically, checks ownership, logs the final event, publishes it to
    /// the stream's holder and removes the entry. The answers are in the order of the requests.
    ///
    /// Idempotent: a repeated final event is `Ok`. On [`Refusal::Cancelled`] and
    /// [`Refusal::Finished`] nothing is published but the entry is removed all the same; on
    /// [`Refusal::LostOwnership`] the entry is left to its new owner.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn finish(&self, requests: &[Finish]) -> Result<Vec<Result<(), Refusal>>, BusError>;

    /// Notes an entry that cannot be served among the dead letters, once, with the reason, and removes it
    /// if it is still there: it may have been finished first, so that its client does not wait. An
    /// entry that another delivery holds is left alone and not noted. The newest
    /// [`super::BusLimits::dead_letters`] are kept.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn dead_letter(&self, claim: &Claim, reason: &str) -> Result<(), BusError>;
}

/// One entry in the hands of one worker.
#[derive(Debug, Clone, PartialEq)]
pub struct Claim {
    /// The entry.
    pub entry: EntryId,
    /// 1 for the first delivery.
    pub delivery: u32,
    /// The client cancelled it while it waited: finish it without running it.
    pub cancelled: bool,
    /// The request.
    pub request: RequestEnvelope,
}

/// A request to be ended.
#[derive(Debug, Clone)]
pub struct Finish {
    /// By whom.
    pub ownership: Ownership,
    /// Its final event; `None` removes the entry without a word (a cancelled request).
    pub event: Option<StreamEvent>,
}

impl Claim {
    /// The right to write that this claim gives.
    pub fn ownership(&self, worker: &WorkerId) -> Ownership {
        Ownership {
            stream: self.request.stream,
            entry: self.entry.clone(),
            worker: worker.clone(),
            delivery: self.delivery,
            holder: self.request.holder.clone(),
            session: self.request.session.as_ref().map(|s| s.id.clone()),
            era: self.request.era,
        }
    }
}
