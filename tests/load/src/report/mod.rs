//! What comes out of a run: figures ([`Report`]) and the [`limits`] held against them, as a [`table`] and as a page of
//! [`html`].

pub mod html;
pub mod limits;
pub mod table;

use std::collections::BTreeMap;
use std::time::{Duration, Instant, UNIX_EPOCH};

use hdrhistogram::Histogram;
use prynai_process::clock::unix_millis;
use serde::Serialize;

use crate::record::{Record, Step};
use crate::settings::{Mode, Settings};
use limits::Verdict;

/// Bars for each factor of ten in the distribution.
const BARS: f64 = 12.0;

/// All figures of a run; what `--json` writes. Times are in the unit that the name of the field ends with.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Of this program.
    pub version: &'static str,
    /// When the run was over (RFC 3339).
    pub ended_at: String,
    /// The endpoint.
    pub url: String,
    /// How clients spoke.
    pub mode: Mode,
    /// What they asked for, such as `tools/call echo`.
    pub request: String,
    /// How many clients.
    pub clients: usize,
    /// How many threads they shared.
    pub threads: usize,
    /// Calls that were due per second; `null` in a closed loop.
    pub rate: Option<f64>,
    /// The ramp.
    pub ramp_seconds: f64,
    /// The pause between calls.
    pub think_ms: f64,
    /// For how long latencies counted.
    pub measured_seconds: f64,

    /// All calls, those of the ramp included: the answered and the failed ones.
    pub calls: u64,
    /// Calls with a result.
    pub answered: u64,
    /// Calls without one.
    pub failed: u64,
    /// Answered calls that began after the ramp, per second.
    pub per_second: f64,
    /// Of these calls.
    pub latency_ms: Latency,
    /// Of the parts of a call in a session, and of its beginning and end: `initialize`, `initialized`, `call`,
    /// `delete`.
    pub steps_ms: BTreeMap<&'static str, Latency>,
    /// How late this program sent what was due, which latencies do not include; `null` in a closed loop.
    pub sent_late_ms: Option<Latency>,

    /// Everything that went wrong, around calls too.
    pub errors: u64,
    /// The same, by kind.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// Notifications on streams of calls and of sessions.
    pub events: u64,
    /// Sessions that were opened.
    pub sessions: u64,
    /// Sessions that the server forgot while their clients used them.
    pub sessions_lost: u64,
    /// Calls that were sent and never answered, even when their stream was asked for again.
    pub calls_lost: u64,
    /// Events left out in the numbering of a stream, and session streams that could not be resumed.
    pub events_lost: u64,
    /// All three.
    pub lost: u64,
    /// Calls whose stream broke, and whose response came on another one.
    pub calls_resumed: u64,
    /// How often a session stream ended and was resumed.
    pub streams_resumed: u64,

    /// The limits, and whether they held.
    pub limits: Vec<Verdict>,
    /// The length of the parts of `timeline`.
    pub timeline_seconds: u64,
    /// The run in parts, from its beginning.
    pub timeline: Vec<Part>,
    /// The latencies of `latency_ms` in bars of equal width on a logarithmic scale; empty ones are left out.
    pub distribution: Vec<Bar>,
}

/// A distribution of times, in milliseconds; `null` if nothing was measured.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "percentiles")]
pub struct Latency {
    /// How many.
    pub count: u64,
    pub min: Option<f64>,
    pub mean: Option<f64>,
    pub p50: Option<f64>,
    pub p90: Option<f64>,
    pub p95: Option<f64>,
    pub p99: Option<f64>,
    pub p999: Option<f64>,
    pub max: Option<f64>,
}

/// A part of the run.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "as in the report")]
pub struct Part {
    /// When it begins.
    pub second: u64,
    pub answered: u64,
    pub errors: u64,
    pub events: u64,
    pub lost: u64,
    pub p50_ms: Option<f64>,
    pub p95_ms: Option<f64>,
    pub p99_ms: Option<f64>,
    pub max_ms: Option<f64>,
}

/// How many calls took at least `from_ms` and less than `to_ms`.
#[derive(Debug, Clone, Copy, Serialize)]
#[expect(missing_docs, reason = "named above")]
pub struct Bar {
    pub from_ms: f64,
    pub to_ms: f64,
    pub count: u64,
}

impl Report {
    /// `over` is when the run was.
    pub(crate) fn new(
        settings: &Settings,
        record: &Record,
        measured_from: Instant,
        over: Instant,
    ) -> Self {
        let load = &settings.load;
        let counts = &record.counts;
        let until = record.last.unwrap_or(over).max(over);
        let measured = until.saturating_duration_since(measured_from);
        let mut report = Self {
            version: env!("CARGO_PKG_VERSION"),
            ended_at: now(),
            url: settings.url.to_string(),
            mode: load.mode,
            request: match &settings.request.method {
                Some(method) => method.clone(),
                None => format!("tools/call {}", settings.request.tool),
            },
            clients: load.clients.get(),
            threads: load.threads.get(),
            rate: load.rate,
            ramp_seconds: load.ramp.as_secs_f64(),
            think_ms: load.think.as_secs_f64() * 1e3,
            measured_seconds: measured.as_secs_f64(),
            calls: counts.answered + counts.failed,
            answered: counts.answered,
            failed: counts.failed,
            per_second: per_second(counts.measured, measured),
            latency_ms: Latency::of(&record.latency),
            steps_ms: record.steps.iter().map(step).collect(),
            sent_late_ms: load.rate.map(|_| Latency::of(&record.lateness)),
            errors: counts.errors,
            errors_by_kind: record.errors_by_kind(),
            events: counts.events,
            sessions: counts.sessions,
            sessions_lost: counts.sessions_lost,
            calls_lost: counts.calls_lost,
            events_lost: counts.events_lost,
            lost: counts.lost(),
            calls_resumed: counts.calls_resumed,
            streams_resumed: counts.streams_resumed,
            limits: Vec::new(),
            timeline_seconds: record.timeline.bucket.as_secs(),
            timeline: parts(record),
            distribution: distribution(&record.latency),
        };
        report.limits = limits::judge(&settings.limits, &report);
        report
    }

    /// Whether every limit held.
    pub fn is_good(&self) -> bool {
        !self.limits.iter().any(|verdict| verdict.is_broken)
    }
}

impl Latency {
    fn of(times: &Histogram<u64>) -> Self {
        let at = |quantile| {
            let nanoseconds = times.value_at_quantile(quantile);
            (!times.is_empty()).then_some(nanoseconds as f64 / 1e6)
        };
        Self {
            count: times.len(),
            min: at(0.0),
            mean: (!times.is_empty()).then(|| times.mean() / 1e6),
            p50: at(0.5),
            p90: at(0.9),
            p95: at(0.95),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
        }
    }
}

fn step((step, times): (&Step, &Histogram<u64>)) -> (&'static str, Latency) {
    let name = match step {
        Step::Initialize => "initialize",
        Step::Initialized => "initialized",
        Step::Call => "call",
        Step::Delete => "delete",
    };
    (name, Latency::of(times))
}

fn per_second(count: u64, time: Duration) -> f64 {
    match time.is_zero() {
        true => 0.0,
        false => count as f64 / time.as_secs_f64(),
    }
}

fn parts(record: &Record) -> Vec<Part> {
    let seconds = record.timeline.bucket.as_secs();
    let parts = (0..)
        .zip(&record.timeline.buckets)
        .map(|(number, bucket)| Part {
            second: number * seconds,
            answered: bucket.answered,
            errors: bucket.errors,
            events: bucket.events,
            lost: bucket.lost,
            p50_ms: bucket.milliseconds(0.5),
            p95_ms: bucket.milliseconds(0.95),
            p99_ms: bucket.milliseconds(0.99),
            max_ms: bucket.milliseconds(1.0),
        });
    parts.collect()
}

fn distribution(latency: &Histogram<u64>) -> Vec<Bar> {
    let mut bars = BTreeMap::new();
    for value in latency.iter_recorded() {
        let bar = (value.value_iterated_to().max(1) as f64).log10() * BARS;
        *bars.entry(bar.floor() as i64).or_default() += value.count_at_value();
    }
    let milliseconds = |bar: i64| 10f64.powf(bar as f64 / BARS) / 1e6;
    let bars = bars.into_iter().map(|(bar, count)| Bar {
        from_ms: milliseconds(bar),
        to_ms: milliseconds(bar + 1),
        count,
    });
    bars.collect()
}

fn now() -> String {
    let now = UNIX_EPOCH + Duration::from_millis(unix_millis());
    humantime::format_rfc3339_seconds(now).to_string()
}
