//! What is counted of spans.

use std::sync::LazyLock;

use prynai_process::metrics::{self, Counter};

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

pub(crate) struct Metrics {
    /// Spans that the receiver has taken.
    pub(crate) sent: Counter,
    /// Spans that ended while the queue was full.
    pub(crate) no_room: Counter,
    /// Spans that the receiver did not take.
    pub(crate) not_taken: Counter,
}

pub(crate) fn metrics() -> &'static Metrics {
    &METRICS
}

/// Makes the metrics of traces, so that they are there before anything is counted.
pub fn register() {
    LazyLock::force(&METRICS);
}

impl Metrics {
    fn new() -> Self {
        let all = metrics::metrics();
        let lost = all.counters(
            "prynai_spans_lost_total",
            "Spans that are missing from the traces.",
            &[(
                "reason",
                "`queue_full` (they ended faster than the receiver took them), `not_taken` (the receiver refused them \
                 or could not be reached)",
            )],
        );
        Self {
            sent: all.counter(
                "prynai_spans_sent_total",
                "Spans that the receiver of traces (`--otlp-endpoint`) has taken.",
            ),
            no_room: lost.with_label_values(&["queue_full"]),
            not_taken: lost.with_label_values(&["not_taken"]),
        }
    }
}
