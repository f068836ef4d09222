//! The line that the log has for each run (`docs/logging.md`), and its span (`docs/tracing.md`).

use std::time::Duration;

use prynai_bus::Claim;
use prynai_bus::ids::WorkerId;
use prynai_bus::shown;
use prynai_bus::wire::json_rpc::code::INTERNAL_ERROR;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::response::Ended;
use prynai_process::telemetry::{RUN, TRACE_ONLY, milliseconds};
use prynai_traces::span;
use tokio::time::Instant;
use tracing::{Level, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt;

use crate::call::running::Stop;

/// The only method whose results say that they are errors.
const TOOLS_CALL: &str = "tools/call";

/// A run that began now.
#[derive(Debug)]
pub(crate) struct RunLine {
    began: Instant,
    span: Span,
    /// How long the request had waited.
    waited: Duration,
}

/// A run that is over.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Run {
    pub(crate) outcome: &'static str,
    /// Of the error that it ended with.
    pub(crate) code: Option<i64>,
    /// Why it was not run at all, if it was not.
    pub(crate) reason: Option<&'static str>,
    /// How long the request had waited.
    pub(crate) waited: Duration,
    pub(crate) took: Duration,
}

/// How a run ended.
#[derive(Debug, Clone, Copy)]
pub(crate) enum RunEnd<'a> {
    /// With this response; a notification has none.
    Response(Option<&'a RawJson>),
    /// Before there was one.
    Stopped(Stop),
}

impl RunLine {
    /// A run begins; `now_ms` by the clock of the bus.
    pub(crate) fn begin(claim: &Claim, now_ms: u64) -> Self {
        let waited = waited(claim, now_ms);
        Self {
            began: Instant::now(),
            span: match prynai_traces::tracer() {
                Some(_) => begin_span(claim, waited),
                None => Span::none(),
            },
            waited,
        }
    }

    /// The span of the run, in which those of the handler begin; none while traces are off.
    pub(crate) fn span(&self) -> Span {
        self.span.clone()
    }

    /// Ends the run, and its span.
    pub(crate) fn end(self, claim: &Claim, worker: &WorkerId, end: RunEnd<'_>) -> Run {
        let (outcome, code) = end.outcome(&claim.request.method);
        if !self.span.is_none() {
            let (error, failed) = span::error(outcome, code);
            for attribute in error {
                self.span.set_attribute(attribute.key, attribute.value);
            }
            self.span.set_status(failed);
        }
        let run = Run {
            outcome,
            code,
            reason: None,
            waited: self.waited,
            took: self.began.elapsed(),
        };
        if tracing::enabled!(target: RUN, Level::WARN) {
            run.log(claim, worker);
        }
        run
    }
}

/// How long a request had waited. What a task waited for its client is not counted, nor is what it then waits for a
/// worker: the entry says when the call was made.
fn waited(claim: &Claim, now_ms: u64) -> Duration {
    match claim.request.again {
        true => Duration::ZERO,
        false => Duration::from_millis(now_ms.saturating_sub(claim.request.queued_at_ms)),
    }
}

impl RunEnd<'_> {
    fn outcome(self, method: &str) -> (&'static str, Option<i64>) {
        match self {
            RunEnd::Response(None) => ("ok", None),
            RunEnd::Response(Some(response)) => match Ended::of(response, method == TOOLS_CALL) {
                Ended::Success => ("ok", None),
                Ended::ToolError => ("tool_error", None),
                Ended::Error(code) => ("error", Some(code)),
            },
            RunEnd::Stopped(Stop::Cancelled) => ("cancelled", None),
            RunEnd::Stopped(Stop::Lost) => ("lost", None),
            RunEnd::Stopped(Stop::HandedBack) => ("handed_back", None),
            RunEnd::Stopped(Stop::Asking) => ("asking", None),
        }
    }
}

impl Run {
    /// How a task ends that is cancelled while it waits for its client.
    pub(crate) fn cancelled_while_asking(claim: &Claim, now_ms: u64) -> Self {
        Self {
            outcome: "cancelled",
            code: None,
            reason: None,
            waited: waited(claim, now_ms),
            took: Duration::ZERO,
        }
    }

    /// The same, for a call whose client does not want it any more.
    pub(crate) fn cancelled(self) -> Self {
        Self {
            outcome: "cancelled",
            code: None,
            reason: None,
            ..self
        }
    }

    /// Writes the line.
    fn log(&self, claim: &Claim, worker: &WorkerId) {
        let (outcome, code, request) = (self.outcome, self.code, &claim.request);
        let name = request.name.as_deref();
        let name = name.map(|name| shown::name(&request.method, name));
        let id = request.request_id.as_ref().map(shown::id);
        let mut digits = [0; 32];
        let stream = request.stream.digits(&mut digits);
        let trace = request.trace.map(|trace| trace.digits());
        let session = session(request);
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: RUN,
                    $level,
                    worker = worker.as_str(),
                    gateway = request.holder.as_str(),
                    method = &*shown::method(&request.method),
                    name = name.as_deref(),
                    request_id = id.as_deref(),
                    stream,
                    session,
                    principal = &*shown::principal(&request.principal),
                    version = request.protocol_version.as_str(),
                    outcome,
                    code,
                    attempt = claim.delivery,
                    queue_ms = milliseconds(self.waited),
                    duration_ms = milliseconds(self.took),
                    trace_id = trace.as_ref().map(|digits| digits.trace_id()),
                    span_id = trace.as_ref().map(|digits| digits.span_id()),
                    "run ended"
                )
            };
        }
        if code == Some(INTERNAL_ERROR.into()) {
            line!(Level::WARN);
        } else {
            line!(Level::INFO);
        }
    }
}

/// The session, as it is shown.
fn session(request: &RequestEnvelope) -> Option<&str> {
    let session = request.session.as_ref();
    session.map(|session| shown::session(session.id.as_str()))
}

/// The gateway named the place in the trace: the span of the run is a child of its span. The link says the same to
/// those who draw the way over a queue by its links.
fn begin_span(claim: &Claim, waited: Duration) -> Span {
    let request = &claim.request;
    let method = shown::method(&request.method);
    let name = request.name.as_deref();
    let name = name.map(|name| shown::name(&request.method, name));
    let id = request.request_id.as_ref().map(shown::id);
    let mut digits = [0; 32];
    let subject = span::Subject {
        method: &method,
        name: name.as_deref(),
        request_id: id.as_deref(),
        session: session(request),
        version: Some(&request.protocol_version),
        stream: Some(request.stream.digits(&mut digits)),
    };
    let name = subject.span_name();
    let span =
        tracing::error_span!(target: TRACE_ONLY, "run", otel.name = name, otel.kind = "consumer");
    if let Some(place) = request.trace {
        // It has not begun yet, so it takes the parent.
        let state = request.trace_state.as_ref();
        let _ = span.set_parent(span::parent(Some(place), state));
        span.add_link(span::remote(place, state));
    }
    for attribute in subject.attributes() {
        span.set_attribute(attribute.key, attribute.value);
    }
    span.set_attribute("prynai.queue.duration", waited.as_secs_f64());
    span.set_attribute("prynai.attempt", i64::from(claim.delivery));
    span.set_attribute("prynai.gateway.id", request.holder.as_str().to_owned());
    span
}
