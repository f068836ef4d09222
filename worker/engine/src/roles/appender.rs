//! Writes events before the last one, those of many calls at once.

use std::sync::Arc;

use prynai_bus::{Append, Appended, BusError, EventLog};
use tokio::sync::mpsc;
use tokio::task::JoinSet;

use crate::call::ending::LARGE;
use crate::call::event_queue::{Taken, Waiting, Written};

/// Calls whose events one call of the bus writes at most.
const BATCH: usize = 128;

/// Writes all events that are ready with one call of the bus, waits for it, and repeats. There is no timer: an idle
/// worker writes an event at once, a busy one writes many together. What fails is the call's to repeat.
pub(crate) struct Appender {
    pub(crate) waiting: mpsc::UnboundedReceiver<Waiting>,
    pub(crate) logs: Arc<dyn EventLog>,
}

impl Appender {
    /// Runs until nobody can put anything into the queue any more.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        // No more than calls, each of which has one write under way.
        let mut large = JoinSet::new();
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 {
            let mut ready = Vec::with_capacity(batch.len());
            for taken in batch.drain(..).filter_map(Waiting::take) {
                if is_large(&taken.append) {
                    let logs = Arc::clone(&self.logs);
                    large.spawn(async move { write(&*logs, vec![taken]).await });
                } else {
                    ready.push(taken);
                }
            }
            if !ready.is_empty() {
                write(&*self.logs, ready).await;
            }
            while large.try_join_next().is_some() {}
        }
        while large.join_next().await.is_some() {}
    }
}

/// Whether others would wait for it.
fn is_large(append: &Append) -> bool {
    let messages = append
        .events
        .iter()
        .filter_map(|event| event.message.as_ref());
    messages
        .map(|message| message.as_str().len())
        .sum::<usize>()
        > LARGE
}

async fn write(logs: &dyn EventLog, ready: Vec<Taken>) {
    let (appends, answers): (Vec<_>, Vec<_>) = ready
        .into_iter()
        .map(|taken| (taken.append, taken.answer))
        .unzip();
    let outcomes = outcomes(logs, &appends).await;
    for ((append, answer), outcome) in appends.into_iter().zip(answers).zip(outcomes) {
        let events = append.events;
        // A call that has ended does not hear it.
        drop(answer.send(Written { events, outcome }));
    }
}

/// One for each.
async fn outcomes(logs: &dyn EventLog, appends: &[Append]) -> Vec<Result<Appended, BusError>> {
    match logs.append_all(appends).await {
        Ok(answers) => answers.into_iter().map(Ok).collect(),
        Err(BusError::Refused(reason)) => {
            let again = |_| Err(BusError::Refused(reason.clone()));
            appends.iter().map(again).collect()
        }
        Err(BusError::Unavailable(reason)) => {
            let again = |_| Err(BusError::Unavailable(reason.clone()));
            appends.iter().map(again).collect()
        }
        Err(error) if appends.len() == 1 => vec![Err(error)],
        // Something in the batch cannot be written; the others shall not suffer for it.
        Err(_) => {
            let mut outcomes = Vec::with_capacity(appends.len());
            for append in appends {
                let alone = logs.append_all(std::slice::from_ref(append)).await;
                let first = |answers: Vec<_>| answers.into_iter().next();
                let none = || BusError::Unexpected("no answer about events".to_owned());
                outcomes.push(alone.and_then(|answers| first(answers).ok_or_else(none)));
            }
            outcomes
        }
    }
}
