//! A message of a client in the hands of this gateway: for the metrics how long it takes and how it ends, and for the
//! log its one line ([`request_line`]).

mod request_line;

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};

use axum::http::{Method, StatusCode};
use prynai_bus::ids::{GatewayId, StreamId};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::trace::{TraceContext, TraceState};
use tokio::time::Instant;

use crate::metrics::metrics;
use crate::metrics::names::{NO_NAME, TOOLS_CALL, method};
use crate::metrics::operations::{Outcome, Subject};
use crate::refusal::RequestError;
use crate::versions;
pub(crate) use request_line::Asked;
use request_line::RequestLine;

/// A message of a client in the hands of the endpoint. When it is dropped before it has ended, its client is gone.
pub(crate) struct Operation {
    began: Instant,
    is_named: AtomicBool,
    method: AtomicU8,
    name: AtomicU16,
    version: AtomicU8,
    /// It has ended, or somebody else ends it.
    is_over: AtomicBool,
    trace: OnceLock<TraceContext>,
    trace_state: OnceLock<TraceState>,
    /// The rule of the policy that allows it.
    rule: OnceLock<Arc<str>>,
    line: Arc<RequestLine>,
}

/// The place in a trace that a client names, and what else it says of the trace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct NamedTrace {
    pub(crate) place: TraceContext,
    pub(crate) state: Option<TraceState>,
}

/// A call whose answer is on its way to its client, until it is dropped.
pub(crate) struct Measurement {
    began: Instant,
    subject: Subject,
    is_over: bool,
    /// A connection that breaks is the end of it.
    ends_when_dropped: bool,
    line: Arc<RequestLine>,
}

// === impl Operation ===

impl Operation {
    /// A message arrives.
    pub(crate) fn begin(gateway: &GatewayId, principal: &Principal, method: &Method) -> Self {
        let began = Instant::now();
        let line = RequestLine::begin(began, gateway, principal, method);
        Self::of_line(began, line)
    }

    /// A message that arrived with others, in a body that has no line of its own.
    pub(crate) fn of_batch(batch: &Self) -> Self {
        Self::of_line(batch.began, batch.line.of_batch())
    }

    fn of_line(began: Instant, line: RequestLine) -> Self {
        Self {
            began,
            is_named: AtomicBool::new(false),
            method: AtomicU8::new(0),
            name: AtomicU16::new(NO_NAME),
            version: AtomicU8::new(0),
            is_over: AtomicBool::new(false),
            trace: OnceLock::new(),
            trace_state: OnceLock::new(),
            rule: OnceLock::new(),
            line: Arc::new(line),
        }
    }

    /// When it arrived.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// What it asks for. Until then nothing is measured. `name`: the tool or the prompt that it names, if it does.
    pub(crate) fn asks(&self, asked: &str, name: Option<&str>) {
        self.method.store(method(asked), Ordering::Relaxed);
        let number = metrics().operations.name(asked, name);
        self.name.store(number, Ordering::Relaxed);
        self.is_named.store(true, Ordering::Relaxed);
    }

    /// The same for its line.
    pub(crate) fn tell(&self, asked: Asked) {
        self.line.asks(asked);
    }

    /// What it asks for, once that is known.
    pub(crate) fn asked(&self) -> Option<&Asked> {
        self.line.asked()
    }

    /// A rule of the policy allows it.
    pub(crate) fn allowed_by(&self, rule: Arc<str>) {
        // A message is judged once.
        let _ = self.rule.set(rule);
    }

    /// The rule of the policy that allows it, if there was need of one.
    pub(crate) fn rule(&self) -> Option<&str> {
        self.rule.get().map(|rule| &**rule)
    }

    /// The place in a trace that its client names, if it names one. With traces on, it is the parent of the span that
    /// begins here.
    pub(crate) fn belongs_to(&self, named: Option<NamedTrace>) {
        let own = self.line.begin_span(named.as_ref());
        let (place, state) = match named {
            Some(NamedTrace { place, state }) => (Some(place), state),
            None => (None, None),
        };
        if let Some(state) = state {
            let _ = self.trace_state.set(state);
        }
        if let Some(trace) = own.or(place) {
            // A message belongs to one.
            let _ = self.trace.set(trace);
            self.line.belongs_to(trace);
        }
    }

    /// The place in a trace that its run belongs to.
    pub(crate) fn trace(&self) -> Option<TraceContext> {
        self.trace.get().copied()
    }

    /// What its client says of that trace.
    pub(crate) fn trace_state(&self) -> Option<&TraceState> {
        self.trace_state.get()
    }

    /// The revision that its client speaks.
    pub(crate) fn speaks(&self, version: &str) {
        let version = versions::number(version);
        self.version.store(version, Ordering::Relaxed);
        self.line.speaks(version);
    }

    /// It is queued for a worker, which will write to this stream.
    pub(crate) fn queued_as(&self, stream: StreamId) {
        self.line.queued_as(stream);
    }

    /// It has ended, unless it was handed over.
    pub(crate) fn end(&self, outcome: Outcome) {
        let was_over = self.is_over.swap(true, Ordering::Relaxed);
        if was_over {
            return;
        }
        if self.is_named.load(Ordering::Relaxed) {
            let operations = &metrics().operations;
            operations.observe(self.subject(), self.began, outcome);
        }
        self.line.end(outcome);
    }

    /// It is refused.
    pub(crate) fn refused(&self, error: &RequestError) {
        self.line.refused(error);
    }

    /// Its client is told this status; what was not handed over has ended with it.
    pub(crate) fn answered(&self, status: StatusCode) {
        self.line.answered(status);
        if !self.is_over.load(Ordering::Relaxed) {
            self.line.end(Outcome::Success);
        }
    }

    /// Each of its parts has a line.
    pub(crate) fn is_told_in_parts(&self) {
        self.line.silence();
    }

    /// Somebody else ends it. `ends_when_dropped`: it ends with its connection.
    pub(crate) fn hand_over(&self, ends_when_dropped: bool) -> Measurement {
        let was_over = self.is_over.swap(true, Ordering::Relaxed);
        Measurement {
            began: self.began,
            subject: self.subject(),
            is_over: was_over || !self.is_named.load(Ordering::Relaxed),
            ends_when_dropped,
            line: self.line.clone(),
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            method: self.method.load(Ordering::Relaxed),
            name: self.name.load(Ordering::Relaxed),
            version: self.version.load(Ordering::Relaxed),
        }
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        self.end(Outcome::Cancelled);
    }
}

// === impl Measurement ===

impl Measurement {
    /// It has ended; what is said later does not count.
    pub(crate) fn end(&mut self, outcome: Outcome) {
        if !std::mem::replace(&mut self.is_over, true) {
            let operations = &metrics().operations;
            operations.observe(self.subject, self.began, outcome);
        }
        self.line.end(outcome);
    }

    /// Whether it is the call of a tool.
    pub(crate) fn is_of_tool(&self) -> bool {
        self.subject.is_of(TOOLS_CALL)
    }
}

impl Drop for Measurement {
    fn drop(&mut self) {
        if self.ends_when_dropped {
            self.end(Outcome::Cancelled);
        }
    }
}

#[cfg(test)]
mod tests;
