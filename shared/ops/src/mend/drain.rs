//! Letting a worker end in order.

use std::time::{Duration, Instant};

use prynai_bus::operations::{Operations, Repairs, WorkerSight};
use serde::Serialize;

use super::confirm;
use crate::look::{Failed, Shown};
use crate::settings::DrainAsked;

/// Time between two looks. A worker that did not hear is told again.
const LOOK: Duration = Duration::from_secs(1);

/// What became of a drain.
#[derive(Debug, Serialize)]
pub struct Drained {
    /// The worker.
    pub worker: String,
    /// Its process has ended.
    pub has_ended: bool,
    /// Entries that it still has.
    pub running: u64,
}

pub(crate) async fn drain(repairs: &dyn Repairs, asked: &DrainAsked) -> Result<Drained, Failed> {
    let name = &asked.worker;
    let worker = find(repairs, name).await?;
    let worker = worker.ok_or_else(|| Failed::Unknown(format!("there is no worker {name}")))?;
    if !worker.is_listening {
        return Err(Failed::Unknown(format!(
            "the worker {name} does not hear: it is gone, or must be ended where it runs"
        )));
    }
    let question = format!(
        "Drain the worker {name}? It claims nothing more, and ends when its {} calls have ended.",
        worker.running
    );
    confirm(&question, asked.yes)?;
    let id = name.as_str().into();
    let begun = Instant::now();
    loop {
        let hears = repairs.drain(&id).await?;
        let running = find(repairs, name)
            .await?
            .map_or(0, |worker| worker.running);
        if !hears || begun.elapsed() >= asked.wait {
            return Ok(Drained {
                worker: name.clone(),
                has_ended: !hears,
                running,
            });
        }
        tokio::time::sleep(LOOK).await;
    }
}

async fn find(operations: &dyn Operations, name: &str) -> Result<Option<WorkerSight>, Failed> {
    let workers = operations.workers().await?.into_iter();
    Ok(workers.into_iter().find(|worker| worker.worker == name))
}

impl Shown for Drained {
    fn words(&self, _: Option<usize>) -> String {
        let name = &self.worker;
        match (self.has_ended, self.running) {
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
