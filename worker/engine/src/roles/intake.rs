//! What those roles have in common that bring requests into the worker.

use std::sync::Arc;

use prynai_bus::RequestQueue;
use prynai_bus::ids::WorkerId;
use prynai_process::lifecycle::Shutdown;
use tokio::sync::Semaphore;

use crate::call::launcher::Launcher;
use crate::roles::lease_keeper::LeaseKeeper;

/// What the processor and the reclaimer work with.
pub(crate) struct Intake {
    pub(crate) requests: Arc<dyn RequestQueue>,
    pub(crate) worker: WorkerId,
    pub(crate) concurrency: usize,
    /// One for each request that may run.
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) launcher: Launcher,
    pub(crate) leases: LeaseKeeper,
    pub(crate) shutdown: Shutdown,
}
