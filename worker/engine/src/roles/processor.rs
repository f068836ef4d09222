//! Claims waiting requests and runs them.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::EntryId;
use prynai_bus::{BusError, Claim};
use prynai_process::backoff::Backoff;
use prynai_process::outage::Outage;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::metrics::metrics;
use crate::roles::intake::Intake;
use crate::roles::worker::Worker;

/// How long one claim waits for the first request, with its permits in hand. Short, so that a call whose
/// client has answered gets one of them.
const WAIT: Duration = Duration::from_secs(1);

/// How long requests are tried to be given back. What is left to its lease counts as begun.
const HANDING_BACK: Duration = Duration::from_secs(5);

/// Claims that it takes to fill all places. More are smaller, and cost more each; fewer wait for each other.
const BATCHES: usize = 4;

/// Claims as many requests as there are free permits, but only a part of them at once: batches that
/// overlap keep the bus and the handlers busy at the same time.
pub(crate) struct Processor(pub(crate) Arc<Intake>);

impl Processor {
    /// Runs until the soft stop.
    pub(crate) async fn run(self) {
        let mut outage = Outage::endless();
        let (mut is_owed, mut is_ready) = (false, false);
        while let Some(permits) = self.free_permits().await {
            let max = permits.num_permits();
            // The first claim does not wait: it shows that this worker can claim.
            let wait = if is_ready { WAIT } else { Duration::ZERO };
            let asked = Instant::now();
            let claimed = self.claim(max, wait).await;
            is_owed = claimed.is_err();
            self.worker().config.health.claims(claimed.is_ok());
            match claimed {
                Ok(claims) => {
                    let was_away = outage.ends();
                    if !is_ready {
                        let config = &self.worker().config;
                        let concurrency = config.concurrency;
                        tracing::info!(worker = %config.id, concurrency, "ready");
                        is_ready = true;
                    } else if was_away {
                        tracing::info!("requests are claimed again");
                    }
                    let is_late = self.0.leases.is_late(asked, wait);
                    self.start(claims, permits, is_late).await;
                }
                Err(error) => {
                    if outage.begins() {
                        tracing::warn!(%error, "requests cannot be claimed; trying again");
                    }
                    drop(permits);
                    tokio::select! {
                        () = self.worker().shutdown.soft().cancelled() => {}
                        _ = outage.pause() => {}
                    }
                }
            }
        }
        if is_owed {
            self.hand_back_owed().await;
        }
    }

    /// Gives back what a claim that failed may have handed out.
    async fn hand_back_owed(&self) {
        let mut backoff = Backoff::for_at_most(HANDING_BACK);
        let most = self.worker().config.concurrency.max(1);
        loop {
            match self.claim(most, Duration::ZERO).await {
                Ok(claims) if claims.is_empty() => return,
                Ok(claims) => {
                    let entries: Vec<_> = claims.into_iter().map(|claim| claim.entry).collect();
                    self.hand_back(&entries).await;
                }
                Err(error) if !backoff.pause().await => {
                    return tracing::warn!(
                        %error,
                        "a claim failed at the stop; what it handed out goes to other workers when its lease ends"
                    );
                }
                Err(_) => {}
            }
        }
    }

    /// At least one permit; `None` after the soft stop.
    async fn free_permits(&self) -> Option<OwnedSemaphorePermit> {
        let batch = (self.worker().config.concurrency / BATCHES).max(1);
        let mut permits = tokio::select! {
            biased;
            () = self.worker().shutdown.soft().cancelled() => return None,
            // The semaphore is never closed.
            permit = Arc::clone(&self.0.permits).acquire_owned() => permit.ok()?,
        };
        while permits.num_permits() < batch {
            match Arc::clone(&self.0.permits).try_acquire_owned() {
                Ok(more) => permits.merge(more),
                Err(_) => break,
            }
        }
        Some(permits)
    }

    /// What came late is given back rather than begun a second time.
    async fn start(&self, claims: Vec<Claim>, mut permits: OwnedSemaphorePermit, is_late: bool) {
        let mut not_begun = Vec::new();
        for claim in claims {
            match permits.split(1) {
                Some(permit) if !is_late && !self.worker().shutdown.hard().is_cancelled() => {
                    metrics().claimed(&claim, self.worker().requests.now_ms());
                    self.0.launch(claim, permit);
                }
                _ => not_begun.push(claim.entry),
            }
        }
        if not_begun.is_empty() {
            return;
        }
        self.hand_back(&not_begun).await;
    }

    async fn claim(&self, most: usize, wait: Duration) -> Result<Vec<Claim>, BusError> {
        let Worker {
            config,
            requests,
            shutdown,
            ..
        } = self.worker();
        requests
            .claim(&config.id, most, wait, shutdown.soft())
            .await
    }

    async fn hand_back(&self, not_begun: &[EntryId]) {
        if let Err(error) = self.0.hand_back(not_begun, HANDING_BACK).await {
            tracing::warn!(
                %error,
                requests = not_begun.len(),
                "requests could not be handed back; other workers get them when their lease ends"
            );
        }
    }

    fn worker(&self) -> &Worker {
        &self.0.worker
    }
}
