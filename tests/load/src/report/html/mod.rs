//! The page with plots: one file, which needs nothing else, and is read by day and by night.

mod axes;
mod plots;

use std::fmt::Write;

use crate::report::table;
use crate::report::{Latency, Report};

const STYLE: &str = include_str!("page.css");

/// The report as a page.
pub fn page(report: &Report) -> String {
    let title = escape(&format!("{} {}", report.clients, report.request));
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>Load report</h1>\n"
    );
    let headline = escape(&table::headline(report));
    let ended = escape(&report.ended_at);
    add(
        &mut page,
        format_args!("<p>{headline}. Ended at {ended}.</p>\n"),
    );
    verdicts(&mut page, report);
    figures(&mut page, report);
    for (heading, plot) in [
        ("Latency", plots::latency(report)),
        ("Calls per second", plots::throughput(report)),
        ("Distribution of latencies", plots::distribution(report)),
    ] {
        add(&mut page, format_args!("<h2>{heading}</h2>\n{plot}"));
    }
    latencies(&mut page, report);
    errors(&mut page, report);
    let version = report.version;
    add(
        &mut page,
        format_args!("<footer>prynai-load {version}</footer>\n</body>\n</html>\n"),
    );
    page
}

fn verdicts(page: &mut String, report: &Report) {
    for verdict in &report.limits {
        let (class, text) = match verdict.is_broken {
            true => ("bad", verdict.text()),
            false => ("good", verdict.text()),
        };
        add(
            page,
            format_args!("<p class=\"verdict {class}\">{}</p>\n", escape(&text)),
        );
    }
    if let Some(warning) = table::warning(report) {
        add(
            page,
            format_args!("<p class=\"verdict doubt\">{}</p>\n", escape(&warning)),
        );
    }
}

fn figures(page: &mut String, report: &Report) {
    let milliseconds = |time| format!("{} ms", table::milliseconds(time));
    let count = |number| table::count(number);
    let latency = &report.latency_ms;
    let tiles = [
        ("calls", count(report.calls), false),
        ("per second", format!("{:.1}", report.per_second), false),
        ("p50", milliseconds(latency.p50), false),
        ("p95", milliseconds(latency.p95), false),
        ("p99", milliseconds(latency.p99), false),
        ("errors", count(report.errors), report.errors > 0),
        (
            "sessions lost",
            count(report.sessions_lost),
            report.sessions_lost > 0,
        ),
        (
            "calls lost",
            count(report.calls_lost),
            report.calls_lost > 0,
        ),
        (
            "events lost",
            count(report.events_lost),
            report.events_lost > 0,
        ),
    ];
    page.push_str("<dl class=\"figures\">\n");
    for (name, value, is_bad) in tiles {
        let class = if is_bad { " class=\"bad\"" } else { "" };
        add(
            page,
            format_args!("<div{class}><dt>{name}</dt><dd>{value}</dd></div>\n"),
        );
    }
    page.push_str("</dl>\n");
}

fn latencies(page: &mut String, report: &Report) {
    page.push_str(
        "<h2>Percentiles</h2>\n<table>\n<tr><th>milliseconds</th><th>count</th><th>p50</th><th>p90</th>\
         <th>p95</th><th>p99</th><th>p99.9</th><th>max</th></tr>\n",
    );
    row(page, "latency of calls", &report.latency_ms);
    for (step, latency) in table::shown_steps(report) {
        row(page, step, latency);
    }
    if let Some(late) = &report.sent_late_ms {
        row(page, "sent late by this program", late);
    }
    page.push_str("</table>\n");
}

fn row(page: &mut String, name: &str, latency: &Latency) {
    let Latency {
        count,
        p50,
        p90,
        p95,
        p99,
        p999,
        max,
        ..
    } = latency;
    add(
        page,
        format_args!("<tr><td>{name}</td><td>{}</td>", table::count(*count)),
    );
    for time in [p50, p90, p95, p99, p999, max] {
        add(
            page,
            format_args!("<td>{}</td>", table::milliseconds(*time)),
        );
    }
    page.push_str("</tr>\n");
}

fn errors(page: &mut String, report: &Report) {
    if report.errors_by_kind.is_empty() {
        return;
    }
    page.push_str("<h2>Errors</h2>\n<table>\n<tr><th>kind</th><th>count</th></tr>\n");
    for (kind, times) in table::kinds(report) {
        let (kind, times) = (escape(kind), table::count(times));
        add(
            page,
            format_args!("<tr><td>{kind}</td><td>{times}</td></tr>\n"),
        );
    }
    page.push_str("</table>\n");
}

/// Text as it stands in HTML and in SVG.
fn escape(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '"' => escaped.push_str("&quot;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn add(page: &mut String, text: std::fmt::Arguments<'_>) {
    // Memory is written without errors.
    let _ = page.write_fmt(text);
}
