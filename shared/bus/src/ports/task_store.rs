//! Calls whose clients need not stay for the answer.

use async_trait::async_trait;

use super::BusError;
use super::event_log::Appended;
use super::ownership::Ownership;
use crate::ids::StreamId;
use crate::wire::task::{Promotion, TaskSight};

/// Calls that have become tasks. A task is a stream whose client comes and goes: its log lives on without a holder, and
/// whoever it belongs to asks what became of it, at any gateway and without a worker.
///
/// A task ends as its call does, with [`super::RequestQueue::finish`]. It can be asked for as long as [`Promotion::ttl`]
/// says, and from its end on as long as [`Promotion::kept`] says, whichever is longer. No gateway releases its log.
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// Makes a task of a call that runs, in one atomic step with the response that names it, which is published to the
    /// holder. From then on
    ///
    /// * nothing more is published, whatever is written;
    /// * the end of a connection or of its gateway cancels nothing ([`super::SignalChannel::abandon_call`]).
    ///
    /// May be repeated. Refused as any write of the owner is: whoever cancelled or took the call over before was first.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn promote(&self, owner: &Ownership, promotion: &Promotion)
    -> Result<Appended, BusError>;

    /// Notes what a task that runs says of itself, in the place of what it said before.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn note_status(&self, owner: &Ownership, message: &str) -> Result<Appended, BusError>;

    /// The task of this name, if it is `principal`'s; `None` for one of another principal as for one that never was,
    /// and once its time is over.
    ///
    /// # Errors
    ///
    /// When the bus is away, or the task is of a newer release.
    async fn task(&self, name: &StreamId, principal: &str) -> Result<Option<TaskSight>, BusError>;
}
