//! Is all well?

use prynai_bus::operations::{GatewaySight, Operations, Overview, Place, WorkerSight};
use serde::Serialize;

use crate::Failed;
use crate::explain::{Concern, attention};

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

/// How many workers live, are deaf, and are gone. Those that stopped in order are left out: nobody misses them.
pub fn living_workers(workers: &[WorkerSight]) -> String {
    let missed = workers.iter().filter(|worker| !worker.has_stopped);
    living(missed.map(|worker| (worker.is_alive, worker.is_listening)))
}

/// How many gateways live, and are deaf. Those that are gone are left out: the bus does not say which of them stopped
/// in order, and nothing is to be done about any.
pub fn living_gateways(gateways: &[GatewaySight]) -> String {
    let there = gateways.iter().filter(|gateway| gateway.is_alive);
    living(there.map(|gateway| (true, gateway.is_listening)))
}

/// How many processes live, are deaf, and are gone: whether each lives, and hears.
fn living(processes: impl Iterator<Item = (bool, bool)>) -> String {
    let (mut alive, mut deaf, mut gone) = (0, 0, 0);
    for (is_alive, is_listening) in processes {
        alive += u32::from(is_alive);
        deaf += u32::from(is_alive && !is_listening);
        gone += u32::from(!is_alive);
    }
    let mut text = format!("{alive} alive");
    if deaf > 0 {
        text += &format!(", {deaf} of them deaf");
    }
    if gone > 0 {
        text += &format!(", {gone} gone");
    }
    text
}
