//! [`EventLog`] in memory.

use async_trait::async_trait;
use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::request::Era;
use prynai_bus::{
    Append, Appended, BusError, BusLimits, EventLog, LogPage, LogState, NewsReceiver, Ownership,
    Refusal, TakeOver,
};

use crate::bus::{MemoryBus, lock};
use crate::stored::log::Log;
use crate::stored::partition::Partition;

#[async_trait]
impl EventLog for MemoryBus {
    async fn open_log(
        &self,
        stream: &StreamId,
        holder: &GatewayId,
        session: Option<&SessionId>,
        _era: Era,
    ) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        if partition.logs.get(stream).is_none() {
            let log = Log::new(
                Some(holder.clone()),
                session.cloned(),
                &partition.log_counts,
            );
            let life = Some(self.limits.open_retention);
            partition.logs.insert(*stream, log, life);
        }
        Ok(())
    }

    async fn follow(
        &self,
        stream: &StreamId,
        holder: &GatewayId,
        session: Option<&SessionId>,
    ) -> Result<Option<u64>, BusError> {
        let mut partition = lock(&self.partition);
        let log = partition.logs.get_mut(stream);
        let Some(log) = log.filter(|log| log.belongs_to(session)) else {
            return Ok(None);
        };
        log.holder = Some(holder.clone());
        Ok(Some(log.newest()))
    }

    async fn read_log(
        &self,
        stream: &StreamId,
        session: Option<&SessionId>,
        after: u64,
    ) -> Result<Option<LogPage>, BusError> {
        let partition = lock(&self.partition);
        let log = partition.logs.get(stream);
        Ok(log
            .filter(|log| log.belongs_to(session))
            .map(|log| log.read(after, &self.limits)))
    }

    async fn append_all(&self, appends: &[Append]) -> Result<Vec<Appended>, BusError> {
        let mut partition = lock(&self.partition);
        let answers = appends
            .iter()
            .map(|append| partition.append(append, &self.limits));
        Ok(answers.collect())
    }

    async fn take_over(&self, owner: &Ownership) -> Result<TakeOver, BusError> {
        Ok(lock(&self.partition).take_over(owner, &self.limits))
    }

    async fn release(&self, streams: &[StreamId]) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        for stream in streams {
            let log = partition.logs.get(stream);
            if log.is_some_and(Log::is_releasable) {
                partition.logs.remove(stream);
            }
        }
        Ok(())
    }

    async fn keep_briefly(&self, stream: &StreamId) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        let logs = &mut partition.logs;
        // How long a task can be asked for has been said to its client.
        let can_end = |log: &Log| log.state() == LogState::Finished && log.task.is_none();
        if logs.get(stream).is_some_and(can_end) {
            logs.live_at_most(stream, self.limits.brief_retention);
        }
        Ok(())
    }

    async fn event_news(&self, gateway: &GatewayId) -> Result<NewsReceiver<StreamEvent>, BusError> {
        Ok(lock(&self.partition).events.subscribe(gateway))
    }
}

impl Partition {
    fn append(&mut self, append: &Append, limits: &BusLimits) -> Appended {
        let (owner, events) = (&append.ownership, &append.events);
        let Some(first) = events.first() else {
            return Ok(());
        };
        let log = self.log_for_write(owner, first, limits)?;
        let logged = log.append(events, limits)?;
        if !logged.is_empty() {
            self.publish_written(&owner.stream, logged, limits.open_retention);
        }
        Ok(())
    }

    fn take_over(&mut self, owner: &Ownership, limits: &BusLimits) -> TakeOver {
        let log = self.logs.get(&owner.stream);
        let is_copy = log.is_some_and(|log| log.is_not_of(&owner.entry));
        let refused = match log.map(Log::state) {
            _ if is_copy => Some(Refusal::Finished),
            Some(LogState::Cancelled) => Some(Refusal::Cancelled),
            Some(LogState::Finished) => Some(Refusal::Finished),
            _ if !self.running(&owner.entry).is_some_and(|r| r.is_of(owner)) => {
                Some(Refusal::LostOwnership)
            }
            // A task that came back. What its client was asked and has answered went with its log.
            None if self.running(&owner.entry).is_some_and(|r| r.request.again) => {
                Some(Refusal::Finished)
            }
            _ => None,
        };
        if let Some(refusal) = refused {
            return TakeOver::Refused(refusal);
        }
        if self.logs.get(&owner.stream).is_none() {
            let holder = Some(owner.holder.clone());
            let log = Log::new(holder, owner.session.clone(), &self.log_counts);
            self.logs
                .insert(owner.stream, log, Some(limits.open_retention));
        }
        let Some(log) = self.logs.get_mut(&owner.stream) else {
            return TakeOver::Refused(Refusal::LostOwnership);
        };
        log.own(owner);
        let newest = log.newest();
        let task = log.task.as_ref().map(|task| task.birth.clone());
        // As above.
        if task.is_none() {
            self.logs
                .live_for(&owner.stream, Some(limits.open_retention));
        }
        TakeOver::Taken { newest, task }
    }
}
