//! The table on standard output.

use std::cmp::Reverse;
use std::fmt::Write;

use crate::report::{Latency, Report};
use crate::settings::Mode;

/// Beyond this, the program itself was too slow for the rate.
const LATE_MS: f64 = 2.0;

/// What a run brought, in lines of text.
pub fn table(report: &Report) -> String {
    let mut text = format!("{}\n\n", headline(report));
    let mut line = |name: &str, value: String| {
        let written = writeln!(text, "{name:<18}{value}");
        debug_assert!(written.is_ok(), "memory is written without errors");
    };
    let failed = match report.failed {
        0 => String::new(),
        failed => format!(", {} failed", count(failed)),
    };
    line("calls", format!("{}{failed}", count(report.calls)));
    line("per second", format!("{:.1}", report.per_second));
    line(
        "",
        columns(&["p50", "p90", "p95", "p99", "max"].map(str::to_owned)),
    );
    line("latency (ms)", times(&report.latency_ms));
    for (step, latency) in shown_steps(report) {
        line(&format!("  {step}"), times(latency));
    }
    if let Some(late) = &report.sent_late_ms {
        line("sent late (ms)", times(late));
    }
    if report.sessions > 0 {
        let resumed = match report.streams_resumed {
            0 => String::new(),
            resumed => format!("; their streams were resumed {} times", count(resumed)),
        };
        let sessions = count(report.sessions);
        line(
            "sessions lost",
            format!("{} of {sessions}{resumed}", count(report.sessions_lost)),
        );
    }
    let resumed = match report.calls_resumed {
        0 => String::new(),
        resumed => format!("; {} were resumed", count(resumed)),
    };
    line(
        "calls lost",
        format!(
            "{} of {}{resumed}",
            count(report.calls_lost),
            count(report.calls)
        ),
    );
    if report.events > 0 || report.events_lost > 0 || report.sessions > 0 {
        let events = format!(
            "{}; {} came",
            count(report.events_lost),
            count(report.events)
        );
        line("events lost", events);
    }
    line("errors", count(report.errors));
    for (kind, times) in kinds(report) {
        line(&format!("{:>16}", count(times)), kind.to_owned());
    }
    if let Some(warning) = warning(report) {
        text.push_str(&format!("\n{warning}\n"));
    }
    for verdict in &report.limits {
        text.push_str(&format!("\n{}", verdict.text()));
    }
    if !report.limits.is_empty() {
        text.push('\n');
    }
    text
}

/// The steps that say more than the latency of calls.
pub(super) fn shown_steps(report: &Report) -> impl Iterator<Item = (&'static str, &Latency)> {
    let steps = report
        .steps_ms
        .iter()
        .map(|(step, latency)| (*step, latency));
    steps.filter(|(step, _)| *step != "call" || report.mode == Mode::SessionPerCall)
}

/// The kinds of errors, the most frequent first.
pub(super) fn kinds(report: &Report) -> Vec<(&str, u64)> {
    let kinds = report.errors_by_kind.iter();
    let mut kinds: Vec<_> = kinds.map(|(kind, times)| (kind.as_str(), *times)).collect();
    kinds.sort_by_key(|(_, times)| Reverse(*times));
    kinds
}

/// What was done.
pub(super) fn headline(report: &Report) -> String {
    let mode = match report.mode {
        Mode::Modern => "modern clients",
        Mode::Session => "clients with a session each",
        Mode::SessionPerCall => "clients with a session for each call",
    };
    let pace = match report.rate {
        Some(rate) => format!("{rate} calls/s due"),
        None if report.think_ms > 0.0 => format!("pauses of {} ms", report.think_ms),
        None => "as fast as they are answered".to_owned(),
    };
    let (clients, request, url) = (report.clients, &report.request, &report.url);
    let seconds = report.measured_seconds;
    format!("{clients} {mode}, {request}, {pace}, for {seconds:.1} s, at {url}")
}

/// What makes the figures doubtful.
pub(super) fn warning(report: &Report) -> Option<String> {
    let late = report.sent_late_ms.as_ref()?.p99?;
    (late > LATE_MS).then(|| {
        format!(
            "This program did not keep up with the rate: one call of a hundred left more than {} ms late, which its \
             latency does not include. Give the program more --threads, or a machine of its own.",
            milliseconds(Some(late))
        )
    })
}

fn times(latency: &Latency) -> String {
    let Latency {
        p50,
        p90,
        p95,
        p99,
        max,
        ..
    } = latency;
    columns(&[p50, p90, p95, p99, max].map(|time| milliseconds(*time)))
}

fn columns(cells: &[String]) -> String {
    let cells: Vec<_> = cells.iter().map(|cell| format!("{cell:>10}")).collect();
    cells.concat()
}

/// A time as exact as it can be read.
pub(super) fn milliseconds(time: Option<f64>) -> String {
    match time {
        None => "-".to_owned(),
        Some(time) if time < 10.0 => format!("{time:.3}"),
        Some(time) if time < 1_000.0 => format!("{time:.1}"),
        Some(time) => count(time.round() as u64),
    }
}

/// A number in groups of three digits.
pub(super) fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_can_be_read() {
        assert_eq!(count(0), "0");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_234_567), "1,234,567");
        assert_eq!(milliseconds(Some(0.2345)), "0.234");
        assert_eq!(milliseconds(Some(1_234.5)), "1,235");
    }
}
