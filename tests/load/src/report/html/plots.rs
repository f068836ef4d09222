//! The three plots.

use super::axes::{Plot, Scale};
use crate::report::{Part, Report};

/// Latency by time; on a logarithmic scale, so that a stall does not flatten everything else.
pub(super) fn latency(report: &Report) -> String {
    let parts = &report.timeline;
    let shown = |part: &Part| [part.p50_ms, part.p95_ms, part.p99_ms];
    let values = parts.iter().flat_map(shown).flatten();
    let mut plot = by_time(report, Scale::around(values), "ms");
    // The lowest one is drawn last, above the others.
    for (class, index) in [("third", 2), ("second", 1), ("first", 0)] {
        let middle = report.timeline_seconds as f64 / 2.0;
        let points = parts
            .iter()
            .map(|part| (part.second as f64 + middle, shown(part)[index]));
        plot.line(class, points);
    }
    plot.legend(&[("first", "p50"), ("second", "p95"), ("third", "p99")]);
    plot.finish()
}

/// Answers and errors by time.
pub(super) fn throughput(report: &Report) -> String {
    let length = report.timeline_seconds as f64;
    let parts = report.timeline.iter().map(|part| {
        let second = part.second as f64;
        let both = [part.answered, part.errors].map(|count| count as f64 / length);
        ((second, second + length), both)
    });
    let most = parts.clone().flat_map(|(_, both)| both).fold(0.0, f64::max);
    let mut plot = by_time(report, Scale::up_to(most.max(1.0)), "calls/s");
    for (time, [answered, errors]) in parts {
        plot.bar("bar", time, answered);
        plot.bar("errors", time, errors);
    }
    if report.errors > 0 {
        plot.legend(&[("errors", "errors")]);
    }
    plot.finish()
}

/// How many calls took how long.
pub(super) fn distribution(report: &Report) -> String {
    let bars = &report.distribution;
    let most = bars.iter().map(|bar| bar.count as f64).fold(0.0, f64::max);
    let x = Scale::around(bars.iter().flat_map(|bar| [bar.from_ms, bar.to_ms]));
    let mut plot = Plot::new(x, Scale::up_to(most.max(1.0)), "ms", "calls");
    for bar in bars {
        plot.bar("bar", (bar.from_ms, bar.to_ms), bar.count as f64);
    }
    let latency = &report.latency_ms;
    let marks = [
        ("p50", latency.p50),
        ("p95", latency.p95),
        ("p99", latency.p99),
    ];
    for ((name, time), row) in marks.into_iter().zip(0..) {
        if let Some(time) = time {
            plot.mark(time, name, row);
        }
    }
    plot.finish()
}

fn by_time(report: &Report, y: Scale, y_name: &str) -> Plot {
    let last = report.timeline.last();
    let end = last.map_or(1, |part| part.second + report.timeline_seconds);
    let x = Scale::Linear {
        from: 0.0,
        to: end as f64,
    };
    let mut plot = Plot::new(x, y, "seconds", y_name);
    if report.ramp_seconds > 0.0 {
        plot.shade(report.ramp_seconds, "ramp");
    }
    plot
}
