//! Cancelling calls whatever becomes of the client that made them.

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::backoff::Backoff;
use prynai_shared::bus::Bus;
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

    /// Cancels a call, trying again while the bus is away.
    pub(crate) fn cancel(&self, call: CallRef, era: Era) {
        let bus = self.bus.clone();
        self.tasks.spawn(async move {
            let mut backoff = Backoff::for_at_most(PATIENCE);
            while let Err(error) = bus.cancel_call(&call, era).await {
                if !backoff.pause().await {
                    tracing::warn!(stream = %call.stream, %error, "a cancelled call runs on");
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
