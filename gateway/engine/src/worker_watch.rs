//! Whether workers are there for what is queued.

use std::time::Duration;

use prynai_bus::{Bus, BusError, WorkersSeen};
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
    /// When one was last there, if one is known.
    pub(crate) seen: Option<WorkersSeen>,
    /// Requests that wait, and for how long the oldest.
    waiting: u64,
    oldest: Duration,
    /// Requests that workers have claimed.
    running: u64,
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
        let (seen, backlog) = tokio::try_join!(bus.workers_seen(), bus.backlog())?;
        let workers = Workers {
            seen,
            waiting: backlog.waiting,
            oldest: backlog.oldest,
            running: backlog.running,
        };
        *last = Some((Instant::now(), workers));
        Ok(workers)
    }

    /// What is wrong when requests are there and no worker is. Those that wait may be new; those that a worker has
    /// claimed were there before it went.
    pub(crate) fn fault(&self, workers: &Workers) -> Option<String> {
        let is_absent = workers.seen.is_none_or(|seen| seen.absent > self.grace);
        let is_old = workers.running > 0 || workers.oldest > self.grace;
        if !is_absent || !is_old {
            return None;
        }
        let seen = match workers.seen {
            Some(seen) => format!("no worker was heard of for {} s", seen.heard.as_secs()),
            None => "no worker is known".to_owned(),
        };
        let (waiting, running) = (workers.waiting, workers.running);
        Some(format!(
            "{seen}, and there is work: {waiting} requests wait, {running} were claimed; start workers"
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_work_that_is_there_for_too_long_without_a_worker_is_a_fault() {
        let seconds = Duration::from_secs;
        let watch = WorkerWatch::new(seconds(60));
        let fault = |absent: Option<u64>, oldest: u64, running: u64| {
            watch.fault(&Workers {
                seen: absent.map(|absent| WorkersSeen {
                    heard: seconds(absent + 30),
                    absent: seconds(absent),
                }),
                waiting: u64::from(oldest > 0),
                oldest: seconds(oldest),
                running,
            })
        };
        assert_eq!(fault(Some(0), 0, 0), None);
        assert_eq!(fault(None, 0, 0), None, "scaled to zero");
        assert_eq!(fault(None, 60, 0), None, "the autoscaler has time");
        assert_eq!(fault(Some(0), 900, 64), None, "full workers live");
        let silent = fault(Some(61), 61, 0).expect("a fault");
        assert!(
            silent.contains("for 91 s, and there is work: 1 requests wait"),
            "{silent}"
        );
        assert!(fault(Some(61), 0, 1).is_some(), "its worker died with it");
        let unknown = fault(None, 61, 0).expect("a fault");
        assert!(unknown.starts_with("no worker is known"), "{unknown}");
    }
}
