//! Claims waiting requests and runs them.

use std::sync::Arc;
use std::time::Duration;

use prynai_shared::backoff::Backoff;
use prynai_shared::bus::{Bus, Claim};
use prynai_shared::ids::WorkerId;
use prynai_shared::lifecycle::Shutdown;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::call::Launcher;

/// How long one claim waits for the first request, with its permits in hand. Short, so that a call whose
/// client has answered gets one of them.
const WAIT: Duration = Duration::from_secs(1);

/// Claims as many requests as there are free permits, but only a part of them at once: batches that
/// overlap keep the bus and the handlers busy at the same time.
pub(crate) struct Processor {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) worker: WorkerId,
    pub(crate) concurrency: usize,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) launcher: Launcher,
    pub(crate) shutdown: Shutdown,
}

impl Processor {
    /// Runs until the soft stop.
    pub(crate) async fn run(self) {
        let mut backoff = Backoff::endless();
        let mut told = false;
        while let Some(permits) = self.free_permits().await {
            let max = permits.num_permits();
            let claimed = self
                .bus
                .claim(&self.worker, max, WAIT, self.shutdown.soft())
                .await;
            match claimed {
                Ok(claims) => {
                    backoff = Backoff::endless();
                    told = false;
                    self.start(claims, permits).await;
                }
                Err(error) => {
                    if !told {
                        tracing::warn!(%error, "requests cannot be claimed; trying again");
                        told = true;
                    }
                    drop(permits);
                    tokio::select! {
                        () = self.shutdown.soft().cancelled() => {}
                        _ = backoff.pause() => {}
                    }
                }
            }
        }
    }

    /// At least one permit; `None` after the soft stop.
    async fn free_permits(&self) -> Option<OwnedSemaphorePermit> {
        let batch = (self.concurrency / 8).max(1);
        let mut permits = tokio::select! {
            biased;
            () = self.shutdown.soft().cancelled() => return None,
            // The semaphore is never closed.
            permit = Arc::clone(&self.permits).acquire_owned() => permit.ok()?,
        };
        while permits.num_permits() < batch {
            match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(more) => permits.merge(more),
                Err(_) => break,
            }
        }
        Some(permits)
    }

    async fn start(&self, claims: Vec<Claim>, mut permits: OwnedSemaphorePermit) {
        let mut not_begun = Vec::new();
        for claim in claims {
            match permits.split(1) {
                Some(permit) if !self.shutdown.hard().is_cancelled() => {
                    self.launcher.launch(claim, permit);
                }
                _ => not_begun.push(claim.entry),
            }
        }
        if not_begun.is_empty() {
            return;
        }
        if let Err(error) = self.bus.hand_back(&self.worker, &not_begun, false).await {
            tracing::warn!(%error, "requests are left to their lease");
        }
    }
}
