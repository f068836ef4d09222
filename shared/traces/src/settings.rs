//! Settings of traces. The variables are those of OpenTelemetry, which operators know.

use clap::{Args, ValueEnum};
use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use prynai_process::secret::Secret;

use crate::Traces;
use crate::export::ExportQueue;
use crate::otlp::{self, OtlpProtocol};

/// Where spans go, and which.
#[derive(Debug, Clone, Args)]
pub struct TraceSettings {
    /// URL of the receiver of traces (an OpenTelemetry Collector), such as http://127.0.0.1:4317; over HTTP, v1/traces
    /// is added to it. Traces are off unless it is set (docs/tracing.md).
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT", value_name = "URL")]
    pub otlp_endpoint: Option<String>,

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
            otlp::check_endpoint(endpoint)?;
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

    /// Starts the traces of this process, if they are on.
    ///
    /// # Errors
    ///
    /// When the receiver cannot be spoken to as it is set, or there is no thread for it.
    pub fn start(&self, program: &'static str, version: &str) -> Result<Option<Traces>, String> {
        let Some(endpoint) = &self.otlp_endpoint else {
            return Ok(None);
        };
        let headers = self.otlp_headers.as_ref().map_or("", Secret::expose);
        let headers = otlp::headers(headers)?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| error.to_string())?;
        let exporter = {
            let _context = runtime.enter();
            otlp::exporter(endpoint, self.otlp_protocol, headers)?
        };
        let name = self.otlp_service_name.clone();
        let resource = Resource::builder_empty()
            .with_service_name(name.unwrap_or_else(|| program.to_owned()))
            .with_attribute(KeyValue::new("service.version", version.to_owned()))
            .build();
        let queue = ExportQueue::start(runtime, exporter, &resource)
            .map_err(|error| format!("no thread for traces: {error}"))?;
        let provider = SdkTracerProvider::builder()
            .with_sampler(self.sampler())
            .with_resource(resource)
            .with_span_processor(queue)
            .build();
        Traces::start(provider).map(Some)
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
