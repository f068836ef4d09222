//! Requests on their way to a worker.

use std::time::Duration;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::BusError;
use super::ownership::{Ownership, Refusal};
use crate::ids::{EntryId, WorkerId};
use crate::wire::audit::AuditLine;
use crate::wire::event::StreamEvent;
use crate::wire::request::RequestEnvelope;

/// When workers were last there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkersSeen {
    /// How long ago any of them was heard of: within a second of one that has room, at the renewal of its leases of one
    /// that is full.
    pub heard: Duration,
    /// For how long none has lived; zero while one does, which is for its lease after it was heard of.
    pub absent: Duration,
}

/// Requests on their way to a worker, delivered at least once, oldest first.
///
/// An entry *waits* until a worker claims it, and then *runs* until it is finished. Entries are deleted only by
/// [`RequestQueue::finish`] and [`RequestQueue::dead_letter`], never trimmed, so the backlog that an autoscaler reads
/// is true.
///
/// The list of running entries is the lease table: any worker can reclaim an entry whose lease was not renewed. The
/// owner says how long its leases last. Only time in which the bus answered workers counts, so an outage costs nobody a
/// lease.
///
/// An entry that cannot be read is never handed out:
///
/// * An entry of a newer format is handed back for the workers of that release, twice at most.
/// * Any other entry becomes a dead letter, and so does one of a newer format the third time. The client is answered
///   with an internal error, if stream, holder and request id can be read.
///
/// A bus that others can write to can be given keys. Then it signs what it enqueues, and hands out only what was
/// signed. An entry without a valid signature becomes a dead letter, and nobody is answered, because nothing that it
/// says can be believed. Without keys, signatures are not looked at.
#[async_trait]
pub trait RequestQueue: Send + Sync {
    /// Adds a request at the end and returns its entry. Must not be called twice for one request.
    ///
    /// # Errors
    ///
    /// * [`BusError::Unavailable`]: the request was not added. Should it still arrive, it is claimed as cancelled.
    /// * [`BusError::Unanswered`]: the request may have been added, and may run. A
    ///   [`cancel_call`](super::SignalChannel::cancel_call) without an entry withdraws it.
    /// * [`BusError::QueueFull`]: [`super::BusLimits::queue`] entries wait or run. Each process may exceed that bound
    ///   by the calls it has under way, and by 64 more if it saw much room when it last looked.
    async fn enqueue(&self, request: &RequestEnvelope) -> Result<EntryId, BusError>;

    /// Adds a request ([`RequestEnvelope::knock`]) only if nothing waits and nothing runs, in one atomic step. Whoever
    /// starts workers by the length of the queue then sees that one is wanted, and there is never more than one such
    /// entry. Tells for how long the oldest entry has been there: zero only if this is it. May be repeated.
    ///
    /// # Errors
    ///
    /// When the bus is away; the request may have been added.
    async fn knock(&self, request: &RequestEnvelope) -> Result<Duration, BusError>;

    /// How many more requests the queue takes, as far as is known. Cheap: it is answered from memory while the last
    /// look showed room for at least `wanted`. Otherwise the bus is asked once every tenth of a second, by one caller
    /// for all.
    ///
    /// # Errors
    ///
    /// When the bus had to be asked and is away.
    async fn queue_room(&self, wanted: usize) -> Result<usize, BusError>;

    /// How many entries wait and run, for operators. It looks at the bus each time.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn backlog(&self) -> Result<Backlog, BusError>;

    /// When workers were last there; `None` when none is known any more.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn workers_seen(&self) -> Result<Option<WorkersSeen>, BusError>;

    /// Whether an entry waits or runs.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn is_pending(&self, entry: &EntryId) -> Result<bool, BusError>;

    /// Takes up to `max` waiting entries for `worker`, and waits up to `wait` for the first one. To be called by one
    /// task per worker at a time.
    ///
    /// * It ends early when `stop` fires, and loses nothing: entries that were handed out are returned.
    /// * Its future must be driven to its end. Entries that a dropped future claimed stay claimed until their lease
    ///   ends.
    /// * Entries that a failed call was handed are returned by the next call, also after `stop` fired.
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

    /// Starts the leases of running entries anew, and says that this worker's leases last `lease`. To be called before
    /// the first claim, and then with each renewal. Entries that are no longer this worker's are left alone. May be
    /// repeated.
    ///
    /// A worker that ends says so with a lease of zero, last of all: a renewal that arrives later changes nothing. What
    /// it has not handed back then is taken over at the latest when the shortest lease of the others is over.
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

    /// Says that `worker` drains, so that operators see it: it claims nothing more. That holds for `life`, so it is to
    /// be repeated. It changes nothing about its entries.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn tell_draining(&self, worker: &WorkerId, life: Duration) -> Result<(), BusError>;

    /// As [`RequestQueue::renew`], for all entries that were handed out to `worker`, also those in an answer that it
    /// has not received.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn renew_all(&self, worker: &WorkerId, lease: Duration) -> Result<(), BusError>;

    /// Takes up to `max` entries that were not renewed for as long as their owner's leases last. `lease` is `worker`'s
    /// own; it counts for an owner that never said how long its leases last.
    ///
    /// * [`Claim::delivery`] is above 1, unless the entry was handed back before its handler began.
    /// * Entries that a failed call was handed are returned by the next call, with the same delivery.
    /// * One answer has [`super::BusLimits::page_bytes`] at most, or a single entry that is larger: ask again until
    ///   there are none.
    /// * Only time in which the bus answered counts. A few seconds in which no worker called this are taken for an
    ///   outage, so each worker calls it at least once a second for as long as it lives.
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

    /// The time by the clock of the bus, in Unix milliseconds. All deadlines go by this clock, whatever those of the
    /// processes show. It is computed from what the bus told last, so it costs nothing.
    fn now_ms(&self) -> u64;

    /// Gives entries up, so that the next [`RequestQueue::reclaim`] of any worker finds them. With `begun` false the
    /// delivery is not counted, and the claim that it gave is void at once. May be repeated.
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

    /// Ends requests. For each one, in one atomic step, it checks the ownership, logs the last events, publishes them
    /// to the stream's holder, and removes the entry. The answers are in the order of the requests.
    ///
    /// * May be repeated: a final event that was logged is `Ok`.
    /// * [`Refusal::Cancelled`] and [`Refusal::Finished`]: nothing is published, and the entry is removed.
    /// * [`Refusal::LostOwnership`]: the entry is left to its new owner.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn finish(&self, requests: &[Finish]) -> Result<Vec<Result<(), Refusal>>, BusError>;

    /// Notes an entry that cannot be served among the dead letters, with the reason, and removes it.
    ///
    /// * The entry may have been finished before, so that its client does not wait. Then it is only noted.
    /// * An entry that another delivery holds is left alone, and not noted.
    /// * May be repeated: an entry is noted once.
    /// * The newest [`super::BusLimits::dead_letters`] are kept.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn dead_letter(&self, claim: &Claim, reason: &str) -> Result<(), BusError>;
}

/// What the queue holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backlog {
    /// Entries that no worker has claimed.
    pub waiting: u64,
    /// Entries in the hands of workers, also those that were handed back.
    pub running: u64,
    /// How long the oldest of those that wait has waited; zero when none does.
    pub oldest: Duration,
    /// Dead letters that are kept.
    pub dead_letters: u64,
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
    /// Events right before the final one that are not in the log yet, by ascending offset; none without a final event.
    /// A full log takes them all the same: whoever finishes bounds them.
    pub earlier: Vec<StreamEvent>,
    /// Its final event; `None` removes the entry without a word (a cancelled request).
    pub event: Option<StreamEvent>,
    /// What the audit is to have of it ([`super::AuditLog`]); it is kept in the same step, once, and only if this ends
    /// the request: not if another worker owns it or it was ended before.
    pub record: Option<AuditLine>,
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
            request_id: self.request.request_id.clone(),
            era: self.request.era,
        }
    }
}
