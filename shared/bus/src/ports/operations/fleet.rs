//! The fleet as a whole, and its processes.

use serde::Serialize;

use super::{OpenTasks, TaskCounts};

/// Where a fleet is, or is not.
#[derive(Debug, Clone, Serialize)]
pub struct Place {
    /// The bus, without passwords.
    pub bus: String,
    /// What the names of this fleet begin with.
    pub prefix: String,
    /// Whether a server keeps it; without one it lies in the memory of a single process, and ends with it.
    pub has_server: bool,
    /// Whether a gateway or a worker ever used the bus under this prefix.
    pub is_there: bool,
    /// Prefixes of other fleets, if there is none under this one and some were found at a quick look.
    pub others: Vec<String>,
}

/// How much there is of everything.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Overview {
    /// The time by the clock of the bus, Unix milliseconds.
    pub now_ms: u64,
    /// Entries that no worker has claimed.
    pub waiting: u64,
    /// For how long the oldest of them waits, in milliseconds.
    pub oldest_waiting_ms: Option<u64>,
    /// Entries in the hands of workers.
    pub running: u64,
    /// Since when the oldest of them is in the queue, in milliseconds.
    pub oldest_running_ms: Option<u64>,
    /// Entries in nobody's hands, since the bus lost track of them: they are redelivered when their lease ends.
    pub unattributed: u64,
    /// Whether workers can claim: the consumer group exists.
    pub has_group: bool,
    /// Dead letters that are kept.
    pub dead_letters: u64,
    /// Streams with a log and without an end.
    pub unfinished_streams: u64,
    /// Cancelled calls whose entry is, or may still come, in the queue.
    pub cancelled: u64,
    /// Sessions, with some that ended a moment ago.
    pub sessions: u64,
    /// Calls of sessions that wait or run.
    pub session_calls: u64,
    /// Tasks; absent when the user of the bus may not count them.
    pub tasks: Option<TaskCounts>,
    /// More of those that are open; absent as they are.
    pub open_tasks: Option<OpenTasks>,
    /// Whether workers announced what they serve.
    pub has_catalog: bool,
    /// What the server of the bus says of itself; absent when its user may not ask.
    pub server: Option<ServerFacts>,
}

/// What the server of the bus says of itself.
#[derive(Debug, Clone, Default, Serialize)]
pub struct ServerFacts {
    /// Its version.
    pub version: Option<String>,
    /// For how long it runs, in seconds.
    pub uptime_s: Option<u64>,
    /// Memory that it uses, in bytes.
    pub memory_bytes: Option<u64>,
    /// Memory that it may use, in bytes; 0 without a limit.
    pub memory_limit_bytes: Option<u64>,
    /// What it does when that is used up.
    pub eviction: Option<String>,
    /// Its connections.
    pub clients: Option<u64>,
}

/// A worker.
#[derive(Debug, Clone, Default, Serialize)]
pub struct WorkerSight {
    /// Its name.
    pub worker: String,
    /// Whether it lives, as far as the bus knows: it was heard of within its lease, or it has nothing to do and
    /// listens.
    pub is_alive: bool,
    /// Whether it said that it ends: it was stopped in order.
    pub has_stopped: bool,
    /// Whether it claims nothing although it lives, has nothing to do, and requests wait: its process stands still.
    pub is_silent: bool,
    /// Whether it says that it drains: it claims nothing more, and ends when its calls have ended.
    pub is_draining: bool,
    /// Whether it hears cancels and answers of clients. One that does not, and lives, is deaf.
    pub is_listening: bool,
    /// When it was last heard of, in milliseconds.
    pub heard_ms_ago: u64,
    /// How long its claims last without being renewed, in milliseconds; absent when it never said so, or has stopped.
    pub lease_ms: Option<u64>,
    /// Entries in its hands.
    pub running: u64,
    /// Since when the oldest of them is in the queue, in milliseconds.
    pub oldest_ms: Option<u64>,
    /// The oldest of them.
    pub oldest: Option<String>,
}

/// A gateway.
#[derive(Debug, Clone, Serialize)]
pub struct GatewaySight {
    /// Its name.
    pub gateway: String,
    /// Whether it lives: it said so within the last seconds.
    pub is_alive: bool,
    /// Whether it hears what workers publish. One that does not, and lives, is deaf: its clients wait for what it reads
    /// in the log now and then.
    pub is_listening: bool,
    /// Its version; absent when it does not live, or does not tell.
    pub version: Option<String>,
    /// When it last said that it lives, in milliseconds; absent when that was never noted.
    pub heard_ms_ago: Option<u64>,
}
