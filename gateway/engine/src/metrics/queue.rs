//! What the queue of the whole fleet holds, looked up when somebody reads the metrics.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use prynai_bus::{Backlog, RequestQueue};
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

/// The last look at the queue.
#[derive(Clone, Default)]
pub(crate) struct QueueWatch(Arc<Mutex<Option<(Instant, Backlog)>>>);

struct QueueCollector {
    watch: QueueWatch,
    waiting: Gauge,
    running: Gauge,
    oldest: FractionGauge,
    dead_letters: Gauge,
}

/// Looks at the queue, for the metrics that tell of it; to be called before these are read.
pub fn look_at_queue(
    queue: Arc<dyn RequestQueue>,
) -> Box<dyn Fn() -> BoxFuture<'static, ()> + Send + Sync> {
    Box::new(move || {
        let queue = queue.clone();
        async move {
            match queue.backlog().await {
                Ok(backlog) => metrics().queue.saw(backlog),
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
            Ok(collector) => {
                metrics.collected(&[WAITING, RUNNING, OLDEST, DEAD_LETTERS], collector)
            }
            Err(error) => panic!("the metrics of the queue: {error}"),
        }
        watch
    }

    fn saw(&self, backlog: Backlog) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), backlog));
    }

    fn now(&self) -> Option<Backlog> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (seen, backlog) = (*last)?;
        (seen.elapsed() < BELIEVED).then_some(backlog)
    }
}

impl QueueCollector {
    fn of(watch: QueueWatch) -> Result<Self, Error> {
        let gauge = |(name, _, help)| Gauge::new(name, help);
        let (oldest, _, help) = OLDEST;
        Ok(Self {
            watch,
            waiting: gauge(WAITING)?,
            running: gauge(RUNNING)?,
            oldest: FractionGauge::new(oldest, help)?,
            dead_letters: gauge(DEAD_LETTERS)?,
        })
    }

    fn all(&self) -> [&dyn Collect; 4] {
        [
            &self.waiting,
            &self.running,
            &self.oldest,
            &self.dead_letters,
        ]
    }
}

impl Collect for QueueCollector {
    fn desc(&self) -> Vec<&Desc> {
        self.all().into_iter().flat_map(Collect::desc).collect()
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let Some(backlog) = self.watch.now() else {
            return Vec::new();
        };
        let number = |count: u64| i64::try_from(count).unwrap_or(i64::MAX);
        self.waiting.set(number(backlog.waiting));
        self.running.set(number(backlog.running));
        self.oldest.set(backlog.oldest.as_secs_f64());
        self.dead_letters.set(number(backlog.dead_letters));
        self.all().into_iter().flat_map(Collect::collect).collect()
    }
}
