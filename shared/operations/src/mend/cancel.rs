//! Cancelling a call.

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{CallName, CallSight, EntrySight, Operations, Repairs};
use prynai_bus::wire::request::Era;

use crate::Failed;
use crate::text::what;

/// A call that waits or runs.
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
}

/// Finds a call that can be cancelled.
///
/// # Errors
///
/// When it is over, or nothing is known of it, or the bus does not answer, or refuses.
pub async fn find(operations: &dyn Operations, name: &CallName) -> Result<Queued, Failed> {
    let call = operations.call(name).await?.ok_or_else(|| over(name))?;
    let (entry, stream) = queued(&call).ok_or_else(|| over(name))?;
    Ok(Queued {
        stream,
        entry: entry.entry.as_str().into(),
        era: era(entry),
        what: what(entry),
        caller: caller(entry),
    })
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
    let somebody = "somebody unknown".to_owned();
    entry.principal.clone().unwrap_or(somebody)
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

/// The entry of a call that waits or runs, and its stream.
fn queued(call: &CallSight) -> Option<(&EntrySight, StreamId)> {
    let stream = call.stream.as_ref()?.parse().ok()?;
    Some((call.entry.as_ref()?, stream))
}
