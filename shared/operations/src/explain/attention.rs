//! What needs attention.

use prynai_bus::operations::{GatewaySight, Overview, WorkerSight};
use serde::Serialize;

use crate::takers::{self, Takers};
use crate::text::{counted, span};

/// A request that waits for longer, while workers live, is told as one that needs attention.
const LONG_WAIT_MS: u64 = 30_000;

/// Something that an operator should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Concern {
    /// What it is.
    pub said: String,
    /// Where more is to be seen.
    #[serde(skip)]
    pub more: Option<More>,
}

/// A list that shows more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum More {
    /// The workers.
    Workers,
    /// The dead letters.
    DeadLetters,
}

/// Those that are found, without a list that shows more of them.
struct Concerns(Vec<Concern>);

impl Concerns {
    fn push(&mut self, said: String) {
        self.0.push(Concern { said, more: None });
    }

    fn extend(&mut self, said: impl Iterator<Item = String>) {
        said.for_each(|said| self.push(said));
    }
}

/// What an operator should look at; nothing when all is well.
pub fn attention(
    overview: &Overview,
    workers: &[WorkerSight],
    gateways: &[GatewaySight],
) -> Vec<Concern> {
    let mut found = Concerns(Vec::new());
    let takers = Takers::among(workers);
    let living = takers.living();
    if !overview.has_group {
        found.push(
            "the consumer group of the workers is gone; the next process that uses the queue makes it again"
                .to_owned(),
        );
    }
    match overview.oldest_waiting_ms {
        Some(wait) if living == 0 => found.push(format!(
            "no worker lives, and {}, the oldest for {}: start workers",
            counted(overview.waiting, "request waits", "requests wait"),
            span(wait)
        )),
        None if living == 0 && overview.running > 0 => found.push(format!(
            "no worker lives, and {} claimed: start workers",
            counted(overview.running, "request is", "requests are")
        )),
        Some(wait) if takers.able == 0 || wait > LONG_WAIT_MS => found.0.push(Concern {
            said: format!(
                "{}, the oldest for {}: {}",
                counted(overview.waiting, "request waits", "requests wait"),
                span(wait),
                takers.why()
            ),
            more: Some(More::Workers),
        }),
        _ => {}
    }
    if overview.unattributed > 0 {
        found.push(format!(
            "{} in nobody's hands, since Redis lost data or failed over; that is redelivered when its lease ends",
            counted(overview.unattributed, "request is", "requests are")
        ));
    }
    for worker in workers {
        let name = &worker.worker;
        match (worker.is_alive, worker.is_listening) {
            // Others take over within a lease what it did not hand back.
            (false, _) if worker.has_stopped => {}
            (false, _) if worker.running > 0 => found.push(format!(
                "worker {name} was last heard of {} ago and has {}; {}",
                span(worker.heard_ms_ago),
                requests(worker.running),
                match living {
                    0 => "nobody takes them over until a worker starts",
                    _ => "others take them over when its leases end",
                }
            )),
            (true, false) => found.push(format!(
                "worker {name} hears neither cancels nor answers of clients: it was killed a moment ago, or its \
                 subscription is cut off. If that lasts, look at its log, and restart it"
            )),
            (true, true) if worker.is_silent => found.push(takers::silent(worker)),
            _ => {}
        }
    }
    if !gateways.iter().any(|gateway| gateway.is_alive) {
        found.push("no gateway lives: clients cannot connect".to_owned());
    }
    let deaf = gateways.iter().filter(|g| g.is_alive && !g.is_listening);
    found.extend(deaf.map(|gateway| {
        format!(
            "gateway {} lives, and hears nothing that workers publish: look at its log, restart it",
            gateway.gateway
        )
    }));
    if overview.dead_letters > 0 {
        found.0.push(Concern {
            said: format!(
                "{} could not be served: the dead letters say why",
                requests(overview.dead_letters)
            ),
            more: Some(More::DeadLetters),
        });
    }
    let eviction = overview
        .server
        .as_ref()
        .and_then(|server| server.eviction.as_deref());
    if let Some(policy) = eviction.filter(|policy| *policy != "noeviction") {
        found.push(format!(
            "Redis may remove keys when its memory is full (maxmemory-policy {policy}): set it to noeviction"
        ));
    }
    found.0
}

fn requests(count: u64) -> String {
    counted(count, "request", "requests")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_of_lost_workers_need_a_worker_even_if_nothing_waits() {
        let overview = Overview {
            has_group: true,
            running: 2,
            ..Overview::default()
        };
        let lost = WorkerSight {
            worker: "wk-lost".to_owned(),
            running: 2,
            ..WorkerSight::default()
        };
        let told = |workers: &[WorkerSight]| {
            let found = attention(&overview, workers, &[]);
            let said: Vec<_> = found.into_iter().map(|concern| concern.said).collect();
            said.join("\n")
        };
        let alone = told(std::slice::from_ref(&lost));
        let dire = "no worker lives, and 2 requests are claimed: start workers";
        assert!(alone.contains(dire), "{alone}");
        assert!(!alone.contains("others take them over"), "{alone}");
        let living = WorkerSight {
            is_alive: true,
            is_listening: true,
            ..WorkerSight::default()
        };
        let beside = told(&[lost, living]);
        assert!(!beside.contains("no worker lives"), "{beside}");
        assert!(beside.contains("others take them over"), "{beside}");
    }
}
