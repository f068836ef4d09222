//! What a worker is told by the process that it runs in.

use std::time::Duration;

use prynai_bus::ids::WorkerId;

use crate::handler::ask::request_state::RequestStateKeys;
use crate::health::WorkerHealth;

/// What [`crate::serve()`] needs to know, whatever the process has it from.
#[derive(Debug, Clone)]
pub struct WorkerConfig {
    /// The name under which requests are claimed; a new one for every process.
    pub id: WorkerId,
    /// Requests that run at the same time.
    pub concurrency: usize,
    /// How long the worker may be silent before others take over its requests.
    pub lease: Duration,
    /// How often a request is begun at most.
    pub max_attempts: u32,
    /// How long the outcome of a call with an idempotency key is kept.
    pub idempotency_window: Duration,
    /// Bytes of the largest message to a client.
    pub max_result: usize,
    /// Bytes of events that the bus holds for one caller because of this worker: so many of calls that run, and as
    /// many of those that have ended and can still be resumed.
    pub caller_kept: usize,
    /// Sign what modern clients carry from one question to the next.
    pub state_keys: RequestStateKeys,
    /// When calls become tasks, and how long these may take.
    pub tasks: TaskTerms,
    /// Where the worker says whether it takes requests.
    pub health: WorkerHealth,
}

/// When calls become tasks, and how long these may take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TaskTerms {
    /// How long a call has run when it becomes a task, if its tool does not say otherwise and its client takes one;
    /// `None`: it does not.
    pub after: Option<Duration>,
    /// How long a task may take from its birth on.
    pub timeout: Duration,
    /// How long a task can be asked for once it has ended.
    pub kept: Duration,
    /// How often a client is to ask.
    pub poll: Duration,
}

impl Default for TaskTerms {
    fn default() -> Self {
        let day = Duration::from_secs(24 * 3600);
        Self {
            after: Some(Duration::from_secs(20)),
            timeout: day,
            kept: day,
            poll: Duration::from_secs(2),
        }
    }
}
