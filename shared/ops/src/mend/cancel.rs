//! Cancelling a call.

use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::operations::{CallSight, EntrySight, Repairs};
use prynai_bus::wire::request::Era;
use serde::Serialize;

use super::confirm;
use crate::look::queue::what;
use crate::look::{Failed, Shown};
use crate::settings::CancelAsked;

/// Time between two looks whether it is gone.
const LOOK: Duration = Duration::from_millis(250);

/// How many looks there are.
const LOOKS: u32 = 20;

/// What became of a cancel.
#[derive(Debug, Serialize)]
pub struct Cancelled {
    /// The call.
    pub stream: String,
    /// Its entry.
    pub entry: String,
    /// Its worker has stopped it, and it is out of the queue.
    pub is_removed: bool,
}

pub(crate) async fn cancel(
    repairs: &dyn Repairs,
    asked: &CancelAsked,
) -> Result<Cancelled, Failed> {
    let over = || {
        Failed::Unknown(format!(
            "the call {} is over, or was never there",
            asked.call
        ))
    };
    let call = repairs.call(&asked.call).await?.ok_or_else(over)?;
    let (entry, stream) = queued(&call).ok_or_else(over)?;
    let caller = entry.principal.as_deref().unwrap_or("somebody unknown");
    let question = format!(
        "Cancel {} of {caller}? Its client gets no answer.",
        what(entry)
    );
    confirm(&question, asked.yes)?;
    let era = match entry.era.as_deref() {
        Some("legacy") => Era::Legacy,
        _ => Era::Modern,
    };
    let id = entry.entry.as_str().into();
    if !repairs.cancel(&stream, &id, era).await? {
        return Err(over());
    }
    let mut is_removed = false;
    for _ in 0..LOOKS {
        let call = repairs.call(&asked.call).await?;
        is_removed = call.is_none_or(|call| call.entry.is_none());
        if is_removed {
            break;
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(Cancelled {
        stream: stream.to_string(),
        entry: entry.entry.clone(),
        is_removed,
    })
}

/// The entry of a call that waits or runs, and its stream.
fn queued(call: &CallSight) -> Option<(&EntrySight, StreamId)> {
    let stream = call.stream.as_ref()?.parse().ok()?;
    Some((call.entry.as_ref()?, stream))
}

impl Shown for Cancelled {
    fn words(&self, _: Option<usize>) -> String {
        match self.is_removed {
            true => format!(
                "The call {} is cancelled and out of the queue.\n",
                self.stream
            ),
            false => format!(
                "The call {} is marked as cancelled. It is still in the queue: it goes when a worker has seen that \
                 (prynai-ops call {}).\n",
                self.stream, self.entry
            ),
        }
    }
}
