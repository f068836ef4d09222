//! Requests whose worker is gone: who takes them over, and when.

use prynai_bus::operations::{EntrySight, WorkerSight};
use serde::Serialize;

use crate::text::{counted, entry_state, span};

/// A worker that is gone and has requests.
#[derive(Debug, Clone, Serialize)]
pub struct LostWorker {
    /// Its name.
    pub worker: String,
    /// It was stopped in order.
    pub has_stopped: bool,
    /// When it was last heard of, in milliseconds.
    pub heard_ms_ago: u64,
    /// How many of the requests that are told it has.
    pub requests: u64,
    /// When the first of them is taken over, in milliseconds; absent as long as no worker lives.
    pub taken_over_in_ms: Option<u64>,
}

// === impl LostWorker ===

impl LostWorker {
    /// Those of `workers` that are gone and have some of `entries`.
    pub fn among(workers: &[WorkerSight], entries: &[EntrySight]) -> Vec<Self> {
        let one_lives = workers.iter().any(|worker| worker.is_alive);
        let gone = workers.iter().filter(|worker| !worker.is_alive);
        let lost = gone.filter_map(|worker| {
            let leases = entries.iter().filter_map(|entry| entry.lease.as_ref());
            let own = leases.filter(|lease| !lease.is_handed_back && lease.worker == worker.worker);
            let left = own.map(|lease| time_left(worker, lease.renewed_ms_ago));
            let (requests, first) = left.fold((0, u64::MAX), |(count, first), left| {
                (count + 1, first.min(left))
            });
            (requests > 0).then(|| Self {
                worker: worker.worker.clone(),
                has_stopped: worker.has_stopped,
                heard_ms_ago: worker.heard_ms_ago,
                requests,
                taken_over_in_ms: one_lives.then_some(first),
            })
        });
        lost.collect()
    }

    /// In words.
    pub fn said(&self) -> String {
        let name = &self.worker;
        let heard = heard(self.has_stopped, self.heard_ms_ago);
        let requests = counted(self.requests, "request", "requests");
        let when = taken_over(self.has_stopped, self.taken_over_in_ms);
        format!("worker {name} {heard} and has {requests} of these; {when}")
    }
}

/// How long its worker may still renew a lease, in milliseconds.
pub(crate) fn time_left(worker: &WorkerSight, renewed_ms_ago: u64) -> u64 {
    let lease_ms = worker.lease_ms.unwrap_or(0);
    lease_ms.saturating_sub(renewed_ms_ago)
}

/// When a worker was last there.
pub(crate) fn heard(has_stopped: bool, heard_ms_ago: u64) -> String {
    match has_stopped {
        true => "has stopped".to_owned(),
        false => format!("was last heard of {} ago", span(heard_ms_ago)),
    }
}

/// Who takes over what it has, and when; without a time no worker lives.
pub(crate) fn taken_over(has_stopped: bool, in_ms: Option<u64>) -> String {
    match in_ms {
        // It told its end, and with it its lease: what counts is the shortest lease of those that live.
        Some(_) if has_stopped => "others take that over within a lease".to_owned(),
        None => {
            "no worker lives, so nobody takes that over until one starts: start workers".to_owned()
        }
        Some(0) => "its lease is over, and the next worker with room takes that over".to_owned(),
        Some(ms) => format!(
            "another worker takes that over in about {}, when the lease ends",
            span(ms)
        ),
    }
}

/// Where an entry of the queue is, in a word or two, if these are the workers that are gone and have some.
pub fn state_among(entry: &EntrySight, lost: &[LostWorker]) -> &'static str {
    let is_lost = entry.lease.as_ref().is_some_and(|lease| {
        !lease.is_handed_back && lost.iter().any(|worker| worker.worker == lease.worker)
    });
    match is_lost && entry.is_readable {
        true => "lost its worker",
        false => entry_state(entry),
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::operations::Lease;

    use super::*;

    fn entry(worker: &str, is_handed_back: bool) -> EntrySight {
        EntrySight {
            is_readable: true,
            lease: Some(Lease {
                worker: worker.to_owned(),
                renewed_ms_ago: 4000,
                delivery: 1,
                is_handed_back,
            }),
            ..EntrySight::default()
        }
    }

    fn worker(name: &str, is_alive: bool) -> WorkerSight {
        WorkerSight {
            worker: name.to_owned(),
            is_alive,
            is_listening: is_alive,
            heard_ms_ago: 4000,
            lease_ms: Some(15_000),
            running: 1,
            ..WorkerSight::default()
        }
    }

    #[test]
    fn what_a_lost_worker_has_does_not_run() {
        let entries = [
            entry("wk-lost", false),
            entry("wk-lost", true),
            entry("wk-here", false),
        ];
        let workers = [worker("wk-here", true), worker("wk-lost", false)];
        let lost = LostWorker::among(&workers, &entries);
        let states: Vec<_> = entries.iter().map(|e| state_among(e, &lost)).collect();
        assert_eq!(states, ["lost its worker", "handed back", "runs"]);
        let said = lost[0].said();
        for part in ["4.0 s ago", "has 1 request of these", "in about 11.0 s"] {
            assert!(said.contains(part), "{said}");
        }
        let alone = LostWorker::among(&workers[1..], &entries);
        let said = alone[0].said();
        assert!(
            said.contains("nobody takes that over until one starts"),
            "{said}"
        );
        assert!(!said.contains("about"), "{said}");
        let stopped = WorkerSight {
            has_stopped: true,
            lease_ms: None,
            ..worker("wk-lost", false)
        };
        let lost = LostWorker::among(&[worker("wk-here", true), stopped], &entries);
        let said = lost[0].said();
        assert!(said.contains("within a lease"), "{said}");
    }
}
