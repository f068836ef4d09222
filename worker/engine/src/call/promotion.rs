//! When a call becomes a task, and what it says of itself then (extension `io.modelcontextprotocol/tasks`).

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prynai_bus::wire::catalog::TaskUse;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::task::{Promotion, TASKS, TaskBirth, TaskSight};
use prynai_bus::{Claim, shown};
use rmcp::ErrorData;
use rmcp::model::ErrorCode;
use serde::Deserialize;
use serde_json::json;
use tokio::time::Instant;

use crate::call::messages::response;
use crate::config::TaskTerms;

/// A client lacks a capability that the request needs (2026-07-28, Errors).
const MISSING_CAPABILITY: i32 = -32021;

/// What a task says of itself is written this often at most.
const STATUS_PAUSE: Duration = Duration::from_secs(1);

/// Bytes of what it says.
const MOST_OF_STATUS: usize = 1024;

/// What a client says of the times of its task, in `_meta`. Its gateway has refused other forms.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Asked {
    #[serde(rename = "ai.prynai/taskTimeoutMs")]
    timeout: Option<u64>,
    #[serde(rename = "ai.prynai/taskTtlMs")]
    kept: Option<u64>,
}

/// Whether and when a call becomes a task.
pub(crate) struct Promoting {
    terms: TaskTerms,
    /// What has been known of the task from its first moment on, once there is one.
    birth: Option<TaskBirth>,
    /// The same for those who only need to know whether there is one.
    has_birth: Arc<AtomicBool>,
    /// Its client takes a task in place of the answer.
    is_taken: bool,
    /// When it becomes one.
    due: Option<Instant>,
    /// What it says of itself and the bus does not know yet.
    said: Option<String>,
    /// What the bus knows.
    noted: Option<String>,
    /// When that may be written.
    may_say: Instant,
}

impl Promoting {
    /// For a call that begins now; `birth` if it is a task from an earlier attempt on.
    ///
    /// # Errors
    ///
    /// When its tool serves no client that takes no tasks.
    pub(crate) fn new(
        envelope: &RequestEnvelope,
        used: TaskUse,
        terms: TaskTerms,
        birth: Option<TaskBirth>,
    ) -> Result<Self, ErrorData> {
        let after = match used {
            TaskUse::Required if !envelope.takes_task && birth.is_none() => return Err(required()),
            TaskUse::Never => None,
            TaskUse::AfterATime | TaskUse::Other => terms.after,
            TaskUse::Always | TaskUse::Required => Some(Duration::ZERO),
        };
        let is_taken = envelope.takes_task && birth.is_none();
        let after = after.filter(|_| is_taken);
        let now = Instant::now();
        Ok(Self {
            terms,
            has_birth: Arc::new(AtomicBool::new(birth.is_some())),
            birth,
            is_taken,
            due: after.and_then(|after| now.checked_add(after)),
            said: None,
            noted: None,
            may_say: now,
        })
    }

    /// Whether the call is a task.
    pub(crate) fn is_task(&self) -> bool {
        self.birth.is_some()
    }

    /// What says whether the call is a task, also later.
    pub(crate) fn task_flag(&self) -> Arc<AtomicBool> {
        Arc::clone(&self.has_birth)
    }

    /// Whether the call can become a task.
    pub(crate) fn may_become_task(&self) -> bool {
        self.is_taken && !self.is_task()
    }

    /// Whether the call is to be a task before its handler says anything.
    pub(crate) fn begins_as_task(&self) -> bool {
        self.may_become_task() && self.due.is_some_and(|due| due <= Instant::now())
    }

    /// Waits until the call shall become a task.
    pub(crate) async fn due(&self) {
        until(self.due.filter(|_| !self.is_task())).await;
    }

    /// It is about to become a task, with the times that its client asked for: a plain call is not read for that.
    pub(crate) fn shorten(&mut self, envelope: &RequestEnvelope) {
        self.terms = shortened(self.terms, envelope);
    }

    /// The task that it becomes now, and the response that names it, at `offset`.
    pub(crate) fn promotion(
        &self,
        claim: &Claim,
        id: &RawJson,
        offset: u64,
        now_ms: u64,
    ) -> Option<Promotion> {
        let (request, terms) = (&claim.request, &self.terms);
        let name = request.name.as_deref();
        let name = name.map(|name| shown::name(&request.method, name).into_owned());
        let mut promotion = Promotion {
            principal: request.principal.subject.clone(),
            share: request.principal.share(),
            birth: TaskBirth::new(now_ms, terms.poll).of_tool(name),
            ttl: terms.timeout,
            kept: terms.kept,
            event: StreamEvent::new(request.stream, offset, EventKind::Task, id.clone()),
        };
        let created = TaskSight::of(&promotion, claim.entry.clone());
        let result = created.created(&request.stream).ok()?;
        promotion.event.message = Some(response::result(id, result).ok()?);
        Some(promotion)
    }

    /// It has become a task: nobody waits, and it has the time of a task. Says until when.
    pub(crate) fn promoted(&mut self, birth: TaskBirth) -> Option<Instant> {
        self.birth = Some(birth);
        self.has_birth.store(true, Ordering::Relaxed);
        Instant::now().checked_add(self.terms.timeout)
    }

    /// It shall not become one after all.
    pub(crate) fn given_up(&mut self) {
        self.due = None;
        self.is_taken = false;
    }

    /// Notes what the handler says: of progress the newest, of anything else nothing.
    pub(crate) fn hear(&mut self, message: &RawJson) {
        if let Some(said) = status(message) {
            self.said = (self.noted.as_ref() != Some(&said)).then_some(said);
        }
    }

    /// Waits until there is something to write of what it says.
    pub(crate) async fn has_news(&self) {
        until(self.said.as_ref().map(|_| self.may_say)).await;
    }

    /// What is to be written of what it says.
    pub(crate) fn news(&mut self) -> Option<String> {
        self.may_say = Instant::now() + STATUS_PAUSE;
        self.noted.clone_from(&self.said);
        self.said.take()
    }
}

/// The times of a task, and no longer ones than its client asks for.
pub(crate) fn shortened(terms: TaskTerms, envelope: &RequestEnvelope) -> TaskTerms {
    #[derive(Deserialize)]
    struct Message {
        params: Params,
    }
    #[derive(Deserialize)]
    struct Params {
        #[serde(rename = "_meta", default)]
        meta: Asked,
    }
    let asked = envelope.message.read::<Message>();
    let Asked { timeout, kept } = asked.map(|asked| asked.params.meta).unwrap_or_default();
    let at_most = |most: Duration, asked: Option<u64>| {
        asked.map_or(most, |asked| most.min(Duration::from_millis(asked)))
    };
    TaskTerms {
        timeout: at_most(terms.timeout, timeout),
        kept: at_most(terms.kept, kept),
        ..terms
    }
}

/// What a progress notification says to a person.
fn status(message: &RawJson) -> Option<String> {
    #[derive(Deserialize)]
    struct Notification {
        method: String,
        params: Progress,
    }
    #[derive(Deserialize)]
    struct Progress {
        progress: f64,
        total: Option<f64>,
        message: Option<String>,
    }
    let said: Notification = message.read().ok()?;
    if said.method != "notifications/progress" {
        return None;
    }
    let Progress {
        progress,
        total,
        message,
    } = said.params;
    let text = message.unwrap_or_else(|| match total {
        Some(total) => format!("{progress} of {total}"),
        None => progress.to_string(),
    });
    Some(shown::visible(&text, MOST_OF_STATUS).into_owned())
}

fn required() -> ErrorData {
    ErrorData::new(
        ErrorCode(MISSING_CAPABILITY),
        "this tool answers with a task; declare the extension io.modelcontextprotocol/tasks",
        Some(json!({"requiredCapabilities": {"extensions": {TASKS: {}}}})),
    )
}

/// Waits for a time, for ever if there is none.
async fn until(time: Option<Instant>) {
    match time {
        Some(time) => tokio::time::sleep_until(time).await,
        None => std::future::pending().await,
    }
}
