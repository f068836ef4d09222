//! Cancelling a call.

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{CallName, CallSight, EntrySight, Operations, Repairs, TaskStatus};
use prynai_bus::wire::request::Era;

use crate::Failed;
use crate::look::tasks;
use crate::text::what;

/// A call that waits or runs, or a task that waits for its client.
#[derive(Debug, Clone)]
pub struct Queued {
    /// Its stream.
    pub stream: StreamId,
    /// Its entry.
    pub entry: EntryId,
    /// Its era.
    pub era: Era,
    /// Its method, with its tool, prompt or resource.
    pub what: String,
    /// Who called.
    pub caller: String,
    /// It has become a task.
    pub is_task: bool,
}

impl Queued {
    /// What is asked before it is cancelled.
    pub fn question(&self) -> String {
        let told = match self.is_task {
            true => "Whoever asks for this task is told that it was cancelled.",
            false => "Its client gets no answer.",
        };
        format!("Cancel {} of {}? {told}", self.what, self.caller)
    }
}

/// Finds a call that can be cancelled.
///
/// # Errors
///
/// When it is over, or nothing is known of it, or the bus does not answer, or refuses.
pub async fn find(operations: &dyn Operations, name: &CallName) -> Result<Queued, Failed> {
    let call = operations.call(name).await?.ok_or_else(|| over(name))?;
    queued(&call)
        .or_else(|| asking(&call))
        .ok_or_else(|| over(name))
}

/// Cancels a call as its client would.
///
/// # Errors
///
/// When it is over by now, or the bus does not answer, or refuses.
pub async fn cancel(repairs: &dyn Repairs, call: &Queued) -> Result<(), Failed> {
    let is_cancelled = repairs.cancel(&call.stream, &call.entry, call.era).await?;
    match is_cancelled {
        true => Ok(()),
        false => Err(over(&CallName::Stream(call.stream))),
    }
}

/// Who called, in words.
pub fn caller(entry: &EntrySight) -> String {
    named(entry.principal.as_ref())
}

fn named(caller: Option<&String>) -> String {
    let somebody = "somebody unknown".to_owned();
    caller.cloned().unwrap_or(somebody)
}

/// The era of an entry.
pub(super) fn era(entry: &EntrySight) -> Era {
    match entry.era.as_deref() {
        Some("legacy") => Era::Legacy,
        _ => Era::Modern,
    }
}

fn over(name: &CallName) -> Failed {
    Failed::Unknown(format!("the call {name} is over, or was never there"))
}

/// A call that waits or runs.
fn queued(call: &CallSight) -> Option<Queued> {
    let entry = call.entry.as_ref()?;
    Some(Queued {
        stream: call.stream.as_ref()?.parse().ok()?,
        entry: entry.entry.as_str().into(),
        era: era(entry),
        what: what(entry),
        caller: caller(entry),
        is_task: call.log.as_ref().is_some_and(|log| log.task.is_some()),
    })
}

/// A task that waits for its client, which has left the queue.
fn asking(call: &CallSight) -> Option<Queued> {
    let log = call.log.as_ref()?;
    let task = log.task.as_ref()?;
    if task.status != TaskStatus::InputRequired {
        return None;
    }
    Some(Queued {
        stream: call.stream.as_ref()?.parse().ok()?,
        entry: log.entry.as_deref()?.into(),
        era: Era::Modern,
        what: tasks::what(task),
        caller: named(task.principal.as_ref()),
        is_task: true,
    })
}
