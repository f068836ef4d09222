//! Starts calls.

use std::sync::Arc;

use futures::future::BoxFuture;
use prynai_bus::{Claim, RequestQueue};
use tokio::sync::OwnedSemaphorePermit;
use tokio_util::task::TaskTracker;

use crate::call::running::{Running, Slot};

/// Starts calls, each a task of its own with a place in the table.
#[derive(Clone)]
pub(crate) struct Launcher {
    pub(crate) requests: Arc<dyn RequestQueue>,
    pub(crate) running: Arc<Running>,
    pub(crate) tasks: TaskTracker,
    pub(crate) runner: Arc<dyn RunCall>,
}

/// Runs calls; hides which handler it is from the roles.
pub(crate) trait RunCall: Send + Sync {
    /// Runs one call to its end.
    fn run(self: Arc<Self>, claim: Claim, slot: Slot) -> BoxFuture<'static, ()>;
}

impl Launcher {
    /// Runs a claim.
    pub(crate) fn launch(&self, claim: Claim, permit: OwnedSemaphorePermit) {
        let runner = Arc::clone(&self.runner);
        self.launch_with(claim, permit, |claim, slot| runner.run(claim, slot));
    }

    /// Does something else with a claim, which holds its place meanwhile.
    pub(crate) fn launch_with<F: Future<Output = ()> + Send + 'static>(
        &self,
        claim: Claim,
        permit: OwnedSemaphorePermit,
        work: impl FnOnce(Claim, Slot) -> F,
    ) {
        match self.running.register(&claim, permit) {
            Some(slot) => drop(self.tasks.spawn(work(claim, slot))),
            None => drop(
                self.tasks
                    .spawn(dead_letter_copy(Arc::clone(&self.requests), claim)),
            ),
        }
    }
}

/// A gateway queues a request once: this one was put there by somebody else.
async fn dead_letter_copy(requests: Arc<dyn RequestQueue>, claim: Claim) {
    let (entry, stream) = (&claim.entry, &claim.request.stream);
    tracing::warn!(%entry, %stream, "a queue entry copies a request that is running here; it becomes a dead letter");
    let moved = requests.dead_letter(&claim, "a copy of a request that runs");
    if let Err(error) = moved.await {
        tracing::warn!(%entry, %error, "a copy of a running request could not become a dead letter; it is left to its lease");
    }
}
