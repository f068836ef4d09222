//! A task: a call whose client need not stay for its answer (extension `io.modelcontextprotocol/tasks`).

use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::event::StreamEvent;
use super::message::RawJson;
use super::{FORMAT, WireError, check_format};
use crate::ids::{EntryId, StreamId};

/// The name of the extension.
pub const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What is known of a task from its first moment on, as it lies in its log.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskBirth {
    /// The format.
    pub v: u32,
    /// When it was made, in Unix milliseconds by the clock of the bus.
    pub created_ms: u64,
    /// How often its client should ask, in milliseconds.
    pub poll_ms: u64,
}

/// A call that becomes a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Whose it is ([`super::principal::Principal::subject`]).
    pub principal: String,
    /// What is known of the task from now on.
    pub birth: TaskBirth,
    /// How long the task can be asked for from now on.
    pub ttl: Duration,
    /// How long it can be asked for from its end on, if that is longer.
    pub kept: Duration,
    /// The response to the client, which names the task: the next event of the stream.
    pub event: StreamEvent,
}

/// What there is to say of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskSight {
    /// The entry of its call; it is gone when the call has ended.
    pub entry: EntryId,
    /// What has been known of it from its first moment on.
    pub birth: TaskBirth,
    /// When it changed last, in Unix milliseconds by the clock of the bus.
    pub changed_ms: u64,
    /// For how long it can be asked for, from its birth on.
    pub ttl: Duration,
    /// What it said of itself last.
    pub message: Option<String>,
    /// How far it is.
    pub state: TaskState,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for a worker, or runs.
    Working,
    /// It has ended: the JSON-RPC response to the call.
    Ended(RawJson),
    /// It was cancelled.
    Cancelled,
}

/// A task as clients see it (ext-tasks, draft, `Task`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    result_type: &'a str,
    task_id: String,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<&'a str>,
    created_at: String,
    last_updated_at: String,
    ttl_ms: u64,
    poll_interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a RawValue>,
}

/// What of a response is shown.
#[derive(Deserialize)]
struct Response<'a> {
    #[serde(borrow)]
    result: Option<&'a RawValue>,
    #[serde(borrow)]
    error: Option<&'a RawValue>,
}

impl TaskSight {
    /// A task that was made just now.
    pub fn of(promotion: &Promotion, entry: EntryId) -> Self {
        Self {
            entry,
            changed_ms: promotion.birth.created_ms,
            ttl: promotion.ttl,
            message: None,
            state: TaskState::Working,
            birth: promotion.birth.clone(),
        }
    }

    /// The result that answers the call with the task (`CreateTaskResult`).
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn created(&self, name: &StreamId) -> Result<RawJson, WireError> {
        self.result("task", name)
    }

    /// The result of `tasks/get` (`GetTaskResult`).
    ///
    /// # Errors
    ///
    /// When the response to the call is none.
    pub fn detailed(&self, name: &StreamId) -> Result<RawJson, WireError> {
        self.result("complete", name)
    }

    fn result(&self, result_type: &str, name: &StreamId) -> Result<RawJson, WireError> {
        let response: Option<Response<'_>> = match &self.state {
            TaskState::Ended(response) => Some(response.read()?),
            TaskState::Working | TaskState::Cancelled => None,
        };
        let (result, error) =
            response.map_or((None, None), |response| (response.result, response.error));
        let status = match &self.state {
            TaskState::Working => "working",
            TaskState::Cancelled => "cancelled",
            // A tool that reports an error has completed.
            TaskState::Ended(_) if error.is_some() => "failed",
            TaskState::Ended(_) => "completed",
        };
        Ok(RawJson::from_value(&Shown {
            result_type,
            task_id: name.to_string(),
            status,
            status_message: self.message.as_deref(),
            created_at: time(self.birth.created_ms),
            last_updated_at: time(self.changed_ms),
            ttl_ms: millis(self.ttl),
            poll_interval_ms: self.birth.poll_ms,
            result,
            error,
        })?)
    }
}

/// A time as ISO 8601 has it.
fn time(ms: u64) -> String {
    let time = UNIX_EPOCH + Duration::from_millis(ms.min(super::audit::LATEST_MS));
    humantime::format_rfc3339_millis(time).to_string()
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl TaskBirth {
    /// A task that is made now.
    pub fn new(created_ms: u64, poll: Duration) -> Self {
        Self {
            v: FORMAT,
            created_ms,
            poll_ms: millis(poll),
        }
    }

    /// As it lies on the bus.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, WireError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads what [`TaskBirth::to_json`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When it is none, or of a newer format.
    pub fn from_json(json: &str) -> Result<Self, WireError> {
        let birth: Self = serde_json::from_str(json)?;
        check_format(birth.v)?;
        Ok(birth)
    }
}
