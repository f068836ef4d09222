//! What the roles that bring requests into the worker have in common.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::EntryId;
use prynai_bus::{BusError, Claim, RequestQueue};
use prynai_process::backoff::Backoff;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::call::runner::RunCall;
use crate::call::running::Slot;
use crate::metrics::metrics;
use crate::roles::lease_keeper::LeaseKeeper;
use crate::roles::worker::Worker;

/// For how long a task that came back too early is held, so that it does not go round in circles.
const EARLY: Duration = Duration::from_millis(100);

/// What the processor and the reclaimer work with: they launch each claim as a task with a place in the table of
/// running calls, or hand it back.
pub(crate) struct Intake {
    pub(crate) worker: Arc<Worker>,
    pub(crate) leases: LeaseKeeper,
    /// One for each request that may run.
    pub(crate) permits: Arc<Semaphore>,
    runner: Arc<dyn RunCall>,
}

impl Intake {
    /// An intake with a permit for each call that may run at the same time.
    pub(crate) fn new(worker: Arc<Worker>, leases: LeaseKeeper, runner: Arc<dyn RunCall>) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(worker.config.concurrency)),
            worker,
            leases,
            runner,
        }
    }

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
        task: impl FnOnce(Claim, Slot) -> F,
    ) {
        let tasks = &self.worker.tasks;
        match self.worker.running.register(&claim, permit) {
            Some(slot) => drop(tasks.spawn(task(claim, slot))),
            None if claim.request.again => {
                drop(tasks.spawn(hand_back_early(Arc::clone(&self.worker), claim)));
            }
            None => drop(tasks.spawn(dead_letter_copy(Arc::clone(&self.worker.requests), claim))),
        }
    }

    /// Hands back requests that were not begun; tries again for as long as `patience`.
    pub(crate) async fn hand_back(
        &self,
        entries: &[EntryId],
        patience: Duration,
    ) -> Result<(), BusError> {
        let Worker {
            config, requests, ..
        } = self.worker.as_ref();
        let mut backoff = Backoff::for_at_most(patience);
        while let Err(error) = requests.hand_back(&config.id, entries, false).await {
            if !backoff.pause().await {
                return Err(error);
            }
        }
        Ok(())
    }
}

/// A task has come back with its answers, and this worker does not know yet that it had left: it is handed back until
/// the call that asked is gone from here.
async fn hand_back_early(worker: Arc<Worker>, claim: Claim) {
    tokio::time::sleep(EARLY).await;
    let entry = &claim.entry;
    let back = worker
        .requests
        .hand_back(&worker.config.id, std::slice::from_ref(entry), false);
    if let Err(error) = back.await {
        tracing::warn!(
            %entry, %error,
            "a task that came back too early could not be handed back; it is tried again when its lease ends"
        );
    }
}

/// A gateway queues a request once: this one was put there by somebody else.
async fn dead_letter_copy(requests: Arc<dyn RequestQueue>, claim: Claim) {
    let (entry, stream) = (&claim.entry, &claim.request.stream);
    tracing::warn!(
        %entry, %stream,
        "a queue entry copies a request that is running here; it becomes a dead letter"
    );
    metrics().copies.inc();
    let moved = requests.dead_letter(&claim, "a copy of a request that runs");
    if let Err(error) = moved.await {
        tracing::warn!(
            %entry, %error,
            "a copy of a running request could not become a dead letter; it is tried again when its lease ends"
        );
    }
}
