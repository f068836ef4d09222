//! The line that the log has for each message of a client (`docs/logging.md`), and its span (`docs/tracing.md`).

use std::borrow::Cow;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};
use std::sync::{Mutex, OnceLock, PoisonError};

use axum::http::{Method, StatusCode};
use opentelemetry::KeyValue;
use opentelemetry::trace::{Span as _, SpanBuilder, SpanKind};
use opentelemetry_sdk::trace::Span;
use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::shown;
use prynai_bus::wire::json_rpc::code::INTERNAL_ERROR;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::trace::TraceContext;
use prynai_process::clock;
use prynai_process::telemetry::{REQUEST, milliseconds};
use prynai_traces::span;
use tokio::time::Instant;
use tracing::Level;

use super::NamedTrace;
use crate::metrics::names;
use crate::metrics::operations::Outcome;
use crate::refusal::RequestError;
use crate::versions;

/// What the log will say of one message of a client; it writes itself when it is dropped.
pub(super) struct RequestLine {
    began: Instant,
    gateway: GatewayId,
    principal: Box<str>,
    /// Unless it is POST.
    http_method: Option<Box<str>>,
    asked: OnceLock<Asked>,
    trace: OnceLock<TraceContext>,
    /// In a box, since most lines have none.
    span: Mutex<Option<Box<Span>>>,
    stream: OnceLock<StreamId>,
    version: AtomicU8,
    refusal: OnceLock<Refusal>,
    /// 0 until there is one.
    status: AtomicU16,
    end: OnceLock<(Outcome, Instant)>,
    is_silent: AtomicBool,
}

/// What a message asks for.
pub(crate) struct Asked {
    method: Option<Cow<'static, str>>,
    name: Option<Box<str>>,
    request_id: Option<RawJson>,
    session: Option<SessionId>,
}

struct Refusal {
    reason: &'static str,
    /// The limit of the policy that refused it.
    rule: Option<Box<str>>,
    /// The same may succeed later.
    is_passing: bool,
}

// === impl Asked ===

impl Asked {
    /// A message of this method, with the tool, prompt or resource that it names.
    pub(crate) fn new(
        method: &str,
        name: Option<&str>,
        request_id: Option<&RawJson>,
        session: Option<SessionId>,
    ) -> Self {
        let known = usize::from(names::method(method));
        let shown = match names::METHODS.get(known) {
            Some(known) if *known == method => Cow::Borrowed(*known),
            _ => Cow::Owned(shown::method(method).into_owned()),
        };
        Self {
            method: Some(shown),
            name: name.map(|name| shown::name(method, name).into()),
            request_id: request_id.cloned(),
            session,
        }
    }

    /// The method, harmless to whoever reads it; none of an answer.
    pub(crate) fn method(&self) -> Option<&str> {
        self.method.as_deref()
    }

    /// The tool, prompt or resource, in the same form.
    pub(crate) fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// The answer to a question of ours.
    pub(crate) fn answer(request_id: &RawJson, session: Option<SessionId>) -> Self {
        Self {
            method: None,
            name: None,
            request_id: Some(request_id.clone()),
            session,
        }
    }
}

// === impl RequestLine ===

impl RequestLine {
    /// A line to be.
    pub(super) fn begin(
        began: Instant,
        gateway: &GatewayId,
        principal: &Principal,
        method: &Method,
    ) -> Self {
        let principal = shown::principal(principal).into();
        let mut line = Self::new(began, gateway.clone(), principal);
        let http_method = (method != Method::POST).then(|| method.as_str());
        line.http_method = http_method.map(|method| shown::method(method).into());
        line
    }

    /// The line of one message of a batch.
    pub(super) fn of_batch(&self) -> Self {
        Self::new(self.began, self.gateway.clone(), self.principal.clone())
    }

    fn new(began: Instant, gateway: GatewayId, principal: Box<str>) -> Self {
        Self {
            began,
            gateway,
            principal,
            http_method: None,
            asked: OnceLock::new(),
            trace: OnceLock::new(),
            span: Mutex::default(),
            stream: OnceLock::new(),
            version: AtomicU8::new(0),
            refusal: OnceLock::new(),
            status: AtomicU16::new(0),
            end: OnceLock::new(),
            is_silent: AtomicBool::new(false),
        }
    }

    pub(super) fn asks(&self, asked: Asked) {
        // Each of these is said once.
        let _ = self.asked.set(asked);
    }

    pub(super) fn asked(&self) -> Option<&Asked> {
        self.asked.get()
    }

    /// Begins the span of what is asked, if traces are on; gives its place.
    pub(super) fn begin_span(&self, parent: Option<&NamedTrace>) -> Option<TraceContext> {
        let tracer = prynai_traces::tracer()?;
        let asked = self.asked.get()?;
        let subject = span::Subject {
            method: asked.method.as_deref()?,
            name: asked.name.as_deref(),
            ..span::Subject::default()
        };
        let place = parent.map(|named| named.place);
        let state = parent.and_then(|named| named.state.as_ref());
        let span = SpanBuilder::from_name(subject.span_name())
            .with_kind(SpanKind::Server)
            .with_start_time(clock::now() - self.began.elapsed())
            .start_with_context(tracer, &span::parent(place, state));
        let place = span::place(span.span_context());
        *self.span.lock().unwrap_or_else(PoisonError::into_inner) = Some(Box::new(span));
        place
    }

    pub(super) fn belongs_to(&self, trace: TraceContext) {
        let _ = self.trace.set(trace);
    }

    pub(super) fn queued_as(&self, stream: StreamId) {
        let _ = self.stream.set(stream);
    }

    pub(super) fn speaks(&self, version: u8) {
        self.version.store(version, Ordering::Relaxed);
    }

    /// It is refused; the first refusal counts, as does the first end.
    pub(super) fn refused(&self, error: &RequestError) {
        let _ = self.refusal.set(Refusal {
            reason: error.label(),
            rule: error.rule().map(Into::into),
            is_passing: error.is_passing(),
        });
        self.end(Outcome::Error(error.code().into()));
    }

    pub(super) fn answered(&self, status: StatusCode) {
        self.status.store(status.as_u16(), Ordering::Relaxed);
    }

    pub(super) fn end(&self, outcome: Outcome) {
        self.end.get_or_init(|| (outcome, Instant::now()));
    }

    pub(super) fn silence(&self) {
        self.is_silent.store(true, Ordering::Relaxed);
    }

    /// Whether this server failed, and not its caller.
    fn is_fault(&self, outcome: Option<Outcome>) -> bool {
        let failed = outcome == Some(Outcome::Error(INTERNAL_ERROR.into()));
        let passing = self.refusal.get();
        failed && !passing.is_some_and(|refusal| refusal.is_passing)
    }

    fn take_span(&self) -> Option<Box<Span>> {
        let mut span = self.span.lock().unwrap_or_else(PoisonError::into_inner);
        span.take()
    }

    fn write(&self) {
        let end = self.end.get();
        let (outcome, code) = match end.map(|(outcome, _)| *outcome) {
            Some(Outcome::Success) => ("ok", None),
            Some(Outcome::Error(code)) => ("error", Some(code)),
            Some(Outcome::ToolError) => ("tool_error", None),
            Some(Outcome::Cancelled) => ("cancelled", None),
            None => ("detached", None),
        };
        let took = match end {
            Some((_, at)) => at.duration_since(self.began),
            None => self.began.elapsed(),
        };
        let asked = self.asked.get();
        let id = asked.and_then(|asked| asked.request_id.as_ref());
        let id = id.map(shown::id);
        let session = asked.and_then(|asked| asked.session.as_ref());
        let session = session.map(|session| shown::session(session.as_str()));
        let mut digits = [0; 32];
        let stream = self.stream.get().map(|stream| stream.digits(&mut digits));
        let trace = self.trace.get().map(TraceContext::digits);
        let status = match self.status.load(Ordering::Relaxed) {
            0 => None,
            status => Some(status),
        };
        let version = versions::label(self.version.load(Ordering::Relaxed));
        let refusal = self.refusal.get();
        macro_rules! line {
            ($level:expr) => {
                tracing::event!(
                    target: REQUEST,
                    $level,
                    gateway = self.gateway.as_str(),
                    http_method = self.http_method.as_deref(),
                    method = asked.and_then(|asked| asked.method.as_deref()),
                    name = asked.and_then(|asked| asked.name.as_deref()),
                    request_id = id.as_deref(),
                    stream,
                    session,
                    principal = &*self.principal,
                    version = (!version.is_empty()).then_some(version),
                    outcome,
                    code,
                    reason = refusal.map(|refusal| refusal.reason),
                    rule = refusal.and_then(|refusal| refusal.rule.as_deref()),
                    status,
                    duration_ms = milliseconds(took),
                    trace_id = trace.as_ref().map(|digits| digits.trace_id()),
                    span_id = trace.as_ref().map(|digits| digits.span_id()),
                    "request ended"
                )
            };
        }
        if let Some(mut span) = self.take_span() {
            let method = asked.and_then(|asked| asked.method.as_deref());
            let subject = span::Subject {
                method: method.unwrap_or_default(),
                name: asked.and_then(|asked| asked.name.as_deref()),
                request_id: id.as_deref(),
                session,
                version: (!version.is_empty()).then_some(version),
                stream,
            };
            let (error, failed) = span::error(outcome, code);
            span.set_attributes(subject.attributes().into_iter().chain(error));
            span.set_attributes([
                KeyValue::new("network.transport", "tcp"),
                KeyValue::new("network.protocol.name", "http"),
                KeyValue::new("prynai.gateway.id", self.gateway.as_str().to_owned()),
            ]);
            span.set_status(failed);
            span.end();
        }
        if self.is_fault(end.map(|(outcome, _)| *outcome)) {
            line!(Level::WARN);
        } else {
            line!(Level::INFO);
        }
    }
}

impl Drop for RequestLine {
    fn drop(&mut self) {
        if !self.is_silent.load(Ordering::Relaxed) {
            self.write();
        }
    }
}
