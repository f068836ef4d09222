//! The ports between gateways and workers.
//!
//! Each port is a small trait whose documentation is its contract: what is atomic, what is ordered, what survives, what
//! the caller must serialise. [`Bus`] is only their sum. Two implementations pass one contract suite
//! (`tests/contract/bus`): `MemoryBus` and `RedisBus`.
//!
//! For all methods:
//!
//! * They may be called from many tasks at once.
//! * After [`BusError::Unavailable`] the step may or may not have taken effect. It may be tried again, and then ends as
//!   if it had been done once. There are four exceptions:
//!   * a change that is published again is heard again, which does no harm;
//!   * tokens that are taken again may be taken twice;
//!   * a message that was taken from its mailbox can be posted again, which does no harm;
//!   * [`RequestQueue::enqueue`] must not be repeated: its errors say what became of the request.
//! * After [`BusError::Refused`] the step has not taken effect.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::mpsc;

mod audit_log;
mod catalog;
mod change_feed;
mod downstream_tokens;
mod event_log;
mod liveness;
mod once_store;
pub mod operations;
mod outcome_store;
mod outlet;
mod ownership;
mod rate_limiter;
mod request_queue;
mod session_store;
mod signal_channel;
mod state_store;
mod task_store;

pub use audit_log::AuditLog;
pub use catalog::Catalog;
pub use change_feed::{ChangeFeed, ChangePage, FeedPosition, InvalidPosition, PositionedChange};
pub use downstream_tokens::{DownstreamToken, DownstreamTokens};
pub use event_log::{Append, Appended, EventLog, LogPage, LogState, TakeOver};
pub use liveness::Liveness;
pub use once_store::OnceStore;
pub use outcome_store::{KeyState, KeyUse, OutcomeStore};
pub use outlet::{Outlet, Watchers};
pub use ownership::{Ownership, Refusal};
pub use rate_limiter::{Bucket, RateLimiter, Taken};
pub use request_queue::{Backlog, Claim, Finish, RequestQueue, WorkersSeen};
pub use session_store::{EndedSession, SessionStore};
pub use signal_channel::{Mail, Posted, SignalChannel};
pub use state_store::{StateScope, StateStore};
pub use task_store::{Answered, TaskPart, TaskStore, TaskWatch};

use crate::wire::WireError;
use crate::wire::request::Era;

/// Everything gateways and workers share.
#[async_trait]
pub trait Bus:
    RequestQueue
    + EventLog
    + SignalChannel
    + Liveness
    + SessionStore
    + ChangeFeed
    + Catalog
    + StateStore
    + OutcomeStore
    + AuditLog
    + RateLimiter
    + OnceStore
    + DownstreamTokens
    + TaskStore
{
    /// Checks that the bus takes writes, and that every subscription opened through it still hears what is published. A
    /// probe that takes the way of all publications finds that out.
    ///
    /// # Errors
    ///
    /// [`BusError::Unavailable`] or [`BusError::Deaf`], within a second.
    async fn health(&self) -> Result<(), BusError>;

    /// The same bus with connections of its own, for the runtime that calls this. What blocks another runtime does not
    /// block them.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn apart(self: Arc<Self>) -> Result<Arc<dyn Bus>, BusError>;
}

/// Why the bus did not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    /// The other side cannot be reached now; the caller may try again.
    #[error("the bus cannot be reached: {0}")]
    Unavailable(String),
    /// The other side was asked and did not answer, and could not be asked what it did. Only [`RequestQueue::enqueue`]
    /// fails so.
    #[error("nobody knows whether the bus did it: {0}")]
    Unanswered(String),
    /// The other side cannot be used as it is set up, and waiting changes nothing. Only the first attempt to connect
    /// fails so.
    #[error("Redis cannot be used as it is set up: {0}")]
    Unusable(String),
    /// The other side answered that it does not do this now, because its memory is full for example. Nothing was
    /// changed, and the caller may try again.
    #[error("the bus refuses this for now: {0}")]
    Refused(String),
    /// Commands work, but a subscription hears nothing.
    #[error("nothing that is published arrives at the subscription to {0}")]
    Deaf(String),
    /// The request queue holds as much as it may.
    #[error("the request queue is full ({limit} requests wait or run)")]
    QueueFull {
        /// The bound.
        limit: usize,
    },
    /// A bound of stored data was reached.
    #[error("{what} is full (at most {limit})")]
    Full {
        /// What is full.
        what: &'static str,
        /// The bound.
        limit: usize,
    },
    /// The caller has as much with the fleet as one caller may. Nothing was stored.
    #[error(transparent)]
    ShareFull(#[from] ShareFull),
    /// There are as many tasks as there may be ([`BusLimits::tasks`]).
    #[error(
        "this server has {limit} tasks, as many as it may; try again when results of others have expired"
    )]
    TasksFull {
        /// The bound.
        limit: usize,
    },
    /// The session that something was to be stored in has ended.
    #[error("the session has ended")]
    SessionEnded,
    /// Something read from the bus is not of our making or of a newer release.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// The bus answered something it never should.
    #[error("the bus answered unexpectedly: {0}")]
    Unexpected(String),
}

/// What a caller has as much of as one caller may, and what it can do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ShareFull {
    /// [`BusLimits::caller_sessions`].
    #[error(
        "you have {limit} sessions, as many as one caller may; end those you do not need (DELETE), or wait until \
         unused ones have ended"
    )]
    Sessions {
        /// The bound.
        limit: usize,
    },
    /// [`BusLimits::caller_kept`].
    #[error(
        "{limit} bytes are kept for you, as many as one caller may have in sessions, tasks, results under idempotency \
         keys and values of tools; end sessions, use fewer keys, or wait until older ones have expired"
    )]
    Kept {
        /// The bound.
        limit: usize,
    },
    /// [`BusLimits::caller_tasks`].
    #[error(
        "you have {limit} tasks, as many as one caller may; they count until their results have expired"
    )]
    Tasks {
        /// The bound.
        limit: usize,
    },
}

impl BusError {
    /// Whether the bus is away or refuses for now, so that trying again may help.
    pub fn is_passing(&self) -> bool {
        matches!(self, Self::Unavailable(_) | Self::Refused(_))
    }
}

/// What a subscription hands on, in the order of publication.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News<T> {
    /// Something was published.
    Item(T),
    /// Something may have been missed (first message of every subscription, and again after
    /// every reconnect): look at the stored state of all that you follow.
    Gap,
}

/// The receiving end of a subscription. Dropping it ends the subscription.
pub type NewsReceiver<T> = mpsc::Receiver<News<T>>;

/// Bounds and lifetimes of what a bus stores; the same for every implementation.
#[derive(Debug, Clone)]
pub struct BusLimits {
    /// Requests that wait or run at the same time.
    pub queue: usize,
    /// Events in one stream's log. Those that come with the end of the stream ([`Finish`]) are not counted.
    pub log_events: usize,
    /// Bytes of them.
    pub log_bytes: usize,
    /// Events that one look into a log reads.
    pub page_events: usize,
    /// Bytes of what one answer brings: events, claims that are recovered or taken over, messages of a mailbox. A first
    /// one that is larger comes alone.
    pub page_bytes: usize,
    /// Messages of the client in one call's mailbox.
    pub mailbox: usize,
    /// Entries the change feed keeps.
    pub feed: usize,
    /// Resource subscriptions of one session.
    pub session_subscriptions: usize,
    /// Calls of one session that run at the same time.
    pub session_calls: usize,
    /// Sessions of one share ([`crate::wire::principal::Share`]).
    pub caller_sessions: usize,
    /// Bytes kept for one share in sessions, tasks, outcomes and values, with about what each costs besides.
    pub caller_kept: usize,
    /// How long the log of a finished legacy stream can be resumed.
    pub legacy_retention: Duration,
    /// How long it can be resumed when its caller has as many bytes in logs as one caller may.
    pub brief_retention: Duration,
    /// How long the log of a finished modern stream is kept if its gateway does not release it, which it does at once
    /// as a rule.
    pub modern_retention: Duration,
    /// How long the log of an unfinished stream outlives its last event.
    pub open_retention: Duration,
    /// Tasks that can be asked for.
    pub tasks: usize,
    /// Those of one share.
    pub caller_tasks: usize,
    /// Bytes of the questions of a task and the answers to them.
    pub task_input: usize,
    /// How long a task may have neither a worker nor an entry until it counts as lost.
    pub entry_missed: Duration,
    /// How long a session outlives its last use.
    pub session_idle: Duration,
    /// Dead letters kept; the oldest make room.
    pub dead_letters: usize,
    /// Records of the audit kept at least, and eight times as many at most; the oldest make room. Zero: there is no
    /// audit.
    pub audit: usize,
}

impl BusLimits {
    /// How long a log outlives the end of its stream.
    pub fn retention(&self, era: Era) -> Duration {
        match era {
            Era::Legacy => self.legacy_retention,
            Era::Modern => self.modern_retention,
        }
    }
}

impl Default for BusLimits {
    fn default() -> Self {
        Self {
            queue: 100_000,
            log_events: 10_000,
            log_bytes: 64 * 1024 * 1024,
            page_events: 256,
            page_bytes: 64 * 1024,
            mailbox: 64,
            feed: 10_000,
            session_subscriptions: 250,
            session_calls: 1_000,
            caller_sessions: 10_000,
            caller_kept: 64 * 1024 * 1024,
            legacy_retention: Duration::from_secs(300),
            brief_retention: Duration::from_secs(10),
            modern_retention: Duration::from_secs(60),
            open_retention: Duration::from_secs(24 * 3600),
            tasks: 100_000,
            caller_tasks: 10_000,
            task_input: 256 * 1024,
            entry_missed: Duration::from_secs(10),
            session_idle: Duration::from_secs(3600),
            dead_letters: 10_000,
            audit: 5_000,
        }
    }
}
