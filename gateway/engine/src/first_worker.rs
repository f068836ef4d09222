//! Waking the first worker.
//!
//! A gateway answers `initialize` and checks calls by what workers have announced. While none ever did, it can queue no
//! request, and an autoscaler that goes by the queue sees nothing to start a worker for. So it queues a knock
//! ([`RequestEnvelope::knock`]), one for the whole fleet, and requests wait here until a worker has announced what it
//! serves. Workers announce before they claim, so the knock is there until then.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::GatewayId;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{BusError, RequestQueue};
use prynai_process::lifecycle::Shutdown;
use tokio::sync::Semaphore;

use crate::admission::turns::Turns;
use crate::changes::catalog::CatalogCache;
use crate::refusal::RequestError;
use crate::versions;

/// Requests that wait here at a time; more are refused.
const MOST_WAITING: usize = 1_000;

/// Lets requests wait for the first worker.
pub(crate) struct FirstWorker {
    gateway: GatewayId,
    queue: Arc<dyn RequestQueue>,
    catalog: CatalogCache,
    turns: Turns,
    shutdown: Shutdown,
    waiting: Semaphore,
    /// How long the knock may be there without a worker before requests are refused at once.
    grace: Duration,
}

impl FirstWorker {
    /// For the requests of a gateway that has this name.
    pub(crate) fn new(
        gateway: GatewayId,
        queue: Arc<dyn RequestQueue>,
        catalog: CatalogCache,
        turns: Turns,
        shutdown: Shutdown,
        grace: Duration,
    ) -> Self {
        Self {
            gateway,
            queue,
            catalog,
            turns,
            shutdown,
            waiting: Semaphore::new(MOST_WAITING),
            grace,
        }
    }

    /// The catalog of the first worker; waits for it no longer than `patience`.
    ///
    /// # Errors
    ///
    /// * [`RequestError::NoCatalog`] when no worker comes in time, or the gateway stops.
    /// * [`RequestError::Crowded`] when too many wait.
    pub(crate) async fn catalog(
        &self,
        patience: Duration,
    ) -> Result<Arc<CatalogRecord>, RequestError> {
        let place = self.waiting.try_acquire();
        let _place = place.map_err(|_| RequestError::Crowded)?;
        let turn = self.turns.take().await?;
        if let Some(catalog) = turn.step(|| self.catalog.get()).await? {
            return Ok(catalog);
        }
        let knock =
            RequestEnvelope::knock(self.gateway.clone(), self.queue.now_ms(), versions::NEWEST)
                .map_err(BusError::from)?;
        let knocked = turn.step(|| self.queue.knock(&knock)).await?;
        drop(turn);
        if knocked.is_zero() {
            tracing::info!(
                "no worker has ever announced what it serves; the queue shows now that one is wanted"
            );
        }
        let left = self.grace.saturating_sub(knocked).min(patience);
        tokio::select! {
            biased;
            catalog = self.catalog.announced_once() => Ok(catalog),
            () = self.shutdown.soft().cancelled() => Err(RequestError::NoCatalog),
            () = tokio::time::sleep(left) => Err(RequestError::NoCatalog),
        }
    }
}

#[cfg(test)]
mod tests;
