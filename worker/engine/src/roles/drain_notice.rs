//! Says that this worker drains, for operators to see.

use std::sync::Arc;

use crate::roles::worker::Worker;

/// Tells it from the soft stop on, three times per lease: if the worker is killed, what was told ends with its lease.
pub(crate) struct DrainNotice(pub(crate) Arc<Worker>);

impl DrainNotice {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let Worker {
            config,
            requests,
            shutdown,
            ..
        } = &*self.0;
        shutdown.soft().cancelled().await;
        loop {
            if let Err(error) = requests.tell_draining(&config.id, config.lease).await {
                tracing::debug!(%error, "cannot tell that this worker drains; trying again");
            }
            tokio::time::sleep(config.lease / 3).await;
        }
    }
}
