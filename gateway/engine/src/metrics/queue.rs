//! What the queue of the whole fleet holds, and how many sessions and tasks it has, looked up when somebody reads the
//! metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use prynai_bus::operations::TaskCounts;
use prynai_bus::{Backlog, Bus, BusError, WorkersSeen};
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

const TASKS_WORKING: (&str, &str, &str) = (
    "prynai_tasks_working",
    "gauge",
    "Tasks of the whole fleet that wait for a worker or run: each is a request of the queue, too. Take `max`. It is \
     missing where the user of Redis may not count tasks, as are the other two.",
);
const TASKS_ASKING: (&str, &str, &str) = (
    "prynai_tasks_input_required",
    "gauge",
    "Tasks of the whole fleet that wait for their clients: no worker and no entry of the queue. Take `max`.",
);
const TASKS_KEPT: (&str, &str, &str) = (
    "prynai_tasks_kept",
    "gauge",
    "All tasks of the whole fleet that can be asked for, with those that have ended; 100,000 at most. Take `max`.",
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
    /// Absent where the user of the bus may not count them.
    tasks: Option<TaskCounts>,
}

struct QueueCollector {
    watch: QueueWatch,
    waiting: Gauge,
    running: Gauge,
    oldest: FractionGauge,
    dead_letters: Gauge,
    no_worker: FractionGauge,
    sessions: Gauge,
    tasks_working: Gauge,
    tasks_asking: Gauge,
    tasks_kept: Gauge,
}

/// Looks at the queue, the sessions and the tasks, for the metrics that tell of them; to be called before these are
/// read.
pub fn look_at_queue(bus: Arc<dyn Bus>) -> Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync> {
    Box::new(move || {
        let bus = bus.clone();
        async move {
            let tasks = async { Ok::<_, BusError>(bus.count_tasks().await.ok()) };
            let (backlog, workers) = (bus.backlog(), bus.workers_seen());
            let looks = futures::try_join!(backlog, workers, bus.count_sessions(), tasks);
            match looks {
                Ok((backlog, workers, sessions, tasks)) => metrics().queue.saw(Seen {
                    backlog,
                    workers,
                    sessions,
                    tasks,
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
                &[
                    WAITING,
                    RUNNING,
                    OLDEST,
                    DEAD_LETTERS,
                    NO_WORKER,
                    SESSIONS,
                    TASKS_WORKING,
                    TASKS_ASKING,
                    TASKS_KEPT,
                ],
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
            tasks_working: gauge(TASKS_WORKING)?,
            tasks_asking: gauge(TASKS_ASKING)?,
            tasks_kept: gauge(TASKS_KEPT)?,
        })
    }

    fn always(&self) -> [&dyn Collect; 6] {
        [
            &self.waiting,
            &self.running,
            &self.oldest,
            &self.dead_letters,
            &self.no_worker,
            &self.sessions,
        ]
    }

    fn of_tasks(&self) -> [&dyn Collect; 3] {
        [&self.tasks_working, &self.tasks_asking, &self.tasks_kept]
    }
}

impl Collect for QueueCollector {
    fn desc(&self) -> Vec<&Desc> {
        let all = self.always().into_iter().chain(self.of_tasks());
        all.flat_map(Collect::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(Seen {
            backlog,
            workers,
            sessions,
            tasks,
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
        if let Some(tasks) = tasks {
            self.tasks_working.set(number(tasks.working));
            self.tasks_asking.set(number(tasks.input_required));
            self.tasks_kept.set(number(tasks.kept));
        }
        let of_tasks = self.of_tasks().into_iter().filter(|_| tasks.is_some());
        let told = self.always().into_iter().chain(of_tasks);
        told.flat_map(Collect::collect).collect()
    }
}
