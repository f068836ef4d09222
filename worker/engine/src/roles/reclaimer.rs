//! Looks after the requests of workers that were lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prynai_shared::backoff::Backoff;
use prynai_shared::bus::{Bus, BusError, Claim, Finish, Refusal};
use prynai_shared::ids::{EntryId, WorkerId};
use prynai_shared::lifecycle::Shutdown;
use prynai_shared::wire::catalog::CatalogTool;
use prynai_shared::wire::message::RawJson;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::call::ending::{Ending, FinishQueue};
use crate::call::event_writer::EventWriter;
use crate::call::idempotency::{self, Idempotency};
use crate::call::launcher::Launcher;
use crate::call::messages::inbound;
use crate::call::messages::outbound;
use crate::call::retry::retry_while_away;
use crate::call::running::{Controls, Slot, Stop};
use crate::roles::lease_keeper::LeaseKeeper;
use crate::roles::verdict::{self, Verdict};

/// Looks at least this often, because requests that were handed back wait for it, and clients wait for
/// those whose worker was lost.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A look that is late by so much comes from a process that stood still: it renews its own leases first, so that it takes
/// nothing over from itself.
const LATE: Duration = Duration::from_secs(1);

/// Requests taken over at once.
const BATCH: usize = 64;

/// Requests answered with an error at the same time.
const ANSWERS: usize = 64;

/// Takes requests over whose lease ran out or that were handed back, and runs them again, answers
/// them, or buries them.
pub(crate) struct Reclaimer {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) worker: WorkerId,
    pub(crate) leases: LeaseKeeper,
    pub(crate) patience: Duration,
    pub(crate) max_attempts: u32,
    pub(crate) permits: Arc<Semaphore>,
    pub(crate) reserve: Reserve,
    pub(crate) tools: watch::Receiver<Arc<BTreeMap<String, CatalogTool>>>,
    pub(crate) launcher: Launcher,
    pub(crate) finishing: FinishQueue,
    pub(crate) idempotency: Idempotency,
    pub(crate) shutdown: Shutdown,
}

/// What a worker can take over when all its permits are out: the requests of a lost worker must not
/// wait for its own.
pub(crate) struct Reserve {
    /// To run again.
    runs: Arc<Semaphore>,
    /// To answer with an error, which is quick.
    answers: Arc<Semaphore>,
}

impl Reserve {
    /// For the requests of one lost worker like this one.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            runs: Arc::new(Semaphore::new(concurrency)),
            answers: Arc::new(Semaphore::new(ANSWERS)),
        }
    }
}

impl Reclaimer {
    /// Runs until the soft stop.
    pub(crate) async fn run(self: Arc<Self>) {
        let mut told = false;
        loop {
            let pause = (self.leases.lease / 2).min(LONGEST_PAUSE);
            let looks_at = Instant::now() + pause;
            tokio::select! {
                biased;
                () = self.shutdown.soft().cancelled() => return,
                () = tokio::time::sleep_until(looks_at) => {}
            }
            let stood_still = looks_at.elapsed() > LATE;
            match self.reclaim_all(stood_still).await {
                Ok(()) => told = false,
                Err(error) if told => tracing::debug!(%error, "cannot look for lost requests"),
                Err(error) => {
                    tracing::warn!(%error, "cannot look for lost requests; trying again");
                    told = true;
                }
            }
        }
    }

    async fn reclaim_all(self: &Arc<Self>, stood_still: bool) -> Result<(), BusError> {
        if stood_still {
            self.leases.renew().await?;
        }
        while !self.shutdown.soft().is_cancelled() {
            let asked = Instant::now();
            let claims = self
                .bus
                .reclaim(&self.worker, self.leases.lease, BATCH)
                .await?;
            let are_all = claims.is_empty();
            let is_late = self.leases.is_late(asked, Duration::ZERO);
            let mut given_back = Vec::new();
            for claim in claims {
                given_back.extend(match is_late {
                    true => Some(claim.entry),
                    false => self.deal_with(claim).await,
                });
            }
            if !given_back.is_empty() {
                self.hand_back(&given_back).await?;
                break;
            }
            if are_all {
                break;
            }
        }
        Ok(())
    }

    /// Before the next reclaim: whatever is tried again must not give back what that one takes.
    async fn hand_back(&self, entries: &[EntryId]) -> Result<(), BusError> {
        let mut backoff = Backoff::for_at_most(self.leases.lease);
        while let Err(error) = self.bus.hand_back(&self.worker, entries, false).await {
            if !backoff.pause().await {
                return Err(error);
            }
        }
        Ok(())
    }

    /// The entry of a request for which there is no room.
    async fn deal_with(self: &Arc<Self>, claim: Claim) -> Option<EntryId> {
        let tools = Arc::clone(&self.tools.borrow());
        let verdict = verdict::judge(&claim, self.max_attempts, &tools);
        let Some(permit) = self.permit(verdict).await else {
            return Some(claim.entry);
        };
        tracing::info!(
            stream = %claim.request.stream,
            method = claim.request.method,
            delivery = claim.delivery,
            ?verdict,
            "took over a request"
        );
        if verdict == Verdict::Run {
            self.launcher.launch(claim, permit);
            return None;
        }
        let this = Arc::clone(self);
        self.launcher
            .launch_with(claim, permit, move |claim, slot| async move {
                this.answer(claim, slot, verdict).await;
            });
        None
    }

    /// Room for a run is there or not. For an answer there soon is: giving back what waits for its turn would cost each of
    /// many requests another look.
    async fn permit(&self, verdict: Verdict) -> Option<OwnedSemaphorePermit> {
        // It may have come while another request of the batch waited.
        if self.shutdown.soft().is_cancelled() {
            return None;
        }
        let of = |permits: &Arc<Semaphore>| Arc::clone(permits).try_acquire_owned().ok();
        match verdict {
            Verdict::Run => of(&self.permits).or_else(|| of(&self.reserve.runs)),
            Verdict::OutcomeUnknown | Verdict::DeadLetter => {
                let answers = Arc::clone(&self.reserve.answers).acquire_owned();
                let stopped = self.shutdown.soft();
                stopped.run_until_cancelled(answers).await?.ok()
            }
        }
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
            Ok(()) => match self.apology(&claim, verdict, &controls).await {
                Ok(apology) => apology.map(|apology| writer.final_event(apology)),
                Err(Stop::Cancelled) => None,
                Err(Stop::Lost) => return,
                Err(Stop::HandedBack) => return slot.keep_place(),
            },
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
        let ending = Ending {
            finish,
            slot,
            brief: false,
        };
        self.finishing.push(ending).await;
    }

    /// Answers first: a client that waits is worse than a dead letter too few.
    async fn bury(
        &self,
        claim: &Claim,
        controls: &Controls,
        finish: &[Finish],
    ) -> Result<(), Stop> {
        let finished = retry_while_away(controls, self.patience, "answer", || {
            self.bus.finish(finish)
        });
        if finished.await?.contains(&Err(Refusal::LostOwnership)) {
            return Err(Stop::Lost);
        }
        let reason = format!("begun {} times", claim.delivery - 1);
        let dead_letter = || self.bus.dead_letter(claim, &reason);
        retry_while_away(controls, self.patience, "bury", dead_letter).await?;
        tracing::error!(stream = %claim.request.stream, reason, "a dead letter");
        Ok(())
    }

    /// The answer; `None` for a notification, which is not repeated either.
    async fn apology(
        &self,
        claim: &Claim,
        verdict: Verdict,
        controls: &Controls,
    ) -> Result<Option<RawJson>, Stop> {
        let error = match verdict {
            Verdict::DeadLetter => verdict::given_up(claim),
            Verdict::OutcomeUnknown | Verdict::Run => verdict::outcome_unknown(claim),
        };
        let Some(id) = &claim.request.request_id else {
            return Ok(None);
        };
        let request = inbound::parse_request(&claim.request).ok();
        let once = request.and_then(|request| idempotency::key_use(claim, &request).ok().flatten());
        let Some(once) = once else {
            return Ok(Some(outbound::error(id, &error)));
        };
        let conclude = || self.idempotency.conclude(&once, id, &error);
        let concluded = retry_while_away(controls, self.patience, "record an outcome", conclude);
        concluded.await.map(Some)
    }
}
