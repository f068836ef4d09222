//! What is counted and measured of Redis; `docs/metrics.md` says what each of it is.

use std::sync::LazyLock;

use prynai_process::metrics::{self, Counter, Gauge, Histogram};

/// Bounds of a round trip, in seconds.
const BUCKETS: [f64; 14] = [
    0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0,
];

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The metrics of the connections of this process.
pub(crate) struct Metrics {
    /// From a command to its answer, in seconds.
    pub(crate) round_trip: Histogram,
    /// Commands whose answer did not come in time.
    pub(crate) unanswered: Counter,
    /// Commands that failed with their connection.
    pub(crate) cut_off: Counter,
    /// Commands that Redis refused.
    pub(crate) refused: Counter,
    /// How often the shared connection was lost.
    pub(crate) connections_lost: Counter,
    /// Subscriptions that hear nothing now.
    pub(crate) deaf: Gauge,
    /// How often a subscription was lost or heard nothing.
    pub(crate) subscriptions_lost: Counter,
    /// How often something may have been missed.
    pub(crate) gaps: Counter,
    /// Tasks that ended since they had waited for their clients for too long.
    pub(crate) tasks_overdue: Counter,
    /// Tasks that ended since their entry was lost.
    pub(crate) tasks_lost: Counter,
    /// Entries of the queue that could not be read.
    pub(crate) unreadable: Counter,
    /// Entries of the queue that no gateway signed.
    pub(crate) forged: Counter,
}

/// The metrics of the connections of this process.
pub(crate) fn metrics() -> &'static Metrics {
    &METRICS
}

/// Makes the metrics of the Redis bus, so that they are there before anything is counted.
pub fn register() {
    LazyLock::force(&METRICS);
}

impl Metrics {
    fn new() -> Self {
        let all = metrics::metrics();
        let failures = all.counters(
            "prynai_redis_failures_total",
            "Commands to Redis that failed.",
            &[(
                "reason",
                "`no_answer` (none in time), `disconnected` (with the connection), `error` (Redis said no; some errors \
                 are expected and mended, such as a script that it does not know yet)",
            )],
        );
        let rejected = all.counters(
            "prynai_redis_entries_rejected_total",
            "Entries of the queue that this worker put aside without running them.",
            &[(
                "reason",
                "`unreadable`, or `forged` (without a valid signature)",
            )],
        );
        let tasks = all.counters(
            "prynai_redis_tasks_failed_total",
            "Tasks that failed without a worker, as this process found out. `prynai_worker_tasks_total` has those that \
             ended at a worker.",
            &[(
                "reason",
                "`deadline` (it waited for its client for longer than it may), or `task_lost` (its entry was gone)",
            )],
        );
        Self {
            round_trip: all.histogram(
                "prynai_redis_round_trip_seconds",
                "Time from a command to the answer of Redis, in seconds, with the wait for other commands of this \
                 process. Claims that wait for work are not measured.",
                &BUCKETS,
            ),
            unanswered: failures.with_label_values(&["no_answer"]),
            cut_off: failures.with_label_values(&["disconnected"]),
            refused: failures.with_label_values(&["error"]),
            connections_lost: all.counter(
                "prynai_redis_connections_lost_total",
                "How often the connection that all commands share was lost.",
            ),
            deaf: all.gauge(
                "prynai_redis_subscriptions_deaf",
                "Subscriptions that hear nothing now: what is published reaches this process late, from what is \
                 stored. `/readyz` fails meanwhile.",
            ),
            subscriptions_lost: all.counter(
                "prynai_redis_subscriptions_lost_total",
                "How often a subscription was lost, or did not hear its own probe.",
            ),
            gaps: all.counter(
                "prynai_redis_gaps_total",
                "How often news may have been missed, so that what is stored was read instead: once for each \
                 subscription at its beginning, then after each loss and each flood.",
            ),
            tasks_overdue: tasks.with_label_values(&["deadline"]),
            tasks_lost: tasks.with_label_values(&["task_lost"]),
            unreadable: rejected.with_label_values(&["unreadable"]),
            forged: rejected.with_label_values(&["forged"]),
        }
    }
}
