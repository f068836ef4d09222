//! The bus as one call sees it: it may be away for a while, and the call may have to end meanwhile.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::outcome::Outcome;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::{Inputs, Parking, Promotion, TaskSight};
use prynai_bus::{
    Append, Appended, BusError, Claim, DownstreamTokens, EventLog, Finish, KeyState, KeyUse, Mail,
    OutcomeStore, Ownership, Refusal, RequestQueue, SignalChannel, StateStore, TakeOver, TaskPart,
    TaskStore,
};
use prynai_process::backoff::Backoff;
use prynai_process::outage::{Alarm, Outage};

use crate::call::event_queue::{EventQueue, Writing};
use crate::call::running::{Controls, Stop};

/// How long it is tried to count the result of a task.
const COUNTING: Duration = Duration::from_secs(5);

/// The ports that calls use; one for all calls of a worker.
pub(crate) struct CallPorts {
    pub(crate) requests: Arc<dyn RequestQueue>,
    pub(crate) logs: Arc<dyn EventLog>,
    pub(crate) events: EventQueue,
    pub(crate) signals: Arc<dyn SignalChannel>,
    pub(crate) outcomes: Arc<dyn OutcomeStore>,
    pub(crate) state: Arc<dyn StateStore>,
    pub(crate) tasks: Arc<dyn TaskStore>,
    pub(crate) downstream: Arc<dyn DownstreamTokens>,
    pub(crate) worker: WorkerId,
    /// How long the bus may be away before a call counts as lost.
    pub(crate) patience: Duration,
    /// How long the outcome of a call under an idempotency key is kept.
    pub(crate) outcomes_kept: Duration,
    /// How long a task may take: for so long its key must not be free again.
    pub(crate) tasks_take: Duration,
    /// Whether there are as many tasks as there may be, and that was told.
    pub(crate) tasks_full: Alarm,
}

/// The bus of one call. Each step is tried again while the bus is away, until the call must end or the bus was away for
/// too long: then the call counts as lost.
pub(crate) struct CallBus {
    ports: Arc<CallPorts>,
    ownership: Ownership,
    controls: Controls,
}

// === impl CallPorts ===

impl CallPorts {
    /// The end of a call as it may lie on the bus.
    pub(crate) fn at_rest(&self, end: StreamEvent, of_task: bool) -> StreamEvent {
        match of_task {
            true => self.tasks.at_rest(end),
            false => end,
        }
    }

    /// Counts a task no longer of which nothing is kept. Once: it does not count for ever.
    pub(crate) async fn forget_task(&self, share: &Share, name: &StreamId) {
        if let Err(error) = self.tasks.forget(share, name, TaskPart::Body).await {
            tracing::debug!(%error, "could not take back a count; it counts until its end");
        }
    }

    /// Counts the end of a task in the place of what it was until now; `false` if there is no room for it.
    pub(crate) async fn keep_end(
        &self,
        share: &Share,
        name: &StreamId,
        bytes: usize,
        life: Duration,
    ) -> bool {
        let mut backoff = Backoff::for_at_most(COUNTING);
        loop {
            let kept = self.tasks.keep(share, name, TaskPart::Body, bytes, life);
            match kept.await {
                Ok(()) => return true,
                Err(BusError::ShareFull(_)) => return false,
                Err(error) if error.is_passing() && backoff.pause().await => {}
                Err(error) => {
                    tracing::debug!(%error, stream = %name, "cannot count the result of a task; it is kept all the same");
                    return true;
                }
            }
        }
    }

    /// The bus of the call that was claimed, which `controls` can stop.
    pub(crate) fn of(self: &Arc<Self>, claim: &Claim, controls: &Controls) -> CallBus {
        CallBus {
            ports: Arc::clone(self),
            ownership: claim.ownership(&self.worker),
            controls: controls.clone(),
        }
    }
}

// === impl CallBus ===

impl CallBus {
    /// The call's right to write to its stream.
    pub(crate) fn ownership(&self) -> &Ownership {
        &self.ownership
    }

    /// What all calls of the worker use.
    pub(crate) fn ports(&self) -> &CallPorts {
        &self.ports
    }

    /// What can stop the call.
    pub(crate) fn controls(&self) -> &Controls {
        &self.controls
    }

    /// The time by the clock of the bus, in milliseconds since 1970.
    pub(crate) fn now_ms(&self) -> u64 {
        self.ports.requests.now_ms()
    }

    /// Where handlers keep their state.
    pub(crate) fn state_store(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.ports.state)
    }

    /// Makes a redelivered claim the owner of its stream.
    ///
    /// # Errors
    ///
    /// Why the call must end; so it is with every step.
    pub(crate) async fn take_over(&self) -> Result<TakeOver, Stop> {
        let take_over = || self.ports.logs.take_over(&self.ownership);
        self.retry("take over the stream", take_over).await
    }

    /// Puts events of the stream into the queue of those that are to be written.
    pub(crate) fn begin_append(&self, events: Vec<StreamEvent>) -> Writing {
        self.ports.events.put(Append {
            ownership: self.ownership.clone(),
            events,
        })
    }

    /// Appends events to the stream, all of them or none.
    pub(crate) async fn append(&self, events: &[StreamEvent]) -> Result<Appended, Stop> {
        let append = || async {
            let mut writing = self.begin_append(events.to_vec());
            writing.written().await.outcome
        };
        self.retry("append an event", append).await
    }

    /// Takes the client's mail; what came with the `received` first messages is removed.
    pub(crate) async fn take_mail(&self, received: u64) -> Result<Mail, Stop> {
        let take_mail = || self.ports.signals.take_mail(&self.ownership, received);
        self.retry("take mail", take_mail).await
    }

    /// Counts a part of the task to the share of its caller; `false` if there is no room for it.
    pub(crate) async fn keep(
        &self,
        share: &Share,
        part: TaskPart<'_>,
        bytes: usize,
        life: Duration,
    ) -> Result<bool, Stop> {
        let name = &self.ownership.stream;
        let keep = || async {
            match self.ports.tasks.keep(share, name, part, bytes, life).await {
                Err(BusError::ShareFull(_)) => Ok(false),
                kept => kept.map(|()| true),
            }
        };
        self.retry("count what a task keeps", keep).await
    }

    /// Makes a task of the call.
    pub(crate) async fn promote(&self, promotion: &Promotion) -> Result<Appended, Stop> {
        let promote = || self.ports.tasks.promote(&self.ownership, promotion);
        self.retry("make a task of the call", promote).await
    }

    /// Notes what the task says of itself.
    pub(crate) async fn note_status(&self, message: &str) -> Result<Appended, Stop> {
        let note = || self.ports.tasks.note_status(&self.ownership, message);
        self.retry("note what a task says", note).await
    }

    /// Lets the task wait for its client.
    pub(crate) async fn park(&self, parking: &Parking) -> Result<Appended, Stop> {
        let park = || self.ports.tasks.park(&self.ownership, parking);
        self.retry("let a task wait for its client", park).await
    }

    /// What the task was told so far.
    pub(crate) async fn inputs(&self) -> Result<Inputs, Stop> {
        let read = || self.ports.tasks.inputs(&self.ownership);
        match self.retry("read what a task was told", read).await? {
            Ok(inputs) => Ok(inputs),
            Err(Refusal::Cancelled | Refusal::Finished) => Err(Stop::Cancelled),
            Err(Refusal::LostOwnership | Refusal::LogFull) => Err(Stop::Lost),
        }
    }

    /// A task of this caller.
    pub(crate) async fn task(
        &self,
        name: &StreamId,
        principal: &str,
    ) -> Result<Option<TaskSight>, Stop> {
        let look = || self.ports.tasks.task(name, principal);
        self.retry("look at a task", look).await
    }

    /// Cancels the call, which is of the modern era, unless it is a task: nobody waits for it.
    pub(crate) async fn abandon(&self) -> Result<(), Stop> {
        let (stream, entry) = (&self.ownership.stream, Some(&self.ownership.entry));
        let cancel = || self.ports.signals.abandon_call(stream, entry, Era::Modern);
        self.retry("cancel the call", cancel).await.map(drop)
    }

    /// Uses an idempotency key.
    pub(crate) async fn begin_once(&self, once: &KeyUse) -> Result<KeyState, Stop> {
        let kept = match once.takes_task {
            true => self.kept().max(self.ports.tasks_take),
            false => self.kept(),
        };
        let begin = || self.ports.outcomes.begin_once(once, kept);
        self.retry("use an idempotency key", begin).await
    }

    /// Records how the call under a key ended.
    pub(crate) async fn record_outcome(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
    ) -> Result<(), Stop> {
        let record = || self.try_to_record(once, outcome);
        self.retry("record an outcome", record).await
    }

    /// Records how the call under a key ended, once, whether or not the call must end.
    pub(crate) async fn try_to_record(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
    ) -> Result<(), BusError> {
        let outcomes = &self.ports.outcomes;
        outcomes
            .record_outcome(once, outcome, self.kept())
            .await
            .map(drop)
    }

    /// Lets the next call under a key run.
    pub(crate) async fn release_key(&self, once: &KeyUse) -> Result<(), Stop> {
        let release = || self.ports.outcomes.release_key(once);
        self.retry("release an idempotency key", release)
            .await
            .map(drop)
    }

    /// Says how the call under a key ended, and if it has not, that it ended so.
    pub(crate) async fn conclude_once(
        &self,
        once: &KeyUse,
        outcome: &Outcome,
    ) -> Result<KeyState, Stop> {
        let outcomes = &self.ports.outcomes;
        let conclude = || outcomes.conclude_once(once, outcome, self.kept());
        self.retry("conclude a call under its idempotency key", conclude)
            .await
    }

    /// Ends a request of this call's, at once and by itself.
    pub(crate) async fn finish(&self, finish: Finish) -> Result<(), Stop> {
        let finish = [finish];
        let finished = self.retry("finish the request", || self.ports.requests.finish(&finish));
        if finished.await?.contains(&Err(Refusal::LostOwnership)) {
            return Err(Stop::Lost);
        }
        Ok(())
    }

    /// Makes the request a dead letter.
    pub(crate) async fn dead_letter(&self, claim: &Claim, reason: &str) -> Result<(), Stop> {
        let dead_letter = || self.ports.requests.dead_letter(claim, reason);
        self.retry("store a dead letter", dead_letter).await
    }

    /// Whether there are as many tasks as there may be, and that was told.
    pub(crate) fn tasks_full(&self) -> &Alarm {
        &self.ports.tasks_full
    }

    fn kept(&self) -> Duration {
        self.ports.outcomes_kept
    }

    async fn retry<T, F: Future<Output = Result<T, BusError>>>(
        &self,
        step: &'static str,
        mut attempt: impl FnMut() -> F,
    ) -> Result<T, Stop> {
        let stream = &self.ownership.stream;
        let mut outage = Outage::for_at_most(self.ports.patience);
        loop {
            let error = tokio::select! {
                biased;
                reason = self.controls.stopped() => return Err(reason),
                outcome = attempt() => match outcome {
                    Ok(done) => return Ok(done),
                    Err(error) if error.is_passing() => error,
                    Err(error) => {
                        tracing::error!(
                            %error, step, %stream,
                            "the bus refused a step of a call; other workers get the call when its lease ends"
                        );
                        return Err(Stop::Lost);
                    }
                },
            };
            if outage.begins() {
                tracing::warn!(%error, step, %stream, "the bus is away; the call waits and tries again");
            }
            let waited = tokio::select! {
                reason = self.controls.stopped() => return Err(reason),
                waited = outage.pause() => waited,
            };
            if !waited {
                tracing::error!(
                    %error, step, %stream,
                    "the bus was away for too long; other workers get the call when its lease ends"
                );
                return Err(Stop::Lost);
            }
        }
    }
}
