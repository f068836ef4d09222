//! A task: a call whose client need not stay for its answer (extension `io.modelcontextprotocol/tasks`).

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::time::{Duration, UNIX_EPOCH};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

use super::audit::AuditLine;
use super::event::StreamEvent;
use super::message::RawJson;
use super::principal::Share;
use super::{FORMAT, WireError, check_format, json_rpc};
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
    /// Its tool, as it is shown; for operators.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// How long a task that has not ended is kept at least beyond its time: as long as its request may still begin, and as
/// its lease may last. A request whose log is gone would begin anew.
const SPARE: Duration = Duration::from_secs(25 * 3600);

/// How long the log of a task is kept while it has not ended, if it can be asked for `ttl` long, and `kept` from its
/// end on.
pub fn life(ttl: Duration, kept: Duration) -> Duration {
    ttl.saturating_add(spare(kept))
}

fn spare(kept: Duration) -> Duration {
    kept.max(SPARE)
}

/// A call that becomes a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Promotion {
    /// Whose it is ([`super::principal::Principal::subject`]).
    pub principal: String,
    /// To whose tasks it counts.
    pub share: Share,
    /// What is known of the task from now on.
    pub birth: TaskBirth,
    /// How long the task can be asked for from now on.
    pub ttl: Duration,
    /// How long it can be asked for from its end on, if that is longer.
    pub kept: Duration,
    /// The response to the client, which names the task: the next event of the stream.
    pub event: StreamEvent,
}

/// What a task asks its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// What the client names it by: no two questions of a task have the same.
    pub key: String,
    /// What the handler names it by.
    pub name: String,
    /// The request to the client.
    pub request: RawJson,
}

/// A task that begins to wait for its client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Parking {
    /// What it asks; something.
    pub questions: Vec<Question>,
    /// What its handler left for the time when it is entered again.
    pub left: Option<String>,
    /// What the audit is to have of it if it is cancelled while it waits.
    pub record: Option<AuditLine>,
}

/// What a task has been told.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inputs {
    /// How often it has waited.
    pub round: u32,
    /// What its handler left.
    pub left: Option<String>,
    /// The answers to all questions so far, in the order in which these were asked.
    pub answers: Vec<Answer>,
}

/// What the client answered to a question of a task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// What the client names the question by.
    pub key: String,
    /// What the handler names it by.
    pub name: String,
    /// The answer.
    pub answer: RawJson,
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
    /// How often it has changed.
    pub version: u64,
}

/// A task has changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TaskNews {
    /// Which one.
    pub name: StreamId,
    /// What it is now; without it there is too much to say: look.
    pub sight: Option<TaskSight>,
}

/// How far a task is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TaskState {
    /// It waits for a worker, or runs.
    Working,
    /// It waits for answers of its client to these requests, by key.
    Asking(BTreeMap<String, RawJson>),
    /// It has ended: the JSON-RPC response to the call.
    Ended(RawJson),
    /// It was cancelled.
    Cancelled,
}

/// Why a task ends that no worker ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TaskFailure {
    /// It has waited for its client for longer than a task may take.
    Overdue,
    /// Its entry is gone, and no worker has it.
    Lost,
}

/// A task as clients see it (ext-tasks, draft, `Task`).
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Shown<'a> {
    #[serde(rename = "_meta", skip_serializing_if = "Option::is_none")]
    meta: Option<&'a RawValue>,
    #[serde(skip_serializing_if = "Option::is_none")]
    result_type: Option<&'a str>,
    task_id: String,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    status_message: Option<&'a str>,
    created_at: String,
    last_updated_at: String,
    ttl_ms: u64,
    poll_interval_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    input_requests: Option<&'a BTreeMap<String, RawJson>>,
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

/// An error of JSON-RPC, as far as it is for people.
#[derive(Deserialize)]
struct Failure<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
}

impl Promotion {
    /// How long the log of the task outlives [`Promotion::ttl`] while the task has not ended.
    pub fn spare(&self) -> Duration {
        spare(self.kept)
    }

    /// How long the log of the task is kept while it has not ended.
    pub fn life(&self) -> Duration {
        life(self.ttl, self.kept)
    }
}

impl TaskFailure {
    const ALL: [Self; 2] = [Self::Overdue, Self::Lost];

    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Overdue => "overdue",
            Self::Lost => "lost",
        }
    }

    /// The one that is written so.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.as_str() == name)
    }

    /// The same for programs, as the response has it.
    pub fn reason(self) -> &'static str {
        match self {
            Self::Overdue => "deadline",
            Self::Lost => "task_lost",
        }
    }

    /// The response to the call. It has no request id, which is not known any more, and which a task does not show.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn response(self) -> Result<RawJson, WireError> {
        let message = match self {
            Self::Overdue => {
                "the task waited for its client for longer than a task may take; the outcome is unknown: it may or may \
                 not have taken effect before it asked"
            }
            Self::Lost => {
                "the request of this task was lost, and no worker has it; the outcome is unknown: it may or may not \
                 have taken effect"
            }
        };
        let error = serde_json::json!({
            "code": json_rpc::code::INTERNAL_ERROR,
            "message": message,
            "data": {"reason": self.reason(), "outcome": "unknown"},
        });
        Ok(RawJson::parse(json_rpc::error(None, error))?)
    }
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
            version: 0,
        }
    }

    /// The result that answers the call with the task (`CreateTaskResult`).
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn created(&self, name: &StreamId) -> Result<RawJson, WireError> {
        self.shown(Some("task"), None, name)
    }

    /// The result of `tasks/get` (`GetTaskResult`).
    ///
    /// # Errors
    ///
    /// When the response to the call is none.
    pub fn detailed(&self, name: &StreamId) -> Result<RawJson, WireError> {
        self.shown(Some("complete"), None, name)
    }

    /// The `params` of `notifications/tasks`, with this `_meta`.
    ///
    /// # Errors
    ///
    /// As [`TaskSight::detailed`].
    pub fn told(&self, name: &StreamId, meta: Option<&RawValue>) -> Result<RawJson, WireError> {
        self.shown(None, meta, name)
    }

    /// Whether it stays as it is.
    pub fn has_ended(&self) -> bool {
        matches!(self.state, TaskState::Ended(_) | TaskState::Cancelled)
    }

    fn shown(
        &self,
        result_type: Option<&str>,
        meta: Option<&RawValue>,
        name: &StreamId,
    ) -> Result<RawJson, WireError> {
        let is_whole = result_type != Some("task");
        let response: Option<Response<'_>> = match &self.state {
            TaskState::Ended(response) => Some(response.read()?),
            TaskState::Working | TaskState::Asking(_) | TaskState::Cancelled => None,
        };
        let (result, error) =
            response.map_or((None, None), |response| (response.result, response.error));
        // Says why it failed, where nothing else is said (ext-tasks, draft, Task Execution Errors).
        let failure: Option<Failure<'_>> =
            error.and_then(|error| serde_json::from_str(error.get()).ok());
        let failure = failure.as_ref().map(|failure| failure.message.as_ref());
        let status = match &self.state {
            TaskState::Working => "working",
            TaskState::Asking(_) => "input_required",
            TaskState::Cancelled => "cancelled",
            // A tool that reports an error has completed.
            TaskState::Ended(_) if error.is_some() => "failed",
            TaskState::Ended(_) => "completed",
        };
        let input_requests = match &self.state {
            TaskState::Asking(requests) if is_whole => Some(requests),
            _ => None,
        };
        Ok(RawJson::from_value(&Shown {
            meta,
            result_type,
            task_id: name.to_string(),
            status,
            status_message: failure.or(self.message.as_deref()),
            created_at: time(self.birth.created_ms),
            last_updated_at: time(self.changed_ms),
            ttl_ms: millis(self.ttl),
            poll_interval_ms: self.birth.poll_ms,
            input_requests,
            result: result.filter(|_| is_whole),
            error: error.filter(|_| is_whole),
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
            name: None,
        }
    }

    /// The same, of a tool.
    #[must_use]
    pub fn of_tool(self, name: Option<String>) -> Self {
        Self { name, ..self }
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

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const NAME: &str = "0198c5f2a7b47c3e9d10b2f4c6e8a012";

    fn shown(state: TaskState) -> (Value, Value) {
        let task = TaskSight {
            entry: EntryId::from("1-1"),
            birth: TaskBirth::new(1_785_000_000_000, Duration::from_secs(2)),
            changed_ms: 1_785_000_001_500,
            ttl: Duration::from_secs(60),
            message: Some("half".to_owned()),
            state,
            version: 3,
        };
        let name: StreamId = NAME.parse().expect("a name");
        let [created, detailed, mut told] = [
            task.created(&name),
            task.detailed(&name),
            task.told(&name, None),
        ]
        .map(|shown| shown.expect("is shown").read::<Value>().expect("JSON"));
        // Whoever listens hears what whoever asks is told.
        assert!(told.get("resultType").is_none(), "{told}");
        told["resultType"] = json!("complete");
        assert_eq!(told, detailed);
        (created, detailed)
    }

    fn expected(status: &str) -> Value {
        json!({
            "resultType": "complete",
            "taskId": NAME,
            "status": status,
            "statusMessage": "half",
            "createdAt": "2026-07-25T17:20:00.000Z",
            "lastUpdatedAt": "2026-07-25T17:20:01.500Z",
            "ttlMs": 60_000,
            "pollIntervalMs": 2_000,
        })
    }

    fn raw(text: &str) -> RawJson {
        RawJson::parse(text).expect("JSON")
    }

    #[test]
    fn a_task_is_shown_in_each_of_its_states() {
        let (created, working) = shown(TaskState::Working);
        assert_eq!(working, expected("working"));
        let mut named = expected("working");
        named["resultType"] = json!("task");
        assert_eq!(created, named);
        assert_eq!(shown(TaskState::Cancelled).1, expected("cancelled"));

        let asked = BTreeMap::from([("name".to_owned(), raw(r#"{"method":"roots/list"}"#))]);
        let (created, asking) = shown(TaskState::Asking(asked));
        let mut waiting = expected("input_required");
        waiting["inputRequests"] = json!({ "name": { "method": "roots/list" } });
        assert_eq!(asking, waiting);
        assert!(created.get("inputRequests").is_none(), "{created}");

        // An error of a tool is a result.
        let response = raw(r#"{"jsonrpc":"2.0","id":1,"result":{"isError":true,"content":[]}}"#);
        let (created, ended) = shown(TaskState::Ended(response));
        let mut completed = expected("completed");
        completed["result"] = json!({ "isError": true, "content": [] });
        assert_eq!(ended, completed);
        assert!(created.get("result").is_none(), "{created}");

        let response = raw(r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32603,"message":"no"}}"#);
        let mut failed = expected("failed");
        failed["error"] = json!({ "code": -32603, "message": "no" });
        failed["statusMessage"] = json!("no");
        assert_eq!(shown(TaskState::Ended(response)).1, failed);
    }
}
