//! What a call hands over when it has come to its end.

use prynai_bus::Finish;
use tokio::sync::mpsc;

use crate::call::running::Slot;

/// Responses and events of more bytes are delivered by themselves: others would wait for them.
pub(crate) const LARGE: usize = 64 * 1024;

/// Where calls put their endings.
#[derive(Debug, Clone)]
pub(crate) struct FinishQueue(mpsc::Sender<Ending>);

/// A request to be ended.
#[derive(Debug)]
pub(crate) struct Ending {
    pub(crate) finish: Finish,
    /// Given up once the request is ended, so that unfinished endings count as running.
    pub(crate) slot: Slot,
    /// Its caller has as much in logs as it may: the log ends soon.
    pub(crate) brief: bool,
    /// How it ended, in the word of the log.
    pub(crate) outcome: &'static str,
}

// === impl FinishQueue ===

impl FinishQueue {
    /// A queue for `concurrency` calls, each of which ends once.
    pub(crate) fn new(concurrency: usize) -> (Self, mpsc::Receiver<Ending>) {
        let (sender, receiver) = mpsc::channel(concurrency.max(1));
        (Self(sender), receiver)
    }

    /// Adds an ending.
    pub(crate) async fn push(&self, ending: Ending) {
        if ending.finish.event.is_some() {
            ending.slot.has_responded();
        }
        // The finisher outlives all calls; when it is gone so is the process.
        if let Err(lost) = self.0.send(ending).await {
            lost.0.slot.keep_place();
        }
    }
}

// === impl Ending ===

impl Ending {
    /// Whether others would wait for it.
    pub(crate) fn is_large(&self) -> bool {
        let event = self.finish.event.as_ref();
        let message = event.and_then(|event| event.message.as_ref());
        message.is_some_and(|message| message.as_str().len() > LARGE)
    }
}
