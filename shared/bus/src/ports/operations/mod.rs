//! What operators see of a fleet, wherever it is shown, and what they change.

use async_trait::async_trait;

use super::BusError;
use crate::ids::{EntryId, StreamId};

mod audit;
mod call;
mod diagnosis;
mod fleet;
mod queue;
mod repairs;
mod sessions;
mod tasks;

pub use audit::{AUDIT_PAGE, AuditFrom, AuditSight};
pub use call::{CallName, CallSight, EventSight, LogSight};
pub use diagnosis::{Diagnosis, Orphan, Persistence};
pub use fleet::{GatewaySight, Overview, Place, ServerFacts, WorkerSight};
pub use queue::{DeadSight, EntryPage, EntrySight, Lease, Shelf};
pub use repairs::{Letter, Repairs, Replay, Replayed, queued_again};
pub use sessions::{SessionPage, SessionSight};
pub use tasks::{
    MOST_QUESTIONS, OpenTasks, TaskCounts, TaskFacts, TaskPage, TaskPlace, TaskStatus,
};

/// What operators see of a fleet. Gateways and workers do not use it.
///
/// * Looking changes nothing, and no step waits for a process of the fleet. What two steps tell may belong to two
///   moments.
/// * Every step reads a bounded page, and holds up the bus for a few milliseconds at most. None reads a whole message:
///   what a client or a tool said is only measured, unless [`Operations::events`] is asked for it.
/// * Text is given as it lies on the bus, cut to a few hundred bytes. It may come from a client, and may hold anything:
///   whoever shows it makes it harmless. Only the name of a tool, a prompt or a resource is given as
///   [`shown::name`](crate::shown::name) writes it: a URI may hold a secret.
/// * What a newer release wrote is told as far as its fields are known, with its format.
///
/// # Errors
///
/// Of all methods: when the bus is away, or its user may not look.
#[async_trait]
pub trait Operations: Send + Sync {
    /// Whether there is a fleet, and where.
    async fn place(&self) -> Result<Place, BusError>;

    /// How much there is of everything.
    async fn overview(&self) -> Result<Overview, BusError>;

    /// What only a closer look finds, at the first hundred claims and open streams.
    async fn diagnosis(&self) -> Result<Diagnosis, BusError>;

    /// All workers that took part within the last hour, by name; the first thousand.
    async fn workers(&self) -> Result<Vec<WorkerSight>, BusError>;

    /// All gateways that lived within the last day, the newest sign of life first; the first thousand.
    async fn gateways(&self) -> Result<Vec<GatewaySight>, BusError>;

    /// A page of entries: those of the queue oldest first, dead letters newest first. It begins after `after`, or at
    /// the begin of the shelf. With `of`, only the entry or the entries of the stream of that name are told, and a page
    /// may be empty although there are more.
    async fn entries(
        &self,
        shelf: Shelf,
        after: Option<&EntryId>,
        of: Option<&CallName>,
    ) -> Result<EntryPage, BusError>;

    /// A page of sessions, in no order. `after` is [`SessionPage::next`] of the page before, 0 before the first. A
    /// session may be told twice, and a page may be empty although there are more.
    async fn sessions(&self, after: u64) -> Result<SessionPage, BusError>;

    /// A page of tasks that can be asked for, in the order of their places. It begins after `after`, or with the first.
    /// A page may be empty although there are more.
    async fn tasks(&self, after: Option<&TaskPlace>) -> Result<TaskPage, BusError>;

    /// What a task said of itself last, as text of its tool; `None` when there is no such task, or it said nothing.
    async fn task_message(&self, task: &StreamId) -> Result<Option<String>, BusError>;

    /// A page of the audit, oldest record first. [`AuditFrom::After`] tells [`AUDIT_PAGE`] records or more, or all;
    /// calls that ended together may share an entry, which is never told in part.
    async fn audit(&self, from: AuditFrom<'_>) -> Result<Vec<AuditSight>, BusError>;

    /// All that is known of a call; `None` when nothing is. What was removed leaves no trace: an ended call is known
    /// for as long as its log is kept.
    async fn call(&self, name: &CallName) -> Result<Option<CallSight>, BusError>;

    /// A page of the events in a call's log after an offset. With `messages` the text of those that are not large comes
    /// with them.
    async fn events(
        &self,
        stream: &StreamId,
        after: u64,
        messages: bool,
    ) -> Result<Vec<EventSight>, BusError>;
}
