//! [`SignalChannel`] in memory.

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{
    BusError, BusLimits, LogState, Mail, NewsReceiver, Ownership, Posted, SignalChannel,
};
use tokio::time::Instant;

use crate::bus::{MemoryBus, lock};
use crate::stored::log::Log;
use crate::stored::partition::{Lease, Partition};

#[async_trait]
impl SignalChannel for MemoryBus {
    async fn cancel_call(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
    ) -> Result<(), BusError> {
        self.cancel_now(stream, entry, era);
        Ok(())
    }

    async fn abandon_call(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
    ) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        let log = partition.logs.get(stream);
        if log.is_none_or(|log| log.task.is_none()) {
            partition.cancel(stream, entry, era, &self.limits);
        }
        Ok(())
    }

    async fn post_mail(
        &self,
        stream: &StreamId,
        session: &SessionId,
        message: &RawJson,
    ) -> Result<Posted, BusError> {
        let mut partition = lock(&self.partition);
        let log = partition.logs.get_mut(stream);
        let Some(log) = log.filter(|log| log.belongs_to(Some(session))) else {
            return Ok(Posted::NoSuchCall);
        };
        let Some(worker) = log.writer().cloned() else {
            return Ok(Posted::NoSuchCall);
        };
        if !log.mailbox.contains(message) {
            if log.mailbox.len() >= self.limits.mailbox {
                return Ok(Posted::Full);
            }
            log.mailbox.push_back(message.clone());
        }
        let wake_up = Signal::new(*stream, SignalKind::Mail);
        partition.signals.publish(&worker, wake_up);
        Ok(Posted::Accepted)
    }

    async fn take_mail(&self, owner: &Ownership, received: u64) -> Result<Mail, BusError> {
        let mut partition = lock(&self.partition);
        let log = partition.logs.get_mut(&owner.stream);
        let log = log.filter(|log| log.is_owned_by(owner));
        let nothing = Mail {
            messages: Vec::new(),
            received,
        };
        Ok(log.map_or(nothing, |log| log.take_mail(received)))
    }

    async fn cancelled_among(&self, streams: &[StreamId]) -> Result<Vec<StreamId>, BusError> {
        let partition = lock(&self.partition);
        let cancelled = |stream: &&StreamId| {
            let log = partition.logs.get(stream);
            log.is_some_and(|log| log.state() == LogState::Cancelled)
        };
        Ok(streams.iter().filter(cancelled).copied().collect())
    }

    async fn signal_news(&self, worker: &WorkerId) -> Result<NewsReceiver<Signal>, BusError> {
        Ok(lock(&self.partition).signals.subscribe(worker))
    }
}

impl MemoryBus {
    /// Marks a call as cancelled, and says whether it did. One that waits for its client ends here: no worker will come
    /// to end it.
    pub(crate) fn cancel_now(&self, stream: &StreamId, entry: Option<&EntryId>, era: Era) -> bool {
        let mut partition = lock(&self.partition);
        let has = partition.cancel(stream, entry, era, &self.limits);
        let log = partition.logs.get_mut(stream).filter(|_| has);
        let task = log.and_then(|log| log.task.as_mut());
        let waited = task.and_then(|task| task.waiting.take());
        if has {
            partition.tell_task(stream);
        }
        if let Some(record) = waited.and_then(|waited| waited.record) {
            self.note_ended(record);
        }
        has
    }
}

impl Partition {
    /// Marks a call as cancelled, and says whether it did: one that is over is left alone.
    pub(crate) fn cancel(
        &mut self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
        limits: &BusLimits,
    ) -> bool {
        let log = self.logs.get(stream);
        if log.is_none_or(|log| log.is_bare_mark() && entry.is_some()) {
            let made = match entry {
                Some(entry) => self.log_of_silent_call(stream, entry),
                None => self.log_of_unknown_call(limits),
            };
            let Some(log) = made else {
                return false;
            };
            self.logs.insert(*stream, log, Some(limits.open_retention));
        }
        // A task that has come back with answers has another entry than the one that is known of it.
        let of_task = self.logs.get(stream).filter(|log| log.task.is_some());
        let of_task = of_task.and_then(|log| log.entry.clone());
        let entry = entry.map(|known| of_task.as_ref().unwrap_or(known));
        let entry_is_gone = entry.is_some_and(|entry| self.request(entry).is_none());
        let Some(log) = self.logs.get_mut(stream) else {
            return false;
        };
        if log.state() != LogState::Open {
            return false;
        }
        let entry_is_gone = entry_is_gone || log.is_asking();
        let (holder, owner) = (log.holder.clone(), log.owner().cloned());
        log.cancel(entry_is_gone, &self.log_counts);
        let event = StreamEvent::cancelled(*stream, log.newest() + 1);
        // The mark must be there when a worker claims the entry, however late that is.
        let kept = self.keep_ended(stream);
        let life = if entry_is_gone {
            kept.unwrap_or_else(|| limits.retention(era))
        } else {
            limits.open_retention.max(kept.unwrap_or_default())
        };
        self.logs.live_for(stream, Some(life));
        if let Some(holder) = holder {
            self.events.publish(&holder, event);
        }
        let worker = match entry {
            Some(entry) => self.leased_to(entry),
            None => owner,
        };
        if let Some(worker) = worker {
            let wake_up = Signal::new(*stream, SignalKind::Cancel);
            self.signals.publish(&worker, wake_up);
        }
        true
    }

    /// The log of a call that has not written yet; `None` when the call is over.
    fn log_of_silent_call(&self, stream: &StreamId, entry: &EntryId) -> Option<Log> {
        let request = self.request(entry);
        let request = request.filter(|request| request.stream == *stream)?;
        let session = request.session.as_ref().map(|session| session.id.clone());
        let mut log = Log::new(Some(request.holder.clone()), session, &self.log_counts);
        log.entry = Some(entry.clone());
        Some(log)
    }

    /// The log of a call when only its stream is known; `None` when there are too many such logs.
    fn log_of_unknown_call(&mut self, limits: &BusLimits) -> Option<Log> {
        let now = Instant::now();
        while self.unknown_marks.front().is_some_and(|ends| *ends <= now) {
            self.unknown_marks.pop_front();
        }
        if self.unknown_marks.len() >= limits.queue {
            return None;
        }
        // A life too long for the clock: the mark is not counted as one that is to end.
        self.unknown_marks
            .extend(now.checked_add(limits.open_retention));
        Some(Log::new(None, None, &self.log_counts))
    }

    fn leased_to(&self, entry: &EntryId) -> Option<WorkerId> {
        let running = self.running(entry)?;
        matches!(running.lease, Lease::Since(_)).then(|| running.worker.clone())
    }
}
