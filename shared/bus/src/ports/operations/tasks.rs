//! Tasks, from the moment when a call became one until nobody can ask for it any more.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InvalidId, StreamId, canonical_number};

/// Keys of questions that are told of one task.
pub const MOST_QUESTIONS: usize = 20;

/// Where a task stands among all: oldest first, as far as all are kept for the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TaskPlace {
    /// What the bus orders them by: when each was made, or ends at the latest, Unix milliseconds.
    pub at_ms: u64,
    /// Its name.
    pub stream: StreamId,
}

/// Some tasks.
#[derive(Debug, Clone)]
pub struct TaskPage {
    /// The tasks, each at its place.
    pub tasks: Vec<(TaskPlace, TaskFacts)>,
    /// Where the next page begins; absent when there is none.
    pub next: Option<TaskPlace>,
}

/// A task, without anything that its client or its tool said.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct TaskFacts {
    /// Its name, which is that of its stream.
    pub task: String,
    /// How far it is.
    pub status: TaskStatus,
    /// Its tool, as logs show it.
    pub name: Option<String>,
    /// The subject of the caller to whom it belongs.
    pub principal: Option<String>,
    /// When the call became a task, Unix milliseconds by the clock of the bus.
    pub created_at_ms: Option<u64>,
    /// How long ago that was, in milliseconds.
    pub age_ms: u64,
    /// When it changed last, Unix milliseconds.
    pub changed_at_ms: Option<u64>,
    /// How long ago that was, in milliseconds.
    pub changed_ms_ago: u64,
    /// For how long its client can still ask for it, in milliseconds.
    pub asked_for_ms: u64,
    /// The entry of its call. It is gone when the call has ended, or waits for its client.
    pub entry: Option<String>,
    /// The worker that runs it, or that ended it.
    pub worker: Option<String>,
    /// Under which delivery; it begins anew whenever the client has answered.
    pub delivery: Option<u64>,
    /// How often it has waited for its client.
    pub rounds: u64,
    /// Answers that it waits for.
    pub awaited: u64,
    /// The keys of the questions that it waits for, the first [`MOST_QUESTIONS`]; told only of one task.
    pub questions: Vec<String>,
    /// Bytes of what it says of itself.
    pub message_bytes: u64,
    /// The format in which it was written.
    pub format: Option<u32>,
}

/// How far a task is, in the words of the extension.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskStatus {
    /// It waits for a worker, or runs.
    #[default]
    Working,
    /// It waits for its client.
    InputRequired,
    /// It ended with a result.
    Completed,
    /// It ended with a JSON-RPC error.
    Failed,
    /// It was cancelled.
    Cancelled,
}

/// How many tasks there are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct TaskCounts {
    /// Those that wait for a worker, or run.
    pub working: u64,
    /// Those that wait for their clients.
    pub input_required: u64,
    /// All that can be asked for, with those that have ended.
    pub kept: u64,
}

/// The tasks that are open: those that work, and those that wait for their clients.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpenTasks {
    /// Working ones that no worker has: their clients have answered, and they wait in the queue.
    pub queued: u64,
    /// How long ago the oldest one became a task, in milliseconds.
    pub oldest_ms: Option<u64>,
    /// Whether only the oldest ones were looked at: then more of those that work may wait in the queue.
    pub has_more: bool,
}

/// What lies in a log of the beginning of a task, in whatever release it was written.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Birth {
    v: Option<u32>,
    created_ms: Option<u64>,
    name: Option<String>,
}

impl TaskFacts {
    /// Adds what was known of the task from its first moment on.
    #[must_use]
    pub fn born(self, json: &str, now_ms: u64) -> Self {
        let birth: Birth = serde_json::from_str(json).unwrap_or_default();
        Self {
            format: birth.v,
            name: birth.name,
            age_ms: birth
                .created_ms
                .map_or(0, |created| now_ms.saturating_sub(created)),
            created_at_ms: birth.created_ms,
            ..self
        }
    }
}

impl TaskStatus {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::Working,
        Self::InputRequired,
        Self::Completed,
        Self::Failed,
        Self::Cancelled,
    ];

    /// In the word of the extension.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether nothing follows.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Working | Self::InputRequired)
    }

    /// How a task ended, by its response. Quotes within JSON's texts are escaped, and beside the result or the error a
    /// response has only texts and numbers: the first of the two names that stands there is its own.
    pub fn of_response(response: &str) -> Self {
        match (response.find(r#""result":"#), response.find(r#""error":"#)) {
            (Some(result), Some(error)) if error < result => Self::Failed,
            (None, Some(_)) => Self::Failed,
            _ => Self::Completed,
        }
    }
}

impl fmt::Display for TaskPlace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.at_ms, self.stream)
    }
}

impl FromStr for TaskPlace {
    type Err = InvalidId;

    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let (ends, stream) = text.split_once('-').unwrap_or_default();
        Ok(Self {
            stream: stream.parse()?,
            at_ms: canonical_number(ends).unwrap_or_default(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_task_is_told_by_its_response() {
        for (response, status) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"result":{"error":1}}"#,
                TaskStatus::Completed,
            ),
            (
                r#"{"id":"\"error\":","result":{},"jsonrpc":"2.0"}"#,
                TaskStatus::Completed,
            ),
            (
                r#"{"id":"\"result\":","error":{"data":{"result":1}}}"#,
                TaskStatus::Failed,
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"error":{"code":1}}"#,
                TaskStatus::Failed,
            ),
        ] {
            assert_eq!(TaskStatus::of_response(response), status, "{response}");
        }
    }

    #[test]
    fn a_place_comes_back_as_it_was() {
        let place = TaskPlace {
            at_ms: 1_785_000_000_000,
            stream: StreamId::generate(),
        };
        assert_eq!(place.to_string().parse(), Ok(place));
        for other in ["", "-", "1-", "1-x", "\u{1b}[2J"] {
            assert!(other.parse::<TaskPlace>().is_err(), "{other:?}");
        }
    }

    #[test]
    fn what_another_release_wrote_is_told_as_far_as_it_is_known() {
        let of = |json: &str| TaskFacts::default().born(json, 5_000);
        let newer = of(r#"{"v":9,"created_ms":2000,"name":"echo","colour":"red"}"#);
        assert_eq!((newer.format, newer.age_ms), (Some(9), 3_000));
        assert_eq!(newer.name.as_deref(), Some("echo"));
        let older = of(r#"{"v":1,"created_ms":2000,"poll_ms":1}"#);
        assert_eq!((older.name, older.created_at_ms), (None, Some(2_000)));
        assert_eq!(of("no JSON"), TaskFacts::default());
    }
}
