//! Is all well?

use prynai_bus::operations::{GatewaySight, Operations, Overview, Place, TaskCounts, WorkerSight};
use serde::Serialize;

use crate::Failed;
use crate::explain::{Concern, attention};
use crate::text::{gateway_state, worker_state};

/// How the fleet is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Where it is.
    pub place: Place,
    /// How much there is of everything.
    pub overview: Overview,
    /// Its workers.
    pub workers: Vec<WorkerSight>,
    /// Its gateways.
    pub gateways: Vec<GatewaySight>,
    /// What needs attention.
    pub attention: Vec<Concern>,
}

/// Reads how the fleet of this place is.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn read(operations: &dyn Operations, place: Place) -> Result<Status, Failed> {
    let overview = operations.overview().await?;
    let workers = operations.workers().await?;
    let gateways = operations.gateways().await?;
    Ok(Status {
        attention: attention(&overview, &workers, &gateways),
        place,
        overview,
        workers,
        gateways,
    })
}

/// How many tasks wait for their clients, in words.
pub fn asking(tasks: &TaskCounts) -> String {
    match tasks.input_required {
        1 => "1 waits for its client".to_owned(),
        count => format!("{count} wait for their clients"),
    }
}

/// What the server of the bus says of itself, in words.
pub fn server(overview: &Overview) -> String {
    use crate::text::{size, span};
    let Some(server) = &overview.server else {
        return "unknown: its user may not run INFO".to_owned();
    };
    let version = server.version.as_deref().unwrap_or("unknown");
    let mut text = format!("version {version}");
    if let Some(uptime) = server.uptime_s {
        text += &format!(", up {}", span(uptime.saturating_mul(1000)));
    }
    if let Some(bytes) = server.memory_bytes {
        text += &format!(", {}", size(bytes));
    }
    if let Some(limit) = server.memory_limit_bytes.filter(|limit| *limit > 0) {
        text += &format!(" of {}", size(limit));
    }
    text
}

/// How many workers live, and how, and how many are gone. Those that stopped in order are left out: nobody misses them.
pub fn living_workers(workers: &[WorkerSight]) -> String {
    let missed = workers.iter().filter(|worker| !worker.has_stopped);
    living(missed.map(|worker| (worker.is_alive, worker_state(worker))))
}

/// How many gateways live, and are deaf. Those that are gone are left out: the bus does not say which of them stopped
/// in order, and nothing is to be done about any.
pub fn living_gateways(gateways: &[GatewaySight]) -> String {
    let there = gateways.iter().filter(|gateway| gateway.is_alive);
    living(there.map(|gateway| (true, gateway_state(gateway))))
}

/// How many processes live, in which state, and are gone: whether each lives, and its state.
fn living(processes: impl Iterator<Item = (bool, &'static str)>) -> String {
    let processes: Vec<_> = processes.collect();
    let alive = processes.iter().filter(|(is_alive, _)| *is_alive).count();
    let mut text = format!("{alive} alive");
    for state in ["deaf", "silent", "draining"] {
        let count = processes.iter().filter(|(_, is)| *is == state).count();
        if count > 0 {
            text += &format!(", {count} of them {state}");
        }
    }
    if processes.len() > alive {
        text += &format!(", {} gone", processes.len() - alive);
    }
    text
}
