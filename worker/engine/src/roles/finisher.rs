//! Ends requests, many at once.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::{BusError, Finish, Refusal};
use prynai_process::outage::Outage;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::call::audit;
use crate::call::ending::Ending;
use crate::metrics::metrics;
use crate::roles::brief_logs::BriefLogs;
use crate::roles::worker::Worker;

/// Requests that one call of the bus ends at most.
const BATCH: usize = 128;

/// Ends all requests that are ready with one call of the bus, waits for it, and repeats. There is no
/// timer: an idle worker ends a request at once, a busy one ends many together.
pub(crate) struct Finisher {
    pub(crate) endings: mpsc::Receiver<Ending>,
    pub(crate) writer: EndingWriter,
}

/// Writes endings to the bus. Cheap to clone.
#[derive(Clone)]
pub(crate) struct EndingWriter {
    pub(crate) worker: Arc<Worker>,
    /// How long the bus may be away until responses are given up.
    pub(crate) patience: Duration,
    pub(crate) brief_logs: BriefLogs,
}

// === impl Finisher ===

impl Finisher {
    /// Runs until every sender is gone.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        // No more than calls, each of which has its place until it is ended.
        let mut large = JoinSet::new();
        while self.endings.recv_many(&mut batch, BATCH).await > 0 {
            for ending in batch.extract_if(.., |ending| ending.is_large()) {
                let writer = self.writer.clone();
                large.spawn(async move { writer.write(&mut vec![ending]).await });
            }
            if !batch.is_empty() {
                self.writer.write(&mut batch).await;
            }
            while large.try_join_next().is_some() {}
        }
        while large.join_next().await.is_some() {}
    }
}

// === impl EndingWriter ===

impl EndingWriter {
    async fn write(&self, batch: &mut Vec<Ending>) {
        match self.finish(batch).await {
            Ok(()) => self.brief_logs.note(batch.drain(..)),
            Err(error) if error.is_passing() => batch.drain(..).for_each(|e| self.give_up(e)),
            // Something in the batch cannot be written; the others shall not suffer for it.
            Err(_) => {
                for ending in batch.drain(..) {
                    match self.finish(std::slice::from_ref(&ending)).await {
                        Ok(()) => self.brief_logs.note([ending]),
                        Err(_) => self.give_up(ending),
                    }
                }
            }
        }
    }

    async fn finish(&self, batch: &[Ending]) -> Result<(), BusError> {
        let requests: Vec<Finish> = batch.iter().map(|ending| ending.finish.clone()).collect();
        let mut outage = Outage::for_at_most(self.patience);
        loop {
            let error = match self.worker.requests.finish(&requests).await {
                Ok(written) => {
                    tell_refusals(&requests, &written);
                    let now_ms = self.worker.requests.now_ms();
                    audit::write_elsewhere(&requests, &written, now_ms);
                    count_tasks(batch, &written, now_ms);
                    return Ok(());
                }
                Err(error) => error,
            };
            if outage.begins() {
                tracing::warn!(
                    %error,
                    responses = requests.len(),
                    "responses cannot be written to the bus; if it is only away, they are kept and tried again"
                );
            }
            if !error.is_passing() {
                return Err(error);
            }
            let again = tokio::select! {
                biased;
                () = self.worker.shutdown.hard().cancelled() => false,
                again = outage.pause() => again,
            };
            if !again {
                return Err(error);
            }
        }
    }

    /// Nobody renews the lease of what is given up, so another worker takes it over; at the end of the
    /// process it is handed back.
    fn give_up(&self, ending: Ending) {
        let stream = ending.finish.ownership.stream;
        tracing::error!(
            %stream,
            "a response could not be written to the bus; the request goes to another worker when its lease ends"
        );
        if self.worker.shutdown.hard().is_cancelled() {
            ending.slot.keep_place();
        }
    }
}

/// Counts the tasks among what has ended.
fn count_tasks(batch: &[Ending], written: &[Result<(), Refusal>], now_ms: u64) {
    for (ending, written) in batch.iter().zip(written) {
        let outcome = match written {
            Ok(()) => ending.outcome,
            // Its response came too late.
            Err(Refusal::Cancelled) => "cancelled",
            Err(Refusal::LostOwnership | Refusal::Finished | Refusal::LogFull) => continue,
        };
        if let Some(since_ms) = ending.slot.task_since() {
            let age = Duration::from_millis(now_ms.saturating_sub(since_ms));
            metrics().task_ended(outcome, age);
        }
    }
}

fn tell_refusals(requests: &[Finish], written: &[Result<(), Refusal>]) {
    for (request, written) in requests.iter().zip(written) {
        if let Err(refusal) = written {
            tracing::debug!(
                stream = %request.ownership.stream,
                ?refusal,
                "the bus refused a response: the request is cancelled, finished, or another worker's"
            );
        }
    }
}
