//! What a worker counts and measures; `docs/metrics.md` says what each of it is.

use std::sync::LazyLock;
use std::time::Duration;

use prynai_bus::Claim;
use prynai_process::metrics::{self, Counter, Gauge, Histogram, STAGE_BUCKETS};

/// Ages of tasks, in seconds: from a second to a week.
const AGE_BUCKETS: [f64; 14] = [
    1.0, 5.0, 15.0, 30.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0, 43_200.0, 86_400.0, 172_800.0,
    345_600.0, 604_800.0,
];

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The metrics of the workers of this process.
pub(crate) struct Metrics {
    queue: Histogram,
    run: Histogram,
    deliver: Histogram,
    /// Requests in the hands of this worker.
    pub(crate) running: Gauge,
    /// How many it may run at the same time.
    pub(crate) concurrency: Gauge,
    /// Requests that were taken over although another worker had begun them.
    pub(crate) leases_expired: Counter,
    /// Requests that were taken over, and run.
    pub(crate) reclaimed_to_run: Counter,
    /// Requests that were taken over, and whose outcome is unknown.
    pub(crate) outcomes_unknown: Counter,
    /// Requests that were taken over, and became dead letters.
    pub(crate) reclaimed_dead: Counter,
    /// Requests that became dead letters because they lost each of their workers.
    pub(crate) given_up: Counter,
    /// Copies of running requests that became dead letters.
    pub(crate) copies: Counter,
    /// Calls that were tasks from their beginning, since their tool says so.
    pub(crate) tasks_at_once: Counter,
    /// Calls that became tasks later.
    pub(crate) tasks_promoted: Counter,
    /// Tasks that left this worker, to wait for answers of their clients.
    pub(crate) tasks_asking: Counter,
    tasks_completed: Counter,
    tasks_failed: Counter,
    tasks_cancelled: Counter,
    task_age: Histogram,
    /// How often handlers held the runtime up.
    pub(crate) blocked: Counter,
}

/// The metrics of the workers of this process.
pub(crate) fn metrics() -> &'static Metrics {
    &METRICS
}

/// Makes the metrics of workers, so that they are there before anything is counted.
pub fn register() {
    LazyLock::force(&METRICS);
}

impl Metrics {
    fn new() -> Self {
        let all = metrics::metrics();
        let reclaims = all.counters(
            "prynai_worker_reclaims_total",
            "Requests that this worker took over, because the lease of another worker ran out or because it handed \
             them back.",
            &[(
                "verdict",
                "what became of them: `run` (for the first time, or again because they may be repeated), \
                 `outcome_unknown` (the client was told so), `dead_letter`",
            )],
        );
        let reclaimed = |verdict| reclaims.with_label_values(&[verdict]);
        let dead = all.counters(
            "prynai_worker_dead_letters_total",
            "Requests that this worker made dead letters. `prynai_redis_entries_rejected_total` has those that it \
             could not read or believe.",
            &[(
                "reason",
                "`too_many_attempts` (each attempt lost its worker) or `copy` (somebody put a running request into \
                 the queue again)",
            )],
        );
        let tasks = all.counters(
            "prynai_worker_tasks_total",
            "What calls of this worker did as tasks.",
            &[(
                "step",
                "`at_once` (a call became a task at its beginning, since its tool says so), `promoted` (later), `asked` \
                 (it left this worker, to wait for answers of its client), `completed` (with a result), `failed` (with a \
                 JSON-RPC error), `cancelled` (at a worker; one that waits for its client has none)",
            )],
        );
        Self {
            queue: all.histogram(
                "prynai_call_queue_seconds",
                "Time of a call or notification in the queue, from its gateway until a worker claims it for the first \
                 time, in seconds by the clock of the bus.",
                &STAGE_BUCKETS,
            ),
            run: all.histogram(
                "prynai_call_run_seconds",
                "Time of a run from the beginning of the handler to its response, in seconds, with all waiting for \
                 answers of the client.",
                &STAGE_BUCKETS,
            ),
            deliver: all.histogram(
                "prynai_call_deliver_seconds",
                "Time from the response of the handler until the bus has logged and published it, in seconds.",
                &STAGE_BUCKETS,
            ),
            running: all.gauge(
                "prynai_worker_requests",
                "Requests in flight in this worker: claimed and not yet finished, also those that wait for an answer \
                 of their client.",
            ),
            concurrency: all.gauge(
                "prynai_worker_concurrency",
                "Requests that this worker runs at the same time (`--concurrency`).",
            ),
            leases_expired: all.counter(
                "prynai_worker_leases_expired_total",
                "Requests that this worker took over although another had begun them: its lease ran out, or it handed \
                 them back while they ran, at its end.",
            ),
            reclaimed_to_run: reclaimed("run"),
            outcomes_unknown: reclaimed("outcome_unknown"),
            reclaimed_dead: reclaimed("dead_letter"),
            given_up: dead.with_label_values(&["too_many_attempts"]),
            copies: dead.with_label_values(&["copy"]),
            tasks_at_once: tasks.with_label_values(&["at_once"]),
            tasks_promoted: tasks.with_label_values(&["promoted"]),
            tasks_asking: tasks.with_label_values(&["asked"]),
            tasks_completed: tasks.with_label_values(&["completed"]),
            tasks_failed: tasks.with_label_values(&["failed"]),
            tasks_cancelled: tasks.with_label_values(&["cancelled"]),
            task_age: all.histogram(
                "prynai_task_age_seconds",
                "Age of a task at its end at this worker, from the time when the call became one, in seconds, with all \
                 waiting for its client.",
                &AGE_BUCKETS,
            ),
            blocked: all.counter(
                "prynai_worker_runtime_blocked_total",
                "How often handlers held up the threads that all calls share, for half a second or longer.",
            ),
        }
    }

    /// A request was claimed for the first time; `now_ms` by the clock of the bus.
    pub(crate) fn claimed(&self, claim: &Claim, now_ms: u64) {
        // A task that comes back with answers was claimed before.
        if claim.request.again {
            return;
        }
        let waited = now_ms.saturating_sub(claim.request.queued_at_ms);
        let waited = Duration::from_millis(waited);
        self.queue.observe(waited.as_secs_f64());
    }

    /// A handler has responded after this time.
    pub(crate) fn ran(&self, time: Duration) {
        self.run.observe(time.as_secs_f64());
    }

    /// A task ended so, in the word of the log, at this age.
    pub(crate) fn task_ended(&self, outcome: &str, age: Duration) {
        let ended = match outcome {
            "cancelled" => &self.tasks_cancelled,
            "error" => &self.tasks_failed,
            // A tool that reports an error has completed.
            _ => &self.tasks_completed,
        };
        ended.inc();
        self.task_age.observe(age.as_secs_f64());
    }

    /// The bus has a response after this time.
    pub(crate) fn delivered(&self, time: Duration) {
        self.deliver.observe(time.as_secs_f64());
    }
}
