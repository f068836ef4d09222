//! Letting a worker end in order.

use std::time::{Duration, Instant};

use prynai_bus::operations::Repairs;
use prynai_operations::mend::drain::{find, find_listening};
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
    loop {
        let is_listening = repairs.drain(&id).await?;
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
                running: worker.map_or(0, |worker| worker.running),
            });
        }
        tokio::time::sleep(LOOK).await;
    }
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
            (false, running) => format!(
                "The worker {name} drains: it still runs {running} requests, and ends after them \
                 (prynai-ops queue --worker {name}).\n"
            ),
        }
    }
}
