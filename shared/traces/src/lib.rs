//! Traces over OTLP: which spans there are, and their way to the receiver (`docs/tracing.md`); and the audit as logs
//! (`docs/audit.md`). They are off without an endpoint, and then nothing of this runs.
//!
//! 1. [`TraceSettings`]: where spans and records go, and which
//! 2. [`Traces`]: those of this process, until it ends; [`tracer`] begins spans
//! 3. `export`: a bounded queue, and the thread that sends what lies in it; `spans` and `audit` say of what
//! 4. [`span`]: what the spans of gateways and workers have in common

mod audit;
mod export;
mod metrics;
mod otlp;
mod settings;
pub mod span;
mod spans;

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::trace::{SdkTracer, SdkTracerProvider};
use prynai_process::telemetry::{self, SpanLayer};

use self::audit::AuditQueue;

pub use metrics::register as register_metrics;
pub use otlp::OtlpProtocol;
pub use settings::{Sampling, TraceSettings};

/// How long a process that ends waits until its last spans and records are sent.
const LAST: Duration = Duration::from_secs(2);

/// How long the last records are waited for if the last spans took all of that.
const LEAST: Duration = Duration::from_millis(200);

static TRACER: OnceLock<SdkTracer> = OnceLock::new();

/// What begins spans; `None` while traces are off.
pub fn tracer() -> Option<&'static SdkTracer> {
    TRACER.get()
}

/// What this process sends: its traces and its audit. When this is dropped, the last spans and records are sent, as far
/// as the receiver takes them in time.
#[derive(Debug)]
#[must_use = "what is left is sent when this is dropped"]
pub struct Traces {
    spans: Option<SdkTracerProvider>,
    audit: Option<Arc<AuditQueue<LogExporter>>>,
}

impl Traces {
    fn start(
        spans: Option<SdkTracerProvider>,
        audit: Option<AuditQueue<LogExporter>>,
    ) -> Result<Self, String> {
        let twice = || "traces were started before".to_owned();
        if let Some(spans) = &spans {
            TRACER.set(spans.tracer("prynai")).map_err(|_| twice())?;
        }
        let audit = audit.map(Arc::new);
        if audit
            .as_ref()
            .is_some_and(|audit| !telemetry::audit::send_to(audit.clone()))
        {
            return Err(twice());
        }
        Ok(Self { spans, audit })
    }

    /// What makes spans of those that handlers write with `tracing`; none while traces are off.
    pub fn layer(&self) -> Option<SpanLayer> {
        let layer = tracing_opentelemetry::layer()
            .with_tracer(self.spans.as_ref()?.tracer("handler"))
            .with_location(false)
            .with_threads(false)
            .with_tracked_inactivity(false);
        Some(Box::new(layer))
    }
}

impl Drop for Traces {
    fn drop(&mut self) {
        let until = Instant::now() + LAST;
        // Its thread sends while this one waits for the spans.
        if let Some(audit) = &self.audit {
            audit.hurry();
        }
        if let Some(spans) = &self.spans {
            // Nobody is left to be told.
            let _ = spans.shutdown_with_timeout(LAST);
        }
        if let Some(audit) = &self.audit {
            // Its receiver may be another one, which has done nothing wrong.
            let left = until.saturating_duration_since(Instant::now()).max(LEAST);
            if audit.flush(left).is_err() {
                tracing::warn!(
                    "the receiver of logs did not take the last records of the audit in time"
                );
            }
        }
    }
}
