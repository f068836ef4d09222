//! [`TaskStore`] in memory.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::TaskCounts;
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::task::{
    Inputs, Parking, Promotion, TaskFailure, TaskNews, TaskSight, TaskState,
};
use prynai_bus::{
    Answered, Appended, BusError, BusLimits, LogState, Ownership, Refusal, TaskPart, TaskStore,
    TaskWatch,
};
use tokio::time::Instant;

use crate::bus::{MemoryBus, lock};
use crate::stored::account::Kept;
use crate::stored::log::Log;
use crate::stored::partition::Partition;
use crate::stored::task::Task;

#[async_trait]
impl TaskStore for MemoryBus {
    async fn check_task_room(&self, share: &Share) -> Result<(), BusError> {
        let mut partition = lock(&self.partition);
        partition.task_counts.check_room(share, &self.limits)
    }

    async fn keep(
        &self,
        share: &Share,
        name: &StreamId,
        part: TaskPart<'_>,
        bytes: usize,
        life: Duration,
    ) -> Result<(), BusError> {
        self.count_kept(share, kept(name, part), bytes, Some(life))
    }

    async fn forget(
        &self,
        share: &Share,
        name: &StreamId,
        part: TaskPart<'_>,
    ) -> Result<(), BusError> {
        self.forget_kept(share, &kept(name, part));
        Ok(())
    }

    async fn promote(
        &self,
        owner: &Ownership,
        promotion: &Promotion,
    ) -> Result<Appended, BusError> {
        Ok(lock(&self.partition).promote(owner, promotion, &self.limits))
    }

    async fn settle(&self, name: &StreamId) -> Result<bool, BusError> {
        let partition = lock(&self.partition);
        let log = partition.logs.get(name);
        Ok(log.is_some_and(|log| log.task.is_some()))
    }

    fn at_rest(&self, end: StreamEvent) -> StreamEvent {
        end
    }

    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError> {
        let mut partition = lock(&self.partition);
        let Some(log) = partition.logs.get_mut(&owner.stream) else {
            return Ok(Err(Refusal::LostOwnership));
        };
        let said = log.admit_to_task(owner).map(|task| task.say(message));
        if said == Ok(true) {
            partition.tell_task(&owner.stream);
        }
        Ok(said.map(drop))
    }

    async fn park(&self, owner: &Ownership, parking: &Parking) -> Result<Appended, BusError> {
        Ok(lock(&self.partition).park(owner, parking, &self.limits))
    }

    async fn inputs(&self, owner: &Ownership) -> Result<Result<Inputs, Refusal>, BusError> {
        let mut partition = lock(&self.partition);
        let Some(log) = partition.logs.get_mut(&owner.stream) else {
            return Ok(Err(Refusal::LostOwnership));
        };
        Ok(log.admit_to_task(owner).map(|task| task.inputs()))
    }

    async fn answer(
        &self,
        name: &StreamId,
        principal: &str,
        answers: &BTreeMap<String, RawJson>,
    ) -> Result<Option<Answered>, BusError> {
        let answered = lock(&self.partition).answer(name, principal, answers, &self.limits)?;
        self.work.notify_one();
        Ok(answered)
    }

    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError> {
        let mut partition = lock(&self.partition);
        let is_own = |task: &&Task| task.principal == principal;
        let log = partition.logs.get(name);
        if log
            .and_then(|log| log.task.as_ref())
            .is_none_or(|task| !is_own(&task))
        {
            return Ok(None);
        }
        if let Some(record) = partition.end_overdue(name)? {
            self.note_ended(record);
        }
        let log = partition.logs.get(name);
        Ok(log.and_then(|log| Some(sight(log, log.task.as_ref()?))))
    }

    async fn count_tasks(&self) -> Result<TaskCounts, BusError> {
        Ok(lock(&self.partition).count_tasks())
    }

    async fn watch(&self, names: &[StreamId], principal: &str) -> Result<TaskWatch, BusError> {
        let mut partition = lock(&self.partition);
        let is_own = |name: &&StreamId| {
            let log = partition.logs.get(name);
            let task = log.and_then(|log| log.task.as_ref());
            task.is_some_and(|task| task.principal == principal)
        };
        let names: Vec<_> = names.iter().filter(is_own).copied().collect();
        let news = partition.listeners.add(&names);
        Ok(TaskWatch { names, news })
    }
}

impl Partition {
    /// Tells those who listen to a task what it is now.
    pub(crate) fn tell_task(&mut self, name: &StreamId) {
        if !self.listeners.follows(name) {
            return;
        }
        let log = self.logs.get(name);
        let sight = log.and_then(|log| Some(sight(log, log.task.as_ref()?)));
        let news = TaskNews { name: *name, sight };
        self.listeners.tell(name, &news);
    }

    fn park(&mut self, owner: &Ownership, parking: &Parking, limits: &BusLimits) -> Appended {
        let request = self
            .running(&owner.entry)
            .map(|running| running.request.clone());
        let log = self
            .logs
            .get_mut(&owner.stream)
            .ok_or(Refusal::LostOwnership)?;
        if log.is_parked_by(owner) {
            return Ok(());
        }
        let task = log.admit_to_task(owner)?;
        let request = request.ok_or(Refusal::LostOwnership)?;
        if !task.park(owner, parking, request, limits.task_input) {
            return Err(Refusal::LogFull);
        }
        let due = task.due;
        log.is_locked = true;
        self.asking.extend(due.map(|due| (due, owner.stream)));
        self.remove_entry(&owner.entry, &owner.stream, owner.era, limits);
        self.tell_task(&owner.stream);
        Ok(())
    }

    fn answer(
        &mut self,
        name: &StreamId,
        principal: &str,
        answers: &BTreeMap<String, RawJson>,
        limits: &BusLimits,
    ) -> Result<Option<Answered>, BusError> {
        let room = self.check_room(limits.queue);
        let left_room = limits
            .queue
            .saturating_sub(self.waiting.len() + self.running.len());
        let is_crowded = self.working_with(name) >= left_room;
        let log = self.logs.get_mut(name);
        let is_open = log
            .as_ref()
            .is_some_and(|log| log.state() == LogState::Open);
        let task = log.and_then(|log| log.task.as_mut());
        let Some(task) = task.filter(|task| task.principal == principal) else {
            return Ok(None);
        };
        if !is_open || task.waiting.is_none() {
            return Ok(Some(Answered::Taken));
        }
        let (bytes, taken, left) = task.with(answers);
        if taken == 0 {
            return Ok(Some(Answered::Taken));
        }
        if bytes > limits.task_input {
            return Ok(Some(Answered::TooLarge));
        }
        if left == 0 {
            room?;
            if is_crowded {
                return Ok(Some(Answered::Busy));
            }
        }
        task.take_answers(answers);
        if left == 0
            && let Some(parked) = task.waiting.take()
        {
            if let Some(due) = task.due {
                self.asking.remove(&(due, *name));
            }
            let entry = self.enqueue(RequestEnvelope {
                again: true,
                ..parked.request
            });
            if let Some(log) = self.logs.get_mut(name) {
                log.queued_again(entry);
            }
        }
        self.tell_task(name);
        Ok(Some(Answered::Taken))
    }

    /// How many tasks of the share of this one work or wait for a worker.
    fn working_with(&self, name: &StreamId) -> usize {
        let works = |stream: &&StreamId| {
            let log = self.logs.get(stream);
            log.is_some_and(|log| log.state() == LogState::Open && !log.is_asking())
        };
        self.task_counts.with(name).filter(works).count()
    }

    /// Ends the tasks that have waited for their clients for longer than they may take. Gives their records.
    pub(crate) fn end_all_overdue(&mut self) -> Result<Vec<AuditLine>, BusError> {
        let now = Instant::now();
        let mut records = Vec::new();
        while let Some((_, name)) = self.asking.first().filter(|(due, _)| *due <= now).copied() {
            self.asking.pop_first();
            records.extend(self.end_overdue(&name)?);
        }
        Ok(records)
    }

    /// Ends a task that has waited for its client for longer than it may take. Gives its record.
    fn end_overdue(&mut self, name: &StreamId) -> Result<Option<AuditLine>, BusError> {
        let Some(log) = self.logs.get_mut(name) else {
            return Ok(None);
        };
        let is_open = log.state() == LogState::Open;
        let task = log
            .task
            .as_mut()
            .filter(|task| is_open && task.is_overdue());
        let Some(parked) = task.and_then(|task| task.waiting.take()) else {
            return Ok(None);
        };
        let failure = TaskFailure::Overdue;
        let offset = log.newest() + 1;
        let end = StreamEvent::new(*name, offset, EventKind::Final, failure.response()?);
        // It is open.
        let _ = log.finish(&[], &end);
        self.keep_ended(name);
        self.tell_task(name);
        let record = parked.record;
        let record = record.map(|record| AuditLine::of_failed(record.as_str(), failure.reason()));
        Ok(record.transpose()?)
    }

    fn promote(
        &mut self,
        owner: &Ownership,
        promotion: &Promotion,
        limits: &BusLimits,
    ) -> Appended {
        let event = &promotion.event;
        let room = self.task_counts.check_room(&promotion.share, limits);
        let log = self.log_for_write(owner, event, limits)?;
        if log.task.is_some() {
            return Ok(());
        }
        if log.state() == LogState::Finished {
            return Err(Refusal::Finished);
        }
        if room.is_err() {
            return Err(Refusal::LogFull);
        }
        log.name_task(promotion);
        let holder = log.holder.take();
        let life = promotion.life();
        self.logs.live_for(&owner.stream, Some(life));
        self.task_counts
            .add(owner.stream, promotion.share.clone(), life);
        if let Some(holder) = holder {
            self.events.publish(&holder, event.clone());
        }
        Ok(())
    }
}

fn kept(name: &StreamId, part: TaskPart<'_>) -> Kept {
    let which = match part {
        TaskPart::Body => 0,
        TaskPart::Events => 1,
        TaskPart::Answers(answers) => {
            let mut hasher = DefaultHasher::new();
            for (key, answer) in answers {
                (key, answer.as_str()).hash(&mut hasher);
            }
            hasher.finish()
        }
    };
    Kept::Task(*name, which)
}

fn sight(log: &Log, task: &Task) -> TaskSight {
    let state = match log.state() {
        LogState::Open if log.is_asking() => TaskState::Asking(task.open_questions()),
        LogState::Open => TaskState::Working,
        LogState::Cancelled => TaskState::Cancelled,
        LogState::Finished => log.response().map_or(TaskState::Working, |response| {
            TaskState::Ended(response.clone())
        }),
    };
    let ttl_ms = task.until_ms.saturating_sub(task.birth.created_ms);
    TaskSight {
        entry: log.entry.clone().unwrap_or_else(|| EntryId::from("")),
        birth: task.birth.clone(),
        changed_ms: task.changed_ms,
        ttl: Duration::from_millis(ttl_ms),
        message: task.message.clone(),
        state,
        version: task.version,
    }
}
