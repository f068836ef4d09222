//! [`RequestQueue`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, WorkerId};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{Backlog, BusError, BusLimits, Claim, Finish, Refusal, RequestQueue, WorkersSeen};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::bus::{MemoryBus, lock};
use crate::stored::partition::{Lease, Partition};

#[async_trait]
impl RequestQueue for MemoryBus {
    async fn enqueue(&self, request: &RequestEnvelope) -> Result<EntryId, BusError> {
        let request = request.clone();
        let mut partition = lock(&self.partition);
        partition.check_room(self.limits.queue)?;
        let entry = partition.enqueue(request);
        drop(partition);
        self.work.notify_one();
        Ok(entry)
    }

    async fn knock(&self, request: &RequestEnvelope) -> Result<Duration, BusError> {
        let mut partition = lock(&self.partition);
        if let Some(since) = partition.oldest() {
            return Ok(since.elapsed().max(Duration::from_millis(1)));
        }
        partition.enqueue(request.clone());
        drop(partition);
        self.work.notify_one();
        Ok(Duration::ZERO)
    }

    async fn queue_room(&self, _wanted: usize) -> Result<usize, BusError> {
        let partition = lock(&self.partition);
        let taken = partition.waiting.len() + partition.running.len();
        Ok(self.limits.queue.saturating_sub(taken))
    }

    async fn backlog(&self) -> Result<Backlog, BusError> {
        Ok(lock(&self.partition).backlog())
    }

    async fn workers_seen(&self) -> Result<Option<WorkersSeen>, BusError> {
        let partition = lock(&self.partition);
        let workers = || partition.workers.values();
        let heard = workers().map(|worker| worker.heard.elapsed()).min();
        let lease = workers().filter_map(|worker| worker.lease).max();
        let lease = lease.unwrap_or_default();
        Ok(heard.map(|heard| WorkersSeen {
            heard,
            absent: heard.saturating_sub(lease),
        }))
    }

    async fn is_pending(&self, entry: &EntryId) -> Result<bool, BusError> {
        Ok(lock(&self.partition).request(entry).is_some())
    }

    async fn claim(
        &self,
        worker: &WorkerId,
        max: usize,
        wait: Duration,
        stop: &CancellationToken,
    ) -> Result<Vec<Claim>, BusError> {
        let mut timeout = std::pin::pin!(tokio::time::sleep(wait));
        loop {
            // A claim that is stopped takes nothing, but passes on the wake-up that it may have
            // used up.
            let stopped = stop.is_cancelled();
            let claims = self.claim_now(worker, if stopped { 0 } else { max });
            if stopped || max == 0 || !claims.is_empty() {
                return Ok(claims);
            }
            tokio::select! {
                () = self.work.notified() => {}
                () = stop.cancelled() => {}
                () = &mut timeout => return Ok(claims),
            }
        }
    }

    async fn renew(
        &self,
        worker: &WorkerId,
        lease: Duration,
        entries: &[EntryId],
    ) -> Result<(), BusError> {
        let now = Instant::now();
        let mut partition = lock(&self.partition);
        partition.hear_of(worker, Some(lease));
        // What comes late from one that said that it ends.
        if partition.has_stopped(worker) && !lease.is_zero() {
            return Ok(());
        }
        partition.change_leased(worker, entries, |running| running.lease = Lease::Since(now));
        Ok(())
    }

    async fn tell_draining(&self, worker: &WorkerId, life: Duration) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        if let Some(seen) = partition.workers.get_mut(worker) {
            seen.drains_until = Some(Instant::now() + life);
        }
        Ok(())
    }

    async fn renew_all(&self, worker: &WorkerId, lease: Duration) -> Result<(), BusError> {
        let entries: Vec<EntryId> = {
            let partition = lock(&self.partition);
            let own = partition.running.values().filter(|r| r.worker == *worker);
            own.map(|running| running.entry.clone()).collect()
        };
        self.renew(worker, lease, &entries).await
    }

    async fn reclaim(
        &self,
        worker: &WorkerId,
        lease: Duration,
        max: usize,
    ) -> Result<Vec<Claim>, BusError> {
        let mut partition = lock(&self.partition);
        for record in partition.end_all_overdue()? {
            self.note_ended(record);
        }
        Ok(partition.reclaim(worker, lease, max))
    }

    fn now_ms(&self) -> u64 {
        self.unix_ms()
    }

    async fn hand_back(
        &self,
        worker: &WorkerId,
        entries: &[EntryId],
        begun: bool,
    ) -> Result<(), BusError> {
        lock(&self.partition).change_leased(worker, entries, |running| {
            running.lease = Lease::HandedBack;
            if !begun {
                running.delivery = running.delivery.saturating_sub(1);
            }
        });
        Ok(())
    }

    async fn finish(&self, requests: &[Finish]) -> Result<Vec<Result<(), Refusal>>, BusError> {
        let mut partition = lock(&self.partition);
        let finish = |request: &Finish| {
            let is_there = partition.running(&request.ownership.entry).is_some();
            let answer = partition.finish(request, &self.limits);
            let ends_now = is_there && matches!(answer, Ok(()) | Err(Refusal::Cancelled));
            if let (true, Some(record)) = (ends_now, &request.record) {
                lock(&self.audit).add(record.clone(), self.unix_ms());
            }
            answer
        };
        Ok(requests.iter().map(finish).collect())
    }

    async fn dead_letter(&self, claim: &Claim, reason: &str) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        let current = partition.running(&claim.entry);
        if current.is_none_or(|running| running.delivery == claim.delivery) {
            partition.note_dead(claim.clone(), reason, &self.limits);
            let request = &claim.request;
            partition.remove_entry(&claim.entry, &request.stream, request.era, &self.limits);
        }
        Ok(())
    }
}

impl MemoryBus {
    fn claim_now(&self, worker: &WorkerId, max: usize) -> Vec<Claim> {
        let mut partition = lock(&self.partition);
        let claims = partition.claim(worker, max);
        partition.hear_of(worker, None);
        if !partition.waiting.is_empty() {
            self.work.notify_one();
        }
        claims
    }
}

impl Partition {
    /// Whether there is room for one more request.
    pub(crate) fn check_room(&self, limit: usize) -> Result<(), BusError> {
        match self.waiting.len() + self.running.len() >= limit {
            true => Err(BusError::QueueFull { limit }),
            false => Ok(()),
        }
    }

    fn finish(&mut self, request: &Finish, limits: &BusLimits) -> Result<(), Refusal> {
        let answer = self.log_final_event(request, limits);
        if answer != Err(Refusal::LostOwnership) {
            let owner = &request.ownership;
            self.remove_entry(&owner.entry, &owner.stream, owner.era, limits);
        }
        answer
    }

    fn log_final_event(&mut self, request: &Finish, limits: &BusLimits) -> Result<(), Refusal> {
        let owner = &request.ownership;
        let Some(event) = &request.event else {
            let another = self.running(&owner.entry).is_some_and(|r| !r.is_of(owner));
            let log = self.logs.get(&owner.stream);
            return if another {
                Err(Refusal::LostOwnership)
            } else if log.is_some_and(|log| log.is_not_of(&owner.entry)) {
                Err(Refusal::Finished)
            } else {
                Ok(())
            };
        };
        let first = request.earlier.first().unwrap_or(event);
        let log = self.log_for_write(owner, first, limits)?;
        if let Some(earlier) = log.finish(&request.earlier, event)? {
            let logged = earlier.iter().chain([event]);
            self.publish_written(&owner.stream, logged, limits.retention(owner.era));
        }
        Ok(())
    }
}
