//! Letting a worker end in order.

use prynai_bus::operations::{Operations, WorkerSight};

use crate::Failed;

/// Finds a worker, if it is known.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn find(operations: &dyn Operations, name: &str) -> Result<Option<WorkerSight>, Failed> {
    let workers = operations.workers().await?.into_iter();
    Ok(workers.into_iter().find(|worker| worker.worker == name))
}

/// Finds a worker that can be told to drain.
///
/// # Errors
///
/// When there is none of this name, or it does not hear, or the bus does not answer, or refuses.
pub async fn find_listening(
    operations: &dyn Operations,
    name: &str,
) -> Result<WorkerSight, Failed> {
    let worker = find(operations, name).await?;
    let worker = worker.ok_or_else(|| Failed::Unknown(format!("there is no worker {name}")))?;
    match (worker.has_stopped, worker.is_listening) {
        (true, _) => Err(Failed::Unknown(format!("the worker {name} has stopped"))),
        (false, true) => Ok(worker),
        (false, false) => Err(deaf(name)),
    }
}

/// Says that a worker did not hear what it was told.
pub fn deaf(name: &str) -> Failed {
    Failed::Unknown(format!(
        "the worker {name} does not hear: it is gone, or must be ended where it runs"
    ))
}
