//! What is counted of spans, and of records of the audit that are sent as logs.

use std::sync::LazyLock;

use prynai_process::metrics::{self, Counter};
use prynai_process::telemetry::audit;

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

pub(crate) struct Metrics {
    pub(crate) spans: Counts,
    pub(crate) records: Counts,
}

/// What is counted of all that is sent to the receiver.
pub(crate) struct Counts {
    /// What the receiver has taken.
    pub(crate) sent: Counter,
    /// What came while the queue was full.
    pub(crate) no_room: Counter,
    /// What the receiver did not take.
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
            spans: Counts {
                sent: all.counter(
                    "prynai_spans_sent_total",
                    "Spans that the receiver of traces (`--otlp-endpoint`) has taken.",
                ),
                no_room: lost.with_label_values(&["queue_full"]),
                not_taken: lost.with_label_values(&["not_taken"]),
            },
            records: Counts {
                sent: all.counter(
                    "prynai_audit_sent_total",
                    "Records of the audit that the receiver of logs (`--audit-otlp`) has taken.",
                ),
                no_room: audit::lost("otlp", "queue_full"),
                not_taken: audit::lost("otlp", "not_taken"),
            },
        }
    }
}
