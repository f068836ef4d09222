//! Queue entries and stream logs. They change together, so one lock guards both.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use prynai_bus::ids::{EntryId, GatewayId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{CallRef, Era, RequestEnvelope};
use prynai_bus::wire::signal::Signal;
use prynai_bus::wire::task::TaskNews;
use prynai_bus::{Backlog, BusLimits, Claim, LogState, Ownership, Refusal, Watchers};
use tokio::time::Instant;

use crate::stored::expiry::ExpiringMap;
use crate::stored::log::{Log, LogCounts};
use crate::stored::news::Topics;
use crate::stored::task::{Task, TaskCounts};

/// How long a worker is remembered after it was heard of.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Everything about the requests under way.
#[derive(Default)]
pub(crate) struct Partition {
    newest_entry: u64,
    /// By ascending number: entries join at the back and leave at the front only.
    pub(crate) waiting: VecDeque<Waiting>,
    /// The lease table.
    pub(crate) running: BTreeMap<u64, Running>,
    /// Those that took part within the last hour; a process has one worker.
    pub(crate) workers: BTreeMap<WorkerId, WorkerSeen>,
    /// The entries that are calls of sessions, by number.
    calls: HashMap<SessionId, BTreeMap<u64, SessionCall>>,
    /// How many there are of them.
    pub(crate) call_count: u64,
    pub(crate) logs: ExpiringMap<StreamId, Log>,
    pub(crate) task_counts: TaskCounts,
    /// The tasks that wait for their clients, by when they have waited for as long as they may.
    pub(crate) asking: BTreeSet<(Instant, StreamId)>,
    pub(crate) log_counts: LogCounts,
    /// When the marks of calls that nobody may ever bring end, in that order.
    pub(crate) unknown_marks: VecDeque<Instant>,
    newest_letter: u64,
    /// By ascending number.
    pub(crate) dead_letters: VecDeque<StoredLetter>,
    pub(crate) events: Topics<GatewayId, StreamEvent>,
    /// Who listens to tasks.
    pub(crate) listeners: Watchers<StreamId, TaskNews>,
    pub(crate) signals: Topics<WorkerId, Signal>,
}

/// What is known of a worker.
pub(crate) struct WorkerSeen {
    /// When it last claimed or renewed.
    pub(crate) heard: Instant,
    /// How long its leases last.
    pub(crate) lease: Option<Duration>,
    /// Until when it counts as draining.
    pub(crate) drains_until: Option<Instant>,
}

/// An entry that no worker has claimed.
pub(crate) struct Waiting {
    pub(crate) number: u64,
    pub(crate) entry: EntryId,
    pub(crate) since: Instant,
    pub(crate) request: RequestEnvelope,
}

/// A call of a session.
struct SessionCall {
    /// As text, so that `1` and `"1"` differ.
    request_id: RawJson,
    call: CallRef,
}

/// An entry in the hands of a worker.
pub(crate) struct Running {
    pub(crate) entry: EntryId,
    /// Since when it is in the queue.
    pub(crate) since: Instant,
    pub(crate) request: RequestEnvelope,
    pub(crate) worker: WorkerId,
    pub(crate) delivery: u32,
    pub(crate) lease: Lease,
}

/// A dead letter as it is kept.
pub(crate) struct StoredLetter {
    pub(crate) number: u64,
    pub(crate) noted: Instant,
    pub(crate) letter: DeadLetter,
}

/// How long an entry stays its worker's.
pub(crate) enum Lease {
    /// It was claimed or renewed then.
    Since(Instant),
    /// Given up.
    HandedBack,
}

/// An entry that could not be served.
#[derive(Debug, Clone, PartialEq)]
pub struct DeadLetter {
    /// The entry as it was last claimed.
    pub claim: Claim,
    /// Why it could not be served.
    pub reason: String,
}

// === impl Partition ===

impl Partition {
    pub(crate) fn enqueue(&mut self, request: RequestEnvelope) -> EntryId {
        self.newest_entry += 1;
        let entry = named(self.newest_entry);
        self.waiting.push_back(Waiting {
            number: self.newest_entry,
            entry: entry.clone(),
            since: Instant::now(),
            request,
        });
        entry
    }

    /// Adds a request that its session finds by its request id.
    pub(crate) fn enqueue_call(
        &mut self,
        request: RequestEnvelope,
        session: SessionId,
        request_id: RawJson,
    ) -> EntryId {
        let stream = request.stream;
        let entry = self.enqueue(request);
        let call = CallRef {
            stream,
            entry: entry.clone(),
        };
        let call = SessionCall { request_id, call };
        let calls = self.calls.entry(session).or_default();
        calls.insert(self.newest_entry, call);
        self.call_count += 1;
        entry
    }

    /// How many calls of a session wait or run.
    pub(crate) fn count_calls(&self, session: &SessionId) -> usize {
        self.calls.get(session).map_or(0, BTreeMap::len)
    }

    /// The calls of a session; those of this request id, if one is given.
    pub(crate) fn calls(&self, session: &SessionId, request_id: Option<&RawJson>) -> Vec<CallRef> {
        let calls = self
            .calls
            .get(session)
            .into_iter()
            .flat_map(BTreeMap::values);
        let wanted = calls.filter(|call| request_id.is_none_or(|id| call.request_id == *id));
        wanted.map(|call| call.call.clone()).collect()
    }

    fn forget_call(&mut self, number: u64, session: &SessionId) {
        if let Some(calls) = self.calls.get_mut(session) {
            self.call_count -= u64::from(calls.remove(&number).is_some());
            if calls.is_empty() {
                self.calls.remove(session);
            }
        }
    }

    pub(crate) fn claim(&mut self, worker: &WorkerId, max: usize) -> Vec<Claim> {
        let claimed = max.min(self.waiting.len());
        let now = Instant::now();
        let mut claims = Vec::with_capacity(claimed);
        for waiting in self.waiting.drain(..claimed) {
            let running = Running {
                entry: waiting.entry,
                since: waiting.since,
                request: waiting.request,
                worker: worker.clone(),
                delivery: 1,
                lease: Lease::Since(now),
            };
            claims.push(running.claim(&self.logs));
            self.running.insert(waiting.number, running);
        }
        claims
    }

    pub(crate) fn reclaim(&mut self, worker: &WorkerId, lease: Duration, max: usize) -> Vec<Claim> {
        let now = Instant::now();
        let mut claims = Vec::new();
        let workers = &self.workers;
        let expired = self.running.values_mut().filter(|running| {
            let owner = workers.get(&running.worker);
            let of_owner = owner.and_then(|owner| owner.lease).unwrap_or(lease);
            running.lease.ended(now, of_owner)
        });
        for running in expired.take(max) {
            running.delivery = running.delivery.saturating_add(1);
            running.worker = worker.clone();
            running.lease = Lease::Since(now);
            claims.push(running.claim(&self.logs));
        }
        claims
    }

    /// Changes those of `entries` that are `worker`'s and not given up.
    pub(crate) fn change_leased(
        &mut self,
        worker: &WorkerId,
        entries: &[EntryId],
        mut change: impl FnMut(&mut Running),
    ) {
        for entry in entries {
            let running = number(entry).and_then(|n| self.running.get_mut(&n));
            if let Some(running) = running
                && running.worker == *worker
                && matches!(running.lease, Lease::Since(_))
            {
                change(running);
            }
        }
    }

    pub(crate) fn running(&self, entry: &EntryId) -> Option<&Running> {
        self.running.get(&number(entry)?)
    }

    /// The request of an entry, waiting or running.
    pub(crate) fn request(&self, entry: &EntryId) -> Option<&RequestEnvelope> {
        let number = number(entry)?;
        if let Some(running) = self.running.get(&number) {
            return Some(&running.request);
        }
        let index = self.waiting.binary_search_by_key(&number, |w| w.number);
        self.waiting.get(index.ok()?).map(|w| &w.request)
    }

    /// Removes a running entry, if it is still there. The log of a cancelled call was kept for its sake and now begins
    /// to expire.
    pub(crate) fn remove_entry(
        &mut self,
        entry: &EntryId,
        stream: &StreamId,
        era: Era,
        limits: &BusLimits,
    ) {
        if let Some(number) = number(entry)
            && let Some(removed) = self.running.remove(&number)
            && let Some(session) = &removed.request.session
        {
            self.forget_call(number, &session.id);
        }
        let log = self.logs.get_mut(stream);
        let log = log.filter(|log| log.state() == LogState::Cancelled && !log.is_not_of(entry));
        if let Some(log) = log {
            log.see_mark();
            let life = log.task.as_ref().map(Task::time_left);
            let life = life.unwrap_or_else(|| limits.retention(era));
            self.logs.live_for(stream, Some(life));
        }
    }

    /// The log that `owner` is about to write `first` to, made if it may be.
    pub(crate) fn log_for_write(
        &mut self,
        owner: &Ownership,
        first: &StreamEvent,
        limits: &BusLimits,
    ) -> Result<&mut Log, Refusal> {
        if self.logs.get(&owner.stream).is_none() {
            // Offset 1 is what makes a log. An entry that is gone had its log before, and a log is
            // never made twice.
            let may_begin =
                owner.delivery == 1 && first.offset == 1 && self.running(&owner.entry).is_some();
            if !may_begin {
                return Err(Refusal::LostOwnership);
            }
            let holder = Some(owner.holder.clone());
            let log = Log::new(holder, owner.session.clone(), &self.log_counts);
            self.logs
                .insert(owner.stream, log, Some(limits.open_retention));
        }
        let log = self.logs.get_mut(&owner.stream);
        let log = log.ok_or(Refusal::LostOwnership)?;
        log.admit(owner)?;
        Ok(log)
    }

    /// Publishes what was logged, unless nobody waits for it because the call has become a task, and lets the log live
    /// on.
    pub(crate) fn publish_written<'a>(
        &mut self,
        stream: &StreamId,
        logged: impl IntoIterator<Item = &'a StreamEvent>,
        life: Duration,
    ) {
        let Some(log) = self.logs.get_mut(stream) else {
            return;
        };
        if log.task.is_some() {
            if log.state() == LogState::Finished {
                self.keep_ended(stream);
                self.tell_task(stream);
            }
            return;
        }
        if let Some(holder) = log.holder.clone() {
            for event in logged {
                self.events.publish(&holder, event.clone());
            }
        }
        self.logs.live_for(stream, Some(life));
    }

    /// A task ends: its log is kept for as long as it can be asked for, and then it makes room for others. Says for how
    /// long that is.
    pub(crate) fn keep_ended(&mut self, name: &StreamId) -> Option<Duration> {
        let task = self.logs.get_mut(name)?.task.as_mut()?;
        let (life, due) = (task.end(), task.due);
        if let Some(due) = due {
            self.asking.remove(&(due, *name));
        }
        self.logs.live_for(name, Some(life));
        self.task_counts.end(*name, life);
        Some(life)
    }

    /// Notes a dead entry, once.
    pub(crate) fn note_dead(&mut self, claim: Claim, reason: &str, limits: &BusLimits) {
        let is_it = |noted: &StoredLetter| noted.letter.claim.entry == claim.entry;
        if self.dead_letters.iter().any(is_it) {
            return;
        }
        let letter = DeadLetter {
            claim,
            reason: reason.to_owned(),
        };
        self.newest_letter += 1;
        self.dead_letters.push_back(StoredLetter {
            number: self.newest_letter,
            noted: Instant::now(),
            letter,
        });
        if self.dead_letters.len() > limits.dead_letters {
            self.dead_letters.pop_front();
        }
    }

    pub(crate) fn backlog(&self) -> Backlog {
        let oldest = self.waiting.front().map(|waiting| waiting.since.elapsed());
        Backlog {
            waiting: self.waiting.len() as u64,
            running: self.running.len() as u64,
            oldest: oldest.unwrap_or_default(),
            dead_letters: self.dead_letters.len() as u64,
        }
    }

    /// Since when the oldest entry is in the queue, whether it waits or runs.
    pub(crate) fn oldest(&self) -> Option<Instant> {
        // What was queued first is claimed first.
        let running = self.running.values().next().map(|running| running.since);
        running.or_else(|| self.waiting.front().map(|waiting| waiting.since))
    }

    pub(crate) fn dead_letters(&self) -> Vec<DeadLetter> {
        let letters = self.dead_letters.iter();
        letters.map(|stored| stored.letter.clone()).collect()
    }

    /// Whether a worker said that it ends.
    pub(crate) fn has_stopped(&self, worker: &WorkerId) -> bool {
        self.workers
            .get(worker)
            .is_some_and(WorkerSeen::has_stopped)
    }

    /// Notes that a worker took part, and its lease if it says one.
    pub(crate) fn hear_of(&mut self, worker: &WorkerId, lease: Option<Duration>) {
        let heard = Instant::now();
        if let Some(seen) = self.workers.get_mut(worker) {
            seen.heard = heard;
            if !seen.has_stopped() {
                seen.lease = lease.or(seen.lease);
            }
            return;
        }
        let running = &self.running;
        self.workers.retain(|worker, seen| {
            seen.heard.elapsed() < REMEMBERED || running.values().any(|r| r.worker == *worker)
        });
        let seen = WorkerSeen {
            heard,
            lease,
            drains_until: None,
        };
        self.workers.insert(worker.clone(), seen);
    }
}

/// The name of an entry or a letter, in the form that names have on Redis: operators write both the same way.
pub(crate) fn named(number: u64) -> EntryId {
    EntryId::from(format!("{number}-0").as_str())
}

pub(crate) fn number(entry: &EntryId) -> Option<u64> {
    entry.as_str().strip_suffix("-0")?.parse().ok()
}

// === impl WorkerSeen, Running, Lease ===

impl WorkerSeen {
    /// It said, by a lease of zero, that it ends.
    pub(crate) fn has_stopped(&self) -> bool {
        self.lease == Some(Duration::ZERO)
    }
}

impl Running {
    fn claim(&self, logs: &ExpiringMap<StreamId, Log>) -> Claim {
        let log = logs.get(&self.request.stream);
        Claim {
            entry: self.entry.clone(),
            delivery: self.delivery,
            cancelled: log.is_some_and(|log| log.state() == LogState::Cancelled),
            request: self.request.clone(),
        }
    }

    /// Whether this delivery is the one that `owner` speaks of.
    pub(crate) fn is_of(&self, owner: &Ownership) -> bool {
        self.worker == owner.worker && self.delivery == owner.delivery
    }
}

impl Lease {
    fn ended(&self, now: Instant, lease: Duration) -> bool {
        match self {
            Self::Since(start) => now.duration_since(*start) >= lease,
            Self::HandedBack => true,
        }
    }
}
