//! Settings of traces, and of the audit as logs. The variables are those of OpenTelemetry, which operators know.

use clap::{Args, ValueEnum};
use opentelemetry::KeyValue;
use opentelemetry_otlp::LogExporter;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prynai_process::secret::Secret;
use tokio::runtime::Runtime;

use crate::Traces;
use crate::audit::{Audit, AuditQueue};
use crate::export::ExportQueue;
use crate::otlp::{self, OtlpProtocol, Receiver};
use crate::spans::Spans;

/// Where spans and the audit's records go, and which.
#[derive(Debug, Clone, Args)]
pub struct TraceSettings {
    /// URL of the receiver of traces (an OpenTelemetry Collector), such as http://127.0.0.1:4317; over HTTP, v1/traces
    /// is added to it. Traces are off unless it is set (docs/tracing.md).
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

    /// Sends the records of the audit as logs to the receiver as well: a worker those of the calls that it ended, a
    /// gateway those of what it refused (docs/audit.md).
    #[arg(long, env = "PRYNAI_AUDIT_OTLP")]
    pub audit_otlp: bool,

    /// URL of a receiver of its own for --audit-otlp; over HTTP with its path, such as http://127.0.0.1:4318/v1/logs
    /// [default: --otlp-endpoint; over HTTP, v1/logs is added to it].
    #[arg(long, env = "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT", value_name = "URL")]
    pub otlp_logs_endpoint: Option<String>,

    /// How the receiver is spoken to.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_PROTOCOL",
        value_enum,
        value_name = "PROTOCOL",
        default_value = "grpc"
    )]
    pub otlp_protocol: OtlpProtocol,

    /// Headers for the receiver, such as authorization=Bearer%20…; several separated by commas, values with percent
    /// signs as in URLs.
    #[arg(
        long,
        env = "OTEL_EXPORTER_OTLP_HEADERS",
        value_name = "NAME=VALUE",
        hide_env_values = true
    )]
    pub otlp_headers: Option<Secret>,

    /// Name of the service in traces [default: that of the program].
    #[arg(long, env = "OTEL_SERVICE_NAME", value_name = "NAME")]
    pub otlp_service_name: Option<String>,

    /// Which requests are traced. What is based on the parent does as the client says, if it says anything.
    #[arg(
        long,
        env = "OTEL_TRACES_SAMPLER",
        value_enum,
        value_name = "SAMPLER",
        default_value = "parentbased_always_on"
    )]
    pub otlp_sampler: Sampling,

    /// Of the samplers by ratio: which part of all traces, from 0 to 1 [default: 1].
    #[arg(long, env = "OTEL_TRACES_SAMPLER_ARG", value_name = "RATIO")]
    pub otlp_sampler_arg: Option<f64>,
}

/// Which requests are traced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Sampling {
    /// All.
    #[value(name = "always_on")]
    AlwaysOn,
    /// None.
    #[value(name = "always_off")]
    AlwaysOff,
    /// A part, by the id of the trace.
    #[value(name = "traceidratio")]
    TraceIdRatio,
    /// As the client says, else all.
    #[value(name = "parentbased_always_on")]
    ParentBasedAlwaysOn,
    /// As the client says, else none.
    #[value(name = "parentbased_always_off")]
    ParentBasedAlwaysOff,
    /// As the client says, else a part.
    #[value(name = "parentbased_traceidratio")]
    ParentBasedTraceIdRatio,
}

impl TraceSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        if let Some(endpoint) = &self.otlp_endpoint {
            otlp::check_endpoint("--otlp-endpoint", endpoint)?;
        }
        if let Some(endpoint) = &self.otlp_logs_endpoint {
            otlp::check_endpoint("--otlp-logs-endpoint", endpoint)?;
        }
        if self.audit_otlp && self.otlp_endpoint.is_none() && self.otlp_logs_endpoint.is_none() {
            let text =
                "--audit-otlp needs a receiver: give --otlp-endpoint or --otlp-logs-endpoint";
            return Err(text.to_owned());
        }
        if let Some(headers) = &self.otlp_headers {
            otlp::headers(headers.expose())?;
        }
        match self.otlp_sampler_arg {
            Some(ratio) if !(0.0..=1.0).contains(&ratio) => {
                Err("--otlp-sampler-arg is a part of all traces, from 0 to 1".to_owned())
            }
            _ => Ok(()),
        }
    }

    /// Starts the traces of this process and sends its audit, if they are on.
    ///
    /// # Errors
    ///
    /// When the receiver cannot be spoken to as it is set, or there is no thread for it.
    pub fn start(&self, program: &'static str, version: &str) -> Result<Traces, String> {
        let headers = self.otlp_headers.as_ref().map_or("", Secret::expose);
        let headers = otlp::headers(headers)?;
        let receiver = Receiver {
            protocol: self.otlp_protocol,
            headers: &headers,
            endpoint: self.otlp_endpoint.as_deref(),
            logs_endpoint: self.otlp_logs_endpoint.as_deref(),
        };
        let name = self.otlp_service_name.clone();
        let resource = Resource::builder_empty()
            .with_service_name(name.unwrap_or_else(|| program.to_owned()))
            .with_attribute(KeyValue::new("service.version", version.to_owned()))
            .build();
        let audit = match self.audit_otlp {
            true => start_audit(&receiver, &resource)?,
            false => None,
        };
        Traces::start(self.start_spans(&receiver, resource)?, audit)
    }

    fn start_spans(
        &self,
        receiver: &Receiver<'_>,
        resource: Resource,
    ) -> Result<Option<SdkTracerProvider>, String> {
        let Some((runtime, exporter)) = in_runtime(|| receiver.spans())? else {
            return Ok(None);
        };
        let queue = ExportQueue::start(runtime, Spans::new(exporter, &resource))
            .map_err(|error| format!("no thread for traces: {error}"))?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(self.sampler())
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        Ok(Some(provider))
    }

    fn sampler(&self) -> Sampler {
        let ratio = || Sampler::TraceIdRatioBased(self.otlp_sampler_arg.unwrap_or(1.0));
        let by_parent = |root: Sampler| Sampler::ParentBased(Box::new(root));
        match self.otlp_sampler {
            Sampling::AlwaysOn => Sampler::AlwaysOn,
            Sampling::AlwaysOff => Sampler::AlwaysOff,
            Sampling::TraceIdRatio => ratio(),
            Sampling::ParentBasedAlwaysOn => by_parent(Sampler::AlwaysOn),
            Sampling::ParentBasedAlwaysOff => by_parent(Sampler::AlwaysOff),
            Sampling::ParentBasedTraceIdRatio => by_parent(ratio()),
        }
    }
}

fn start_audit(
    receiver: &Receiver<'_>,
    resource: &Resource,
) -> Result<Option<AuditQueue<LogExporter>>, String> {
    let Some((runtime, exporter)) = in_runtime(|| receiver.logs())? else {
        return Ok(None);
    };
    let queue = ExportQueue::start(runtime, Audit::new(exporter, resource))
        .map_err(|error| format!("no thread for the audit: {error}"))?;
    Ok(Some(AuditQueue::new(queue)))
}

/// An exporter, if there is to be one, and the runtime that it was made in.
fn in_runtime<E>(
    make: impl FnOnce() -> Result<Option<E>, String>,
) -> Result<Option<(Runtime, E)>, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| error.to_string())?;
    let made = {
        let _context = runtime.enter();
        make()
    };
    if let Ok(Some(exporter)) = made {
        return Ok(Some((runtime, exporter)));
    }
    // To drop it would be to wait for it, which the runtime that this is called in does not allow.
    runtime.shutdown_background();
    made.map(|_| None)
}
