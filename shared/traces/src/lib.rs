//! Traces over OTLP: which spans there are, and their way to the receiver (`docs/tracing.md`). They are off without an
//! endpoint, and then nothing of this runs.
//!
//! 1. [`TraceSettings`]: where spans go, and which
//! 2. [`Traces`]: spans of this process, until it ends; [`tracer`] begins them
//! 3. `export`: the bounded queue of ended spans, and the thread that sends them
//! 4. [`span`]: what the spans of gateways and workers have in common

mod export;
mod metrics;
mod otlp;
mod settings;
pub mod span;

use std::sync::OnceLock;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prynai_process::telemetry::SpanLayer;

pub use metrics::register as register_metrics;
pub use otlp::OtlpProtocol;
pub use settings::{Sampling, TraceSettings};

/// How long a process that ends waits until its last spans are sent.
const LAST_SPANS: Duration = Duration::from_secs(2);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What begins spans; `None` while traces are off.
pub fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// The traces of this process. When it is dropped, the last spans are sent, as far as the receiver takes them in time.
#[derive(Debug)]
#[must_use = "the last spans are sent when this is dropped"]
pub struct Traces(SdkTracerProvider);

impl Traces {
    fn start(provider: SdkTracerProvider) -> Result<Self, String> {
        let tracer = provider.tracer("prynai");
        let first = TRACER.set(tracer).is_ok();
        first
            .then_some(Self(provider))
            .ok_or_else(|| "traces were started before".to_owned())
    }

    /// What makes spans of those that handlers write with `tracing`.
    pub fn layer(&self) -> SpanLayer {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer("handler"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Box::new(layer)
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        // Nobody is left to be told.
        let _ = self.0.shutdown_with_timeout(LAST_SPANS);
    }
}
