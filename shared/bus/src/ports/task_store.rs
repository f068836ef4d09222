//! Calls whose clients need not stay for the answer.

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;

use super::event_log::Appended;
use super::operations::TaskCounts;
use super::ownership::{Ownership, Refusal};
use super::{BusError, NewsReceiver};
use crate::ids::StreamId;
use crate::wire::event::StreamEvent;
use crate::wire::message::RawJson;
use crate::wire::principal::Share;
use crate::wire::task::{Inputs, Parking, Promotion, TaskNews, TaskSight};

/// What became of answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// They were taken.
    Taken,
    /// None was: the questions and answers of the task would be more than they may.
    TooLarge,
    /// None was: as many tasks of its share work or wait for a worker as the queue has room left.
    Busy,
}

/// What a task keeps on the bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskPart<'a> {
    /// Its request and, while it waits for its client, its questions and what its handler left. In the place of all
    /// that its end, once it has ended.
    Body,
    /// What was said before it became a task.
    Events,
    /// These answers of its client.
    Answers(&'a BTreeMap<String, RawJson>),
}

/// What becomes of tasks from now on.
#[derive(Debug)]
pub struct TaskWatch {
    /// Those that are there and the principal's.
    pub names: Vec<StreamId>,
    /// Each change of these, in order, and a gap where one may have been missed: read the task then. The states that it
    /// had meanwhile are not told any more.
    pub news: NewsReceiver<TaskNews>,
}

/// Calls that have become tasks. A task is a stream whose client comes and goes: its log lives on without a holder, and
/// whoever it belongs to asks what became of it, at any gateway and without a worker.
///
/// A task that asks its client something leaves its worker ([`TaskStore::park`]), and comes to any worker with the
/// answers ([`TaskStore::answer`]). A worker takes it over first, as a redelivered call, although it is a first
/// delivery ([`crate::wire::request::RequestEnvelope::again`]).
///
/// A task ends as its call does, with [`super::RequestQueue::finish`] and what [`TaskStore::at_rest`] makes of its end.
/// It can be asked for as long as [`Promotion::ttl`] says, and from its end on as long as [`Promotion::kept`] says,
/// whichever is longer. No gateway releases its log.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Refuses when there is no room for one more task of a share. That room is kept for nobody: what is begun at the
    /// same time may take it.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`] or [`BusError::TasksFull`]: no room. When the bus is away.
    async fn check_task_room(&self, share: &Share) -> Result<(), BusError>;

    /// Counts a part of a task to the share of its caller ([`super::BusLimits::caller_kept`]) for so long, in the place
    /// of what was counted for this part before. To be done before it is stored: what there is no room for is not.
    ///
    /// # Errors
    ///
    /// [`BusError::ShareFull`]: no room, and nothing has changed. When the bus is away.
    async fn keep(
        &self,
        share: &Share,
        name: &StreamId,
        part: TaskPart<'_>,
        bytes: usize,
        life: Duration,
    ) -> Result<(), BusError>;

    /// Counts a part of a task no longer.
    ///
    /// # Errors
    ///
    /// When the bus is away: then it counts until its life is over.
    async fn forget(
        &self,
        share: &Share,
        name: &StreamId,
        part: TaskPart<'_>,
    ) -> Result<(), BusError>;

    /// Makes a task of a call that runs, in one atomic step with the response that names it, which is published to the
    /// holder. From then on
    ///
    /// * nothing more is published, whatever is written;
    /// * the end of a connection or of its gateway cancels nothing ([`super::SignalChannel::abandon_call`]).
    ///
    /// May be repeated. Refused as any write of the owner is: whoever cancelled or took the call over before was first.
    /// Refused with [`super::Refusal::LogFull`] when there are as many tasks as there may be
    /// ([`super::BusLimits::tasks`], [`super::BusLimits::caller_tasks`]); then the call stays what it is.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn promote(&self, owner: &Ownership, promotion: &Promotion)
    -> Result<Appended, BusError>;

    /// Waits until a task is as durable as the bus is set to make tasks, so that its client may be told of it. `false`
    /// if the task is not there: it was lost before it was durable, or its time is over. May be repeated, and dropped.
    ///
    /// # Errors
    ///
    /// When that is not so within a few seconds, and when too many wait for it: nobody knows whether the task will be
    /// there.
    async fn settle(&self, name: &StreamId) -> Result<bool, BusError>;

    /// The end of a task as it may lie on the bus, for [`super::RequestQueue::finish`]: sealed, if the bus has keys for
    /// that.
    fn at_rest(&self, end: StreamEvent) -> StreamEvent;

    /// Notes what a task that runs says of itself, in the place of what it said before. What it says again is no
    /// change.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError>;

    /// Lets a task wait for its client, and takes its request out of the queue: until its client has answered, it
    /// costs no worker anything. May be repeated.
    ///
    /// Refused as any write of the owner is, and with [`super::Refusal::LogFull`] when the questions and answers of the
    /// task would be more than [`super::BusLimits::task_input`]; then the task goes on.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn park(&self, owner: &Ownership, parking: &Parking) -> Result<Appended, BusError>;

    /// What a task that its owner has just taken over was told so far.
    ///
    /// # Errors
    ///
    /// When the bus is away, or somebody else than a gateway of this fleet wrote an answer.
    async fn inputs(&self, owner: &Ownership) -> Result<Result<Inputs, Refusal>, BusError>;

    /// Takes answers of the client of a task by key, all or none; what answers no open question is ignored. With the
    /// last one that the task waits for, its request is queued again, as an entry of its own, in the same step. May be
    /// repeated. `None` as with [`TaskStore::task`].
    ///
    /// # Errors
    ///
    /// [`BusError::QueueFull`]: nothing was taken. When the bus is away.
    async fn answer(
        &self,
        name: &StreamId,
        principal: &str,
        answers: &BTreeMap<String, RawJson>,
    ) -> Result<Option<Answered>, BusError>;

    /// The task of this name, if it is `principal`'s; `None` for one of another principal as for one that never was,
    /// and once its time is over.
    ///
    /// # Errors
    ///
    /// When the bus is away, or the task is of a newer release or cannot be opened.
    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError>;

    /// How many tasks there are, for operators. It looks at the bus each time.
    ///
    /// # Errors
    ///
    /// When the bus is away, or its user may not count them.
    async fn count_tasks(&self) -> Result<TaskCounts, BusError>;

    /// Listens to those of these tasks that are `principal`'s. Returns once every later change is certain to be heard,
    /// and before that no such task costs anything but for its record: what changes is published in the step that
    /// changes it, to whoever listens.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn watch(&self, names: &[StreamId], principal: &str) -> Result<TaskWatch, BusError>;
}
