//! The life of one call.

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{CallName, CallSight, EventSight, Operations};
use serde::Serialize;

use crate::Failed;
use crate::explain::{Around, Explanation, explain};

/// A call, and why it is where it is.
#[derive(Debug, Serialize)]
pub struct Call {
    /// Where it is, and why.
    pub explanation: Explanation,
    /// What is known of it.
    pub call: CallSight,
    /// Its newest events.
    pub events: Vec<EventSight>,
}

/// Reads a call with the newest `events` of its events; with `messages` also what they say, unless it is large.
///
/// # Errors
///
/// When nothing is known of it, or the bus does not answer, or refuses.
pub async fn read(
    operations: &dyn Operations,
    name: &CallName,
    events: u16,
    messages: bool,
) -> Result<Call, Failed> {
    let mut call = operations.call(name).await?;
    if call.is_none() {
        // A look takes several steps: one that ended between two of them is found by its log now.
        call = operations.call(name).await?;
    }
    let Some(call) = call else {
        return Err(Failed::Unknown(format!(
            "nothing is known of the call {name}: it is over and its log has expired, or it was never of this fleet"
        )));
    };
    let found = read_events(operations, &call, events, messages).await?;
    let (overview, workers) = (operations.overview().await?, operations.workers().await?);
    let around = Around {
        overview: &overview,
        workers: &workers,
    };
    let explanation = explain(&call, found.last(), &around);
    let surplus = found.len().saturating_sub(usize::from(events));
    Ok(Call {
        explanation,
        call,
        events: found.into_iter().skip(surplus).collect(),
    })
}

/// The newest events, and one at least, if there is one.
async fn read_events(
    operations: &dyn Operations,
    call: &CallSight,
    wanted: u16,
    messages: bool,
) -> Result<Vec<EventSight>, Failed> {
    let (Some(stream), Some(log)) = (&call.stream, &call.log) else {
        return Ok(Vec::new());
    };
    let Ok(stream) = stream.parse::<StreamId>() else {
        return Ok(Vec::new());
    };
    let wanted = u64::from(wanted).max(1);
    let (mut after, mut events) = (log.newest.saturating_sub(wanted), Vec::new());
    while after < log.newest {
        let page = operations.events(&stream, after, messages).await?;
        let Some(last) = page.last() else { break };
        after = last.offset;
        events.extend(page);
    }
    Ok(events)
}
