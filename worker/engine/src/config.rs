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
    /// Where the worker says whether it takes requests.
    pub health: WorkerHealth,
}
