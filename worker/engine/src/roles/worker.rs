//! What the roles of a worker share.

use std::sync::Arc;

use prynai_bus::{RequestQueue, SignalChannel};
use prynai_process::lifecycle::Shutdown;
use tokio_util::task::TaskTracker;

use crate::call::running::Running;
use crate::config::WorkerConfig;

/// The worker as its roles see it.
pub(crate) struct Worker {
    pub(crate) config: WorkerConfig,
    pub(crate) requests: Arc<dyn RequestQueue>,
    pub(crate) signals: Arc<dyn SignalChannel>,
    pub(crate) running: Arc<Running>,
    /// The tasks in which calls run.
    pub(crate) tasks: TaskTracker,
    pub(crate) shutdown: Shutdown,
}
