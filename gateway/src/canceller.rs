//! Cancelling calls whatever becomes of the client that made them.

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::backoff::Backoff;
use prynai_shared::bus::Bus;
use prynai_shared::ids::{EntryId, StreamId};
use prynai_shared::wire::request::{CallRef, Era};
use tokio_util::task::TaskTracker;

/// How long a cancel is tried while the bus is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// Cancels calls in tasks of their own, which a stopping gateway waits for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Canceller {
    bus: Arc<dyn Bus>,
    tasks: TaskTracker,
}

/// Cancels a modern call when it is dropped before the answer was delivered: the broken connection is
/// the cancel (2026-07-28, Streamable HTTP, Cancellation).
pub(crate) struct CancelOnDrop {
    canceller: Canceller,
    call: Option<CallRef>,
}

impl Canceller {
    pub(crate) fn new(bus: Arc<dyn Bus>) -> Self {
        Self {
            bus,
            tasks: TaskTracker::new(),
        }
    }

    /// Tasks that go on when their client is gone.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Cancels a modern call unless it is disarmed.
    pub(crate) fn on_drop(self, call: CallRef) -> CancelOnDrop {
        CancelOnDrop {
            canceller: self,
            call: Some(call),
        }
    }

    /// Cancels a call.
    pub(crate) fn cancel(&self, call: CallRef, era: Era) {
        self.keep_cancelling(call.stream, Some(call.entry), era);
    }

    /// Cancels a request of which nobody knows whether it was queued: its client was refused and will
    /// send it again.
    pub(crate) fn withdraw(&self, stream: StreamId, era: Era) {
        self.keep_cancelling(stream, None, era);
    }

    /// Tries again while the bus is away.
    fn keep_cancelling(&self, stream: StreamId, entry: Option<EntryId>, era: Era) {
        let bus = self.bus.clone();
        self.tasks.spawn(async move {
            let mut backoff = Backoff::for_at_most(PATIENCE);
            while let Err(error) = bus.cancel_call(&stream, entry.as_ref(), era).await {
                if !backoff.pause().await {
                    tracing::warn!(%stream, %error, "a cancelled call runs on");
                    break;
                }
            }
        });
    }
}

impl CancelOnDrop {
    /// The answer is out: nothing to cancel any more.
    pub(crate) fn disarm(&mut self) {
        self.call = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            self.canceller.cancel(call, Era::Modern);
        }
    }
}
