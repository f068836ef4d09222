//! What a process counts and measures, in one registry, and its text for Prometheus.
//!
//! Whoever counts something makes its metric once and keeps the handle: to count or to observe is then a few atomic
//! operations. Each metric says what it is, which is its `# HELP` and its part of `docs/metrics.md`. Names follow
//! OpenTelemetry where it has one, spelled as its specification maps them to Prometheus.

mod page;
mod process;

use std::sync::{LazyLock, Mutex, PoisonError};

use prometheus::core::Collector;
use prometheus::{HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, Registry};

pub use prometheus::core::{Collector as Collect, Desc};
pub use prometheus::proto::MetricFamily;
pub use prometheus::{
    Error, Gauge as FractionGauge, Histogram, IntCounter as Counter, IntGauge as Gauge,
};

/// What a number means that has several series: the name of a label, and which values it takes.
pub type Label = (&'static str, &'static str);

/// A histogram with labels.
pub type Histograms = HistogramVec;

/// A counter with labels.
pub type Counters = IntCounterVec;

/// A gauge with labels.
pub type Gauges = IntGaugeVec;

/// Bounds of what is waited for inside the fleet, in seconds.
pub const STAGE_BUCKETS: [f64; 18] = [
    0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0,
    120.0, 300.0,
];

/// Metrics of this process.
static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// All metrics of a process.
pub struct Metrics {
    registry: Registry,
    described: Mutex<Vec<Description>>,
}

/// What a metric is.
#[derive(Debug, Clone)]
pub struct Description {
    name: &'static str,
    kind: &'static str,
    help: &'static str,
    labels: Vec<Label>,
    buckets: Vec<f64>,
}

/// The metrics of this process.
pub fn metrics() -> &'static Metrics {
    &METRICS
}

// === impl Metrics ===

/// Each of these makes a metric and registers it.
///
/// # Panics
///
/// All of them, when the name is taken or is none: a mistake in the code, which each start of the process shows.
impl Metrics {
    fn new() -> Self {
        let metrics = Self {
            registry: Registry::new(),
            described: Mutex::default(),
        };
        process::register(&metrics);
        metrics
    }

    /// A counter.
    pub fn counter(&self, name: &'static str, help: &'static str) -> Counter {
        self.describe(name, "counter", help, &[], &[]);
        self.registered(name, Counter::new(name, help))
    }

    /// A counter for each value of its labels.
    pub fn counters(&self, name: &'static str, help: &'static str, labels: &[Label]) -> Counters {
        self.describe(name, "counter", help, labels, &[]);
        self.registered(name, Counters::new(Opts::new(name, help), &names(labels)))
    }

    /// A gauge.
    pub fn gauge(&self, name: &'static str, help: &'static str) -> Gauge {
        self.describe(name, "gauge", help, &[], &[]);
        self.registered(name, Gauge::new(name, help))
    }

    /// A gauge for each value of its labels.
    pub fn gauges(&self, name: &'static str, help: &'static str, labels: &[Label]) -> Gauges {
        self.describe(name, "gauge", help, labels, &[]);
        self.registered(name, Gauges::new(Opts::new(name, help), &names(labels)))
    }

    /// A histogram with these upper bounds.
    pub fn histogram(&self, name: &'static str, help: &'static str, buckets: &[f64]) -> Histogram {
        self.describe(name, "histogram", help, &[], buckets);
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(name, Histogram::with_opts(options))
    }

    /// A histogram for each value of its labels.
    pub fn histograms(
        &self,
        name: &'static str,
        help: &'static str,
        labels: &[Label],
        buckets: &[f64],
    ) -> Histograms {
        self.describe(name, "histogram", help, labels, buckets);
        let options = HistogramOpts::new(name, help).buckets(buckets.to_vec());
        self.registered(name, Histograms::new(options, &names(labels)))
    }

    /// Numbers that are read when somebody asks for them; `collector` gives all of them, or none while they are not
    /// known.
    pub fn collected<C: Collect + 'static>(
        &self,
        described: &[(&'static str, &'static str, &'static str)],
        collector: C,
    ) {
        for (name, kind, help) in described {
            self.describe(name, kind, help, &[], &[]);
        }
        let name = described.first().map_or("", |(name, ..)| name);
        if let Err(error) = self.registry.register(Box::new(collector)) {
            panic!("the metric {name}: {error}");
        }
    }

    /// Says which program of which version this is.
    pub fn program(&self, program: &str, version: &str) {
        let build = self.gauges(
            "prynai_build_info",
            "1: which program runs, of which version.",
            &[
                (
                    "program",
                    "`prynai-gateway`, `prynai-worker` or `prynai-mcp`",
                ),
                ("version", "that of the program"),
            ],
        );
        build.with_label_values(&[program, version]).set(1);
    }

    /// All metrics as Prometheus reads them: the text format, version 0.0.4.
    pub fn text(&self) -> String {
        let families = self.registry.gather();
        let encoder = prometheus::TextEncoder::new();
        encoder.encode_to_string(&families).unwrap_or_else(|error| {
            tracing::error!(%error, "the metrics cannot be written as text");
            String::new()
        })
    }

    /// The table of all metrics, for `docs/metrics.md`.
    pub fn page(&self) -> String {
        page::of(self.described())
    }

    fn described(&self) -> Vec<Description> {
        let described = self.described.lock();
        described.unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn describe(
        &self,
        name: &'static str,
        kind: &'static str,
        help: &'static str,
        labels: &[Label],
        buckets: &[f64],
    ) {
        let description = Description {
            name,
            kind,
            help,
            labels: labels.to_vec(),
            buckets: buckets.to_vec(),
        };
        let mut described = self
            .described
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        described.push(description);
    }

    fn registered<C: Collector + Clone + 'static>(
        &self,
        name: &str,
        made: prometheus::Result<C>,
    ) -> C {
        let registered = made.and_then(|metric| {
            self.registry.register(Box::new(metric.clone()))?;
            Ok(metric)
        });
        registered.unwrap_or_else(|error| panic!("the metric {name}: {error}"))
    }
}

fn names(labels: &[Label]) -> Vec<&'static str> {
    labels.iter().map(|(name, _)| *name).collect()
}
