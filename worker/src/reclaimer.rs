//! Looks after the requests of workers that were lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prynai_shared::bus::{Bus, BusError, Claim, Finish, Refusal};
use prynai_shared::ids::WorkerId;
use prynai_shared::lifecycle::Shutdown;
use prynai_shared::wire::catalog::CatalogTool;
use prynai_shared::wire::message::RawJson;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

use crate::call::Launcher;
use crate::event_writer::EventWriter;
use crate::finisher::{Ending, FinishQueue};
use crate::outbound;
use crate::persist::persist;
use crate::redelivery::{self, Verdict};
use crate::running::{Controls, Slot, Stop};

/// Looks at least this often, because requests that were handed back wait for it.
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// Requests taken over at once.
const BATCH: usize = 16;

/// Takes requests over whose lease ran out or that were handed back, and runs them again, answers
/// them, or buries them.
pub(crate) struct Reclaimer {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) worker: WorkerId,
    pub(crate) lease: Duration,
    pub(crate) patience: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) tools: watch::Receiver<Arc<BTreeMap<String, CatalogTool>>>,
    pub(crate) launcher: Launcher,
    pub(crate) finishing: FinishQueue,
    pub(crate) shutdown: Shutdown,
}

impl Reclaimer {
    /// Runs until the soft stop.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut told = false;
        loop {
            let pause = (self.lease / 2).min(LONGEST_PAUSE);
            tokio::select! {
                biased;
                () = self.shutdown.soft().cancelled() => return,
                () = tokio::time::sleep(pause) => {}
            }
            let permits = tokio::select! {
                biased;
                () = self.shutdown.soft().cancelled() => return,
                permits = self.free_permits() => permits,
            };
            let Some(permits) = permits else { return };
            match self.reclaim(permits).await {
                Ok(()) => told = false,
                Err(error) if told => tracing::debug!(%error, "cannot look for lost requests"),
                Err(error) => {
                    tracing::warn!(%error, "cannot look for lost requests; trying again");
                    told = true;
                }
            }
        }
    }

    async fn free_permits(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        let mut permits = Arc::clone(&self.permits).acquire_owned().await.ok()?;
        while permits.num_permits() < BATCH {
            match Arc::clone(&self.permits).try_acquire_owned() {
                Ok(more) => permits.merge(more),
                Err(_) => break,
            }
        }
        Some(permits)
    }

    async fn reclaim(self: &Arc<Self>, mut permits: OwnedSemaphorePermit) -> Result<(), BusError> {
        let max = permits.num_permits();
        let claims = self.bus.reclaim(&self.worker, self.lease, max).await?;
        for claim in claims {
            let Some(permit) = permits.split(1) else {
                // More than was asked for: they are found again when their lease runs out.
                break;
            };
            self.deal_with(claim, permit);
        }
        Ok(())
    }

    fn deal_with(self: &Arc<Self>, claim: Claim, permit: OwnedSemaphorePermit) {
        let tools = Arc::clone(&self.tools.borrow());
        let verdict = redelivery::judge(&claim, self.max_attempts, &tools);
        tracing::info!(
            stream = %claim.request.stream,
            method = claim.request.method,
            delivery = claim.delivery,
            ?verdict,
            "took over a request"
        );
        if verdict == Verdict::Run {
            return self.launcher.launch(claim, permit);
        }
        let this = Arc::clone(self);
        self.launcher
            .launch_with(claim, permit, move |claim, slot| async move {
                this.answer(claim, slot, verdict).await;
            });
    }

    /// Answers a request with an error instead of running it, and buries it when it had its attempts.
    async fn answer(&self, claim: Claim, slot: Slot, verdict: Verdict) {
        let ownership = claim.ownership(&self.worker);
        let controls = slot.controls.clone();
        let mut writer = EventWriter::new(
            Arc::clone(&self.bus),
            ownership.clone(),
            controls.clone(),
            self.patience,
        );
        let event = match writer.take_over().await {
            Ok(()) => self
                .apology(&claim, verdict)
                .map(|apology| writer.final_event(apology)),
            Err(Stop::Cancelled) => None,
            Err(Stop::Lost) => return,
            Err(Stop::HandedBack) => return slot.keep_place(),
        };
        if verdict == Verdict::DeadLetter && event.is_some() {
            let finish = [Finish {
                ownership: ownership.clone(),
                event: event.clone(),
            }];
            match self.bury(&claim, &controls, &finish).await {
                Ok(()) => {}
                Err(Stop::HandedBack) => return slot.keep_place(),
                Err(Stop::Cancelled | Stop::Lost) => return,
            }
        }
        let finish = Finish { ownership, event };
        self.finishing.push(Ending { finish, slot }).await;
    }

    /// Answers first: a client that waits is worse than a dead letter too few.
    async fn bury(
        &self,
        claim: &Claim,
        controls: &Controls,
        finish: &[Finish],
    ) -> Result<(), Stop> {
        let finished = persist(controls, self.patience, "answer", || {
            self.bus.finish(finish)
        });
        if finished.await?.contains(&Err(Refusal::LostOwnership)) {
            return Err(Stop::Lost);
        }
        let reason = format!("begun {} times", claim.delivery - 1);
        let dead_letter = || self.bus.dead_letter(claim, &reason);
        persist(controls, self.patience, "bury", dead_letter).await?;
        tracing::error!(stream = %claim.request.stream, reason, "a dead letter");
        Ok(())
    }

    /// The answer; `None` for a notification, which is not repeated either.
    fn apology(&self, claim: &Claim, verdict: Verdict) -> Option<RawJson> {
        let error = match verdict {
            Verdict::DeadLetter => redelivery::given_up(claim),
            Verdict::OutcomeUnknown | Verdict::Run => redelivery::outcome_unknown(claim),
        };
        let id = claim.request.request_id.as_ref()?;
        Some(outbound::error(id, &error))
    }
}
