//! Is all well?

use prynai_bus::operations::{
    GatewaySight, OpenTasks, Operations, Overview, Place, TaskCounts, WorkerSight,
};
use serde::Serialize;

use crate::Failed;
use crate::explain::{Concern, attention};
use crate::text::{gateway_state, size, span, worker_state};

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

/// How far the open tasks are, in words, and how old the oldest is.
pub fn open_tasks(counts: &TaskCounts, open: &OpenTasks) -> String {
    let working = counts.working;
    let queued = open.queued.min(working);
    let mut text = match open.has_more {
        // Of the others nobody looked which they do.
        true => format!("{working} run or are queued"),
        false => format!("{}, {queued} queued", verb(working - queued, "runs", "run")),
    };
    let asking = verb(
        counts.input_required,
        "waits for its client",
        "wait for their clients",
    );
    text += &format!(", {asking}");
    if let Some(age_ms) = open.oldest_ms {
        text += &format!(" (oldest {})", span(age_ms));
    }
    text
}

/// How many do so.
fn verb(count: u64, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}

/// What the server of the bus says of itself, in words.
pub fn server(overview: &Overview) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn open_tasks_are_told_in_words() {
        for (working, asking, queued, oldest_ms, has_more, told) in [
            (
                0,
                0,
                0,
                None,
                false,
                "0 run, 0 queued, 0 wait for their clients",
            ),
            (
                2,
                1,
                1,
                Some(65_000),
                false,
                "1 runs, 1 queued, 1 waits for its client (oldest 1 min 5 s)",
            ),
            // One has ended between two looks.
            (
                1,
                2,
                2,
                None,
                false,
                "0 run, 1 queued, 2 wait for their clients",
            ),
            (
                5_000,
                0,
                9,
                None,
                true,
                "5000 run or are queued, 0 wait for their clients",
            ),
        ] {
            let counts = TaskCounts {
                working,
                input_required: asking,
                kept: 9_000,
            };
            let open = OpenTasks {
                queued,
                oldest_ms,
                has_more,
            };
            assert_eq!(open_tasks(&counts, &open), told);
        }
    }
}
