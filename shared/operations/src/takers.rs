//! Which workers could take what waits.

use prynai_bus::operations::WorkerSight;

use crate::text::{counted, span};

/// The workers that live, by whether they take what waits.
#[derive(Debug, Default)]
pub(crate) struct Takers {
    /// Those that take it once they have room.
    pub(crate) able: u64,
    /// Those that claim nothing although they have room.
    silent: u64,
    /// Those that end after their calls.
    draining: u64,
}

impl Takers {
    pub(crate) fn among(workers: &[WorkerSight]) -> Self {
        let mut takers = Self::default();
        for worker in workers.iter().filter(|worker| worker.is_alive) {
            match (worker.is_silent, worker.is_draining) {
                (true, _) => takers.silent += 1,
                (_, true) => takers.draining += 1,
                _ => takers.able += 1,
            }
        }
        takers
    }

    pub(crate) fn living(&self) -> u64 {
        self.able + self.silent + self.draining
    }

    /// Why requests wait although workers live, and what to do.
    pub(crate) fn why(&self) -> &'static str {
        match (self.able, self.silent, self.draining) {
            (0, 0, _) => "all workers that live drain, start others",
            (0, _, 0) => "no worker that lives claims anything",
            (0, ..) => "the workers that live drain, or claim nothing; start others",
            (_, 0, 0) => "the workers have no room, start more",
            _ => "the other workers have no room, start more",
        }
    }

    /// How many of them take nothing, if some do.
    pub(crate) fn who_takes_nothing(&self) -> Option<String> {
        let drain = format!(
            "{} and {} nothing more",
            counted(self.draining, "drains", "drain"),
            match self.draining {
                1 => "claims",
                _ => "claim",
            }
        );
        let silent = format!(
            "{} silent: restart {}",
            counted(self.silent, "is", "are"),
            if self.silent == 1 { "it" } else { "them" }
        );
        let parts: Vec<_> = [(self.draining, drain), (self.silent, silent)]
            .into_iter()
            .filter_map(|(count, said)| (count > 0).then_some(said))
            .collect();
        let living = counted(self.living(), "worker that lives", "workers that live");
        (!parts.is_empty()).then(|| format!("of {living}, {}", parts.join("; ")))
    }
}

/// What is to be said of a worker that claims nothing although requests wait.
pub(crate) fn silent(worker: &WorkerSight) -> String {
    format!(
        "worker {} claims nothing although requests wait: it runs none, and was last heard of {} ago. Its process stands \
         still, or calls that were cancelled do not end in it: look at its log, and restart it",
        worker.worker,
        span(worker.heard_ms_ago)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn worker(is_silent: bool, is_draining: bool) -> WorkerSight {
        WorkerSight {
            is_alive: true,
            is_silent,
            is_draining,
            ..WorkerSight::default()
        }
    }

    #[test]
    fn more_workers_are_wanted_only_if_those_that_claim_have_no_room() {
        let (able, silent, drains) = (
            worker(false, false),
            worker(true, false),
            worker(false, true),
        );
        let why = |workers: &[&WorkerSight]| {
            let workers: Vec<_> = workers.iter().copied().cloned().collect();
            Takers::among(&workers).why()
        };
        assert_eq!(why(&[&able]), "the workers have no room, start more");
        assert!(why(&[&able, &silent]).starts_with("the other workers"));
        assert_eq!(
            why(&[&drains, &drains]),
            "all workers that live drain, start others"
        );
        assert!(!why(&[&silent, &silent]).contains("start"));
        assert!(why(&[&silent, &drains]).contains("start others"));
        let takers = Takers::among(&[able, silent, drains]);
        assert_eq!(
            takers.who_takes_nothing().as_deref(),
            Some(
                "of 3 workers that live, 1 drains and claims nothing more; 1 is silent: restart it"
            )
        );
    }
}
