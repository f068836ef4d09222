//! Whether workers are there for what is queued.

use std::time::Duration;

use prynai_bus::{Bus, BusError};
use tokio::sync::Mutex;
use tokio::time::Instant;

/// How long one look counts, however many probes come.
const FRESH: Duration = Duration::from_secs(1);

/// Whether somebody takes what is queued.
pub(crate) struct WorkerWatch {
    grace: Duration,
    last: Mutex<Option<(Instant, Workers)>>,
}

/// What is known of all workers together.
#[derive(Clone, Copy)]
pub(crate) struct Workers {
    /// How long ago one was last heard of.
    pub(crate) seen: Option<Duration>,
    /// Requests that wait, and for how long the oldest.
    waiting: u64,
    oldest: Duration,
}

// === impl WorkerWatch ===

impl WorkerWatch {
    /// `grace`: how long requests may wait while no worker lives.
    pub(crate) fn new(grace: Duration) -> Self {
        Self {
            grace,
            last: Mutex::default(),
        }
    }

    /// What is known now.
    pub(crate) async fn look(&self, bus: &dyn Bus) -> Result<Workers, BusError> {
        let mut last = self.last.lock().await;
        if let Some((at, workers)) = *last
            && at.elapsed() < FRESH
        {
            return Ok(workers);
        }
        let (seen, backlog) = tokio::try_join!(bus.worker_seen(), bus.backlog())?;
        let workers = Workers {
            seen,
            waiting: backlog.waiting,
            oldest: backlog.oldest,
        };
        *last = Some((Instant::now(), workers));
        Ok(workers)
    }

    /// What is wrong when requests wait in vain.
    pub(crate) fn fault(&self, workers: &Workers) -> Option<String> {
        let is_silent = workers.seen.is_none_or(|seen| seen > self.grace);
        if !is_silent || workers.oldest <= self.grace {
            return None;
        }
        let (waiting, oldest) = (workers.waiting, workers.oldest.as_secs());
        let seen = match workers.seen {
            Some(seen) => format!("no worker was heard of for {} s", seen.as_secs()),
            None => "no worker is known".to_owned(),
        };
        Some(format!(
            "{seen}, and requests wait ({waiting}), the oldest for {oldest} s; start workers"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_waits_for_too_long_without_a_worker_is_a_fault() {
        let seconds = Duration::from_secs;
        let watch = WorkerWatch::new(seconds(60));
        let fault = |seen: Option<u64>, oldest: u64| {
            watch.fault(&Workers {
                seen: seen.map(seconds),
                waiting: u64::from(oldest > 0),
                oldest: seconds(oldest),
            })
        };
        assert_eq!(fault(Some(0), 0), None);
        assert_eq!(fault(None, 0), None, "scaled to zero");
        assert_eq!(fault(None, 60), None, "the autoscaler has time");
        assert_eq!(fault(Some(60), 900), None, "a full worker lives");
        let silent = fault(Some(61), 61).expect("a fault");
        assert!(
            silent.contains("for 61 s, and requests wait (1)"),
            "{silent}"
        );
        let unknown = fault(None, 61).expect("a fault");
        assert!(unknown.starts_with("no worker is known"), "{unknown}");
    }
}
