//! Looks after the requests of workers that were lost.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::EntryId;
use prynai_bus::wire::catalog::CatalogTool;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{BusError, Claim, Finish};
use prynai_process::outage::Alarm;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;

use crate::call::audit::Audit;
use crate::call::call_bus::{CallBus, CallPorts};
use crate::call::ending::{Ending, FinishQueue};
use crate::call::event_writer::EventWriter;
use crate::call::idempotency;
use crate::call::messages::{inbound, response};
use crate::call::running::{Slot, Stop};
use crate::metrics::metrics;
use crate::roles::intake::Intake;
use crate::roles::verdict::{self, Verdict};
use crate::roles::worker::Worker;

/// Looks at least this often, because requests that were handed back wait for it, and clients wait for
/// those whose worker was lost.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

/// A look that is late by so much comes from a process that stood still: it renews its own leases first, so that it
/// takes nothing over from itself.
const LATE: Duration = Duration::from_secs(1);

/// Requests taken over at once.
const BATCH: usize = 64;

/// Requests that get an error as their response at the same time.
const ERRORS: usize = 64;

/// Takes requests over whose lease ran out or that were handed back, and runs them again, responds with an
/// error, or makes them dead letters.
pub(crate) struct Reclaimer {
    pub(crate) intake: Arc<Intake>,
    pub(crate) ports: Arc<CallPorts>,
    pub(crate) finishing: FinishQueue,
    pub(crate) reserve: Reserve,
    pub(crate) tools: watch::Receiver<Arc<BTreeMap<String, CatalogTool>>>,
    pub(crate) audit: Arc<Audit>,
}

/// What a worker can take over when all its permits are out: the requests of a lost worker must not
/// wait for its own.
pub(crate) struct Reserve {
    /// To run again.
    runs: Arc<Semaphore>,
    /// To respond with an error, which is quick.
    errors: Arc<Semaphore>,
}

impl Reserve {
    /// For the requests of one lost worker like this one.
    pub(crate) fn new(concurrency: usize) -> Self {
        Self {
            runs: Arc::new(Semaphore::new(concurrency)),
            errors: Arc::new(Semaphore::new(ERRORS)),
        }
    }
}

impl Reclaimer {
    /// Runs until the soft stop.
    pub(crate) async fn run(self: Arc<Self>) {
        let alarm = Alarm::default();
        loop {
            let pause = (self.intake.leases.lease() / 2).min(LONGEST_PAUSE);
            let looks_at = Instant::now() + pause;
            tokio::select! {
                biased;
                () = self.intake.worker.shutdown.soft().cancelled() => return,
                () = tokio::time::sleep_until(looks_at) => {}
            }
            let stood_still = looks_at.elapsed() > LATE;
            match self.reclaim_all(stood_still).await {
                Ok(()) => {
                    if alarm.clear() {
                        tracing::info!("requests of lost workers are looked for again");
                    }
                }
                Err(error) if alarm.raise() => {
                    tracing::warn!(%error, "cannot look for requests of lost workers, which wait; trying again")
                }
                Err(error) => tracing::debug!(%error, "cannot look for requests of lost workers"),
            }
        }
    }

    async fn reclaim_all(self: &Arc<Self>, stood_still: bool) -> Result<(), BusError> {
        if stood_still {
            self.intake.leases.renew().await?;
        }
        while !self.intake.worker.shutdown.soft().is_cancelled() {
            let asked = Instant::now();
            let Worker {
                config, requests, ..
            } = self.intake.worker.as_ref();
            let claims = requests.reclaim(&config.id, config.lease, BATCH).await?;
            let are_all = claims.is_empty();
            let is_late = self.intake.leases.is_late(asked, Duration::ZERO);
            let mut given_back = Vec::new();
            for claim in claims {
                given_back.extend(match is_late {
                    true => Some(claim.entry),
                    false => self.deal_with(claim).await,
                });
            }
            if !given_back.is_empty() {
                // Before the next reclaim: whatever is tried again must not give back what that one takes.
                self.intake
                    .hand_back(&given_back, self.intake.leases.lease())
                    .await?;
                break;
            }
            if are_all {
                break;
            }
        }
        Ok(())
    }

    /// The entry of a request for which there is no room.
    async fn deal_with(self: &Arc<Self>, claim: Claim) -> Option<EntryId> {
        let tools = Arc::clone(&self.tools.borrow());
        let verdict = verdict::judge(&claim, self.intake.worker.config.max_attempts, &tools);
        let Some(permit) = self.permit(verdict).await else {
            return Some(claim.entry);
        };
        tracing::info!(
            stream = %claim.request.stream,
            method = claim.request.method,
            delivery = claim.delivery,
            ?verdict,
            "took over a request whose worker was lost or handed it back"
        );
        count(&claim, verdict);
        if verdict == Verdict::Run {
            self.intake.launch(claim, permit);
            return None;
        }
        let this = Arc::clone(self);
        self.intake
            .launch_with(claim, permit, move |claim, slot| async move {
                this.respond(claim, slot, verdict).await;
            });
        None
    }

    /// A run needs room now. Room for an error comes soon, so it is waited for: handing the entry back would cost each
    /// of many requests another look.
    async fn permit(&self, verdict: Verdict) -> Option<OwnedSemaphorePermit> {
        // The stop may have come while another request of the batch waited.
        if self.intake.worker.shutdown.soft().is_cancelled() {
            return None;
        }
        let of = |permits: &Arc<Semaphore>| Arc::clone(permits).try_acquire_owned().ok();
        match verdict {
            Verdict::Run => of(&self.intake.permits).or_else(|| of(&self.reserve.runs)),
            Verdict::AnswerUnknown | Verdict::DeadLetter => {
                let errors = Arc::clone(&self.reserve.errors).acquire_owned();
                let stopped = self.intake.worker.shutdown.soft();
                stopped.run_until_cancelled(errors).await?.ok()
            }
        }
    }

    /// Responds with an error instead of running a request, and makes it a dead letter when it had its attempts.
    async fn respond(&self, claim: Claim, slot: Slot, verdict: Verdict) {
        let mut writer = EventWriter::new(self.ports.of(&claim, &slot.controls));
        let mut run = verdict.as_run(&claim, writer.bus().now_ms());
        let event = match self.error_event(&claim, verdict, &mut writer, &slot).await {
            Ok(event) => event,
            Err(Stop::Cancelled) => {
                run = run.cancelled();
                None
            }
            Err(Stop::Lost | Stop::Asking) => return,
            Err(Stop::HandedBack) => return slot.keep_place(),
        };
        let finish = Finish {
            ownership: writer.bus().ownership().clone(),
            earlier: Vec::new(),
            record: self.audit.record(&claim, &run),
            event: event.map(|event| self.ports.at_rest(event, writer.is_task())),
        };
        if verdict == Verdict::DeadLetter && finish.event.is_some() {
            match dead_letter(&claim, finish.clone(), writer.bus()).await {
                Ok(()) => {}
                Err(Stop::HandedBack) => return slot.keep_place(),
                Err(Stop::Cancelled | Stop::Lost | Stop::Asking) => return,
            }
        }
        let ending = Ending {
            finish,
            slot,
            brief: false,
            outcome: run.outcome,
        };
        self.finishing.push(ending).await;
    }

    /// The event with the error; `None` for a notification, which is not repeated either.
    async fn error_event(
        &self,
        claim: &Claim,
        verdict: Verdict,
        writer: &mut EventWriter,
        slot: &Slot,
    ) -> Result<Option<StreamEvent>, Stop> {
        let round = match writer.take_over().await? {
            Some(birth) => {
                slot.becomes_task(birth.created_ms);
                match writer.bus().inputs().await {
                    Ok(inputs) => inputs.round,
                    // Answers that cannot be opened must not keep the task from its end.
                    Err(Stop::Lost) => 0,
                    Err(stop) => return Err(stop),
                }
            }
            None => 0,
        };
        let error = match verdict {
            Verdict::DeadLetter => verdict::given_up(claim),
            Verdict::AnswerUnknown | Verdict::Run => verdict::outcome_unknown(claim),
        };
        let Some(id) = &claim.request.request_id else {
            return Ok(None);
        };
        let request = inbound::parse_request(&claim.request).ok();
        let once =
            request.and_then(|request| idempotency::key_use(claim, &request, round).ok().flatten());
        let message = match once {
            Some(once) => idempotency::conclude(&once, id, &error, writer.bus()).await?,
            None => response::error(id, &error),
        };
        Ok(Some(writer.final_event(message)))
    }
}

fn count(claim: &Claim, verdict: Verdict) {
    let metrics = metrics();
    if claim.delivery > 1 {
        metrics.leases_expired.inc();
    }
    match verdict {
        Verdict::Run => metrics.reclaimed_to_run.inc(),
        Verdict::AnswerUnknown => metrics.outcomes_unknown.inc(),
        Verdict::DeadLetter => metrics.reclaimed_dead.inc(),
    }
}

/// The response first: a client that waits is worse than a dead letter too few.
async fn dead_letter(claim: &Claim, finish: Finish, bus: &CallBus) -> Result<(), Stop> {
    bus.finish(finish).await?;
    let attempts = claim.delivery - 1;
    let reason = format!("begun {attempts} times");
    bus.dead_letter(claim, &reason).await?;
    metrics().given_up.inc();
    tracing::error!(
        stream = %claim.request.stream,
        attempts,
        "a request lost its worker each time that it was begun; its client got an error, and it is now a dead letter"
    );
    Ok(())
}
