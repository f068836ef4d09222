//! Cancelling a call.

use std::time::Duration;

use prynai_bus::operations::Repairs;
use prynai_operations::mend::cancel as mend;
use serde::Serialize;

use super::confirm;
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
    let call = mend::find(repairs, &asked.call).await?;
    confirm(&call.question(), asked.yes)?;
    mend::cancel(repairs, &call).await?;
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
        stream: call.stream.to_string(),
        entry: call.entry.to_string(),
        is_removed,
    })
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
