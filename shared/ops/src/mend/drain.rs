//! Letting a worker end in order.

use std::io::{Write, stderr};
use std::time::{Duration, Instant};

use prynai_bus::operations::Repairs;
use prynai_operations::mend::drain::{find, find_listening};
use prynai_operations::text::{counted, harmless, span};
use serde::Serialize;

use super::confirm;
use crate::look::{Failed, Shown};
use crate::settings::DrainAsked;

/// Time between two looks. A worker that did not hear is told again.
const LOOK: Duration = Duration::from_secs(1);

/// Looks in a row at which a worker must not hear until it counts as ended, if it does not live either: its
/// subscription may break for a moment.
const DEAF_LOOKS: u32 = 3;

/// What became of a drain.
#[derive(Debug, Serialize)]
pub struct Drained {
    /// The worker.
    pub worker: String,
    /// Its process has ended.
    pub has_ended: bool,
    /// It hears what it is told. If it neither hears nor has ended, nobody knows whether it drains.
    pub is_listening: bool,
    /// It said that it drains.
    pub is_draining: bool,
    /// Entries that it still has.
    pub running: u64,
}

pub(crate) async fn drain(repairs: &dyn Repairs, asked: &DrainAsked) -> Result<Drained, Failed> {
    let name = &asked.worker;
    let worker = find_listening(repairs, name).await?;
    let question = format!(
        "Drain the worker {name}? It claims nothing more, and ends when its {} calls have ended.",
        worker.running
    );
    confirm(&question, asked.yes)?;
    let id = name.as_str().into();
    let (begun, mut deaf) = (Instant::now(), 0);
    let mut is_told = false;
    loop {
        let is_listening = repairs.drain(&id).await?;
        if is_listening && !is_told {
            is_told = true;
            told(asked);
        }
        deaf = if is_listening { 0 } else { deaf + 1 };
        let worker = find(repairs, name).await?;
        let lives = worker.as_ref().is_some_and(|worker| worker.is_alive);
        let has_stopped = worker.as_ref().is_some_and(|worker| worker.has_stopped);
        let has_ended = has_stopped || (deaf >= DEAF_LOOKS && !lives);
        if has_ended || begun.elapsed() >= asked.wait {
            return Ok(Drained {
                worker: name.clone(),
                has_ended,
                is_listening,
                is_draining: worker.as_ref().is_some_and(|worker| worker.is_draining),
                running: worker.map_or(0, |worker| worker.running),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

/// Says at once what was done and what is waited for, beside what is answered in the end.
fn told(asked: &DrainAsked) {
    let wait = asked.wait.as_millis().try_into().unwrap_or(u64::MAX);
    let told = format!(
        "The worker {} was told to drain; waiting for its end for {} at most (--wait).",
        asked.worker,
        span(wait)
    );
    // Whoever closed standard error does not want to know.
    let _ = writeln!(stderr(), "{}", harmless(&told));
}

impl Shown for Drained {
    fn words(&self, _: Option<usize>) -> String {
        let name = &self.worker;
        match (self.has_ended, self.running) {
            (false, _) if !self.is_listening => format!(
                "The worker {name} does not hear now: it is not known whether it drains (prynai-ops workers).\n"
            ),
            (true, 0) => format!("The worker {name} has ended.\n"),
            (true, running) => format!(
                "The worker {name} has ended and left {running} requests, which others take over.\n"
            ),
            (false, _) if !self.is_draining => format!(
                "The worker {name} was told, and has not confirmed yet that it drains: if that lasts, its process stands \
                 still, or its release does not say so (prynai-ops workers).\n"
            ),
            (false, running) => format!(
                "The worker {name} drains: it still runs {}, and ends after them \
                 (prynai-ops queue --worker {name}).\n",
                counted(running, "request", "requests")
            ),
        }
    }
}
