//! Keeps the leases of running calls.

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::bus::Bus;
use prynai_shared::ids::WorkerId;

use crate::running::Running;

/// Entries that one call of the bus renews at most.
const BATCH: usize = 500;

/// Renews the leases of everything that runs, three times per lease.
pub(crate) struct LeaseKeeper {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) worker: WorkerId,
    pub(crate) lease: Duration,
    pub(crate) running: Arc<Running>,
}

impl LeaseKeeper {
    /// Runs until it is dropped.
    pub(crate) async fn run(self) {
        let mut told = false;
        loop {
            tokio::time::sleep(self.lease / 3).await;
            for entries in self.running.entries().chunks(BATCH) {
                match self.bus.renew(&self.worker, entries).await {
                    Ok(()) => told = false,
                    Err(error) if told => tracing::debug!(%error, "leases cannot be renewed"),
                    Err(error) => {
                        tracing::warn!(%error, "leases cannot be renewed; trying again");
                        told = true;
                    }
                }
            }
        }
    }
}
