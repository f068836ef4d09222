//! What the queue of the whole fleet holds, and how many sessions it has, looked up when somebody reads the metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use prynai_bus::{Backlog, Bus, WorkersSeen};
use prynai_process::metrics::{Collect, Desc, Error, FractionGauge, Gauge, MetricFamily, Metrics};
use tokio::time::Instant;

use super::metrics;

/// What was looked up longer ago is not told: an alert on an old number would never end.
const BELIEVED: Duration = Duration::from_secs(2);

const WAITING: (&str, &str, &str) = (
    "prynai_queue_waiting",
    "gauge",
    "Requests in the queue of the whole fleet that no worker has claimed. Each gateway tells the same, so take `max`. \
     It is missing while Redis does not answer, as are the others of the queue.",
);
const RUNNING: (&str, &str, &str) = (
    "prynai_queue_running",
    "gauge",
    "Requests in flight in the whole fleet: claimed by a worker and not finished. Take `max`.",
);
const OLDEST: (&str, &str, &str) = (
    "prynai_queue_oldest_seconds",
    "gauge",
    "How long the oldest request waits that no worker has claimed, in seconds; 0 when none waits. Take `max`.",
);
const DEAD_LETTERS: (&str, &str, &str) = (
    "prynai_queue_dead_letters",
    "gauge",
    "Dead letters that are kept for operators to read. Take `max`.",
);

const NO_WORKER: (&str, &str, &str) = (
    "prynai_queue_no_worker_seconds",
    "gauge",
    "For how long no worker of the fleet has lived, in seconds; 0 while one does, +Inf when none is known any more. \
     Workers may be scaled to zero while nothing waits. Take `min`.",
);

const SESSIONS: (&str, &str, &str) = (
    "prynai_sessions",
    "gauge",
    "Sessions of the whole fleet that live. One that falls idle may be counted for an eighth of `--session-idle` \
     longer. Take `max`.",
);

/// The last look at the queue.
#[derive(Clone, Default)]
pub(crate) struct QueueWatch(Arc<Mutex<Option<(Instant, Seen)>>>);

/// What was seen.
#[derive(Clone, Copy)]
struct Seen {
    backlog: Backlog,
    workers: Option<WorkersSeen>,
    sessions: u64,
}

struct QueueCollector {
    watch: QueueWatch,
    waiting: Gauge,
    running: Gauge,
    oldest: FractionGauge,
    dead_letters: Gauge,
    no_worker: FractionGauge,
    sessions: Gauge,
}

/// Looks at the queue and the sessions, for the metrics that tell of them; to be called before these are read.
pub fn look_at_queue(bus: Arc<dyn Bus>) -> Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync> {
    Box::new(move || {
        let bus = bus.clone();
        async move {
            let looks = futures::try_join!(bus.backlog(), bus.workers_seen(), bus.count_sessions());
            match looks {
                Ok((backlog, workers, sessions)) => metrics().queue.saw(Seen {
                    backlog,
                    workers,
                    sessions,
                }),
                Err(error) => {
                    tracing::debug!(%error, "cannot look at the queue for its metrics");
                }
            }
        }
        .boxed()
    })
}

impl QueueWatch {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let watch = Self::default();
        match QueueCollector::of(watch.clone()) {
            Ok(collector) => metrics.collected(
                &[WAITING, RUNNING, OLDEST, DEAD_LETTERS, NO_WORKER, SESSIONS],
                collector,
            ),
            Err(error) => panic!("the metrics of the queue: {error}"),
        }
        watch
    }

    fn saw(&self, seen: Seen) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), seen));
    }

    fn now(&self) -> Option<Seen> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, seen) = (*last)?;
        (at.elapsed() < BELIEVED).then_some(seen)
    }
}

impl QueueCollector {
    fn of(watch: QueueWatch) -> Result<Self, Error> {
        let gauge = |(name, _, help)| Gauge::new(name, help);
        let seconds = |(name, _, help)| FractionGauge::new(name, help);
        Ok(Self {
            watch,
            waiting: gauge(WAITING)?,
            running: gauge(RUNNING)?,
            oldest: seconds(OLDEST)?,
            dead_letters: gauge(DEAD_LETTERS)?,
            no_worker: seconds(NO_WORKER)?,
            sessions: gauge(SESSIONS)?,
        })
    }

    fn all(&self) -> [&dyn Collect; 6] {
        [
            &self.waiting,
            &self.running,
            &self.oldest,
            &self.dead_letters,
            &self.no_worker,
            &self.sessions,
        ]
    }
}

impl Collect for QueueCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collect::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(Seen {
            backlog,
            workers,
            sessions,
        }) = self.watch.now()
        else {
            return Vec::new();
        };
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.set(number(backlog.waiting));
        self.running.set(number(backlog.running));
        self.oldest.set(backlog.oldest.as_secs_f64());
        self.dead_letters.set(number(backlog.dead_letters));
        let absent = workers.map_or(f64::INFINITY, |seen| seen.absent.as_secs_f64());
        self.no_worker.set(absent);
        self.sessions.set(number(sessions));
        self.all().into_iter().flat_map(Collect::collect).collect()
    }
}
