//! Keeps the leases of running calls.

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::backoff::Backoff;
use prynai_shared::bus::{Bus, BusError};
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
        loop {
            tokio::time::sleep(self.lease / 3).await;
            let mut backoff = Backoff::endless();
            let mut told = false;
            // Tried again at once: after a third of the lease it may be too late.
            while let Err(error) = self.renew().await {
                if !told {
                    tracing::warn!(%error, "leases cannot be renewed; trying again");
                    told = true;
                }
                backoff.pause().await;
            }
        }
    }

    async fn renew(&self) -> Result<(), BusError> {
        for entries in self.running.entries().chunks(BATCH) {
            self.bus.renew(&self.worker, entries).await?;
        }
        Ok(())
    }
}
