//! [`SignalChannel`] in memory.

use async_trait::async_trait;

use super::log::{Log, retention};
use super::partition::{Lease, Partition};
use super::{MemoryBus, lock};
use crate::bus::{BusError, BusLimits, LogState, NewsReceiver, Ownership, Posted, SignalChannel};
use crate::ids::{EntryId, SessionId, StreamId, WorkerId};
use crate::wire::FORMAT;
use crate::wire::event::StreamEvent;
use crate::wire::message::RawJson;
use crate::wire::request::{CallRef, Era};
use crate::wire::signal::{Signal, SignalKind};

#[async_trait]
impl SignalChannel for MemoryBus {
    async fn cancel_call(&self, call: &CallRef, era: Era) -> Result<(), BusError> {
        lock(&self.partition).cancel(call, era, &self.limits);
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
        if log.mailbox.len() >= self.limits.mailbox {
            return Ok(Posted::Full);
        }
        log.mailbox.push(message.clone());
        let wake_up = signal(*stream, SignalKind::Mail);
        partition.signals.publish(&worker, wake_up);
        Ok(Posted::Accepted)
    }

    async fn take_mail(&self, owner: &Ownership) -> Result<Vec<RawJson>, BusError> {
        let mut partition = lock(&self.partition);
        let log = partition.logs.get_mut(&owner.stream);
        let log = log.filter(|log| log.is_owned_by(owner));
        Ok(log.map_or_else(Vec::new, |log| std::mem::take(&mut log.mailbox)))
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

impl Partition {
    fn cancel(&mut self, call: &CallRef, era: Era, limits: &BusLimits) {
        if !self.make_log_to_mark(call, limits) {
            return;
        }
        let Some(log) = self.logs.get_mut(&call.stream) else {
            return;
        };
        if log.state() != LogState::Open {
            return;
        }
        log.end(LogState::Cancelled);
        let holder = log.holder.clone();
        let event = StreamEvent::cancelled(call.stream, log.newest() + 1);
        // The mark must be there when a worker claims the entry, however late that is.
        let life = match self.request(&call.entry) {
            Some(_) => limits.open_retention,
            None => retention(limits, era),
        };
        self.logs.live_for(&call.stream, Some(life));
        self.events.publish(&holder, event);
        self.wake(&call.entry, signal(call.stream, SignalKind::Cancel));
    }

    /// Makes the log of a call that has not written yet; `false` when the call is over.
    fn make_log_to_mark(&mut self, call: &CallRef, limits: &BusLimits) -> bool {
        if self.logs.get(&call.stream).is_some() {
            return true;
        }
        let request = self.request(&call.entry);
        let Some(request) = request.filter(|request| request.stream == call.stream) else {
            return false;
        };
        let session = request.session.as_ref().map(|session| session.id.clone());
        let log = Log::new(request.holder.clone(), session);
        self.logs
            .insert(call.stream, log, Some(limits.open_retention));
        true
    }

    fn wake(&mut self, entry: &EntryId, signal: Signal) {
        let running = self.running(entry);
        let leased = running.filter(|running| matches!(running.lease, Lease::Since(_)));
        if let Some(worker) = leased.map(|running| running.worker.clone()) {
            self.signals.publish(&worker, signal);
        }
    }
}

fn signal(stream: StreamId, kind: SignalKind) -> Signal {
    Signal {
        v: FORMAT,
        stream,
        kind,
    }
}
