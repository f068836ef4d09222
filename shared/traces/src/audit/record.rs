//! A record of the audit as a log record of OpenTelemetry, under its names where it has some.

use opentelemetry::logs::{AnyValue, LogRecord, Logger, LoggerProvider, Severity};
use opentelemetry::{Key, SpanId, TraceId};
use opentelemetry_sdk::logs::{SdkLogRecord, SdkLogger, SdkLoggerProvider};
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::principal::CallerKind;
use prynai_process::clock;

use crate::span;

/// What a call that ended is called.
const ENDED: &str = "prynai.call.ended";

/// What a refusal is called.
const REFUSED: &str = "prynai.request.refused";

/// Makes them.
#[derive(Debug)]
pub(super) struct Records(SdkLogger);

impl Records {
    pub(super) fn new() -> Self {
        // It is only asked for records; they go their own way.
        Self(SdkLoggerProvider::builder().build().logger("prynai.audit"))
    }

    /// The record in this line.
    pub(super) fn of(&self, line: &str) -> Option<SdkLogRecord> {
        // Our own lines can be read.
        let audit = AuditRecord::read(line).ok()?;
        let mut record = self.0.create_log_record();
        let is_refused = audit.outcome == "refused";
        let (severity, text) = match is_refused || audit.outcome == "error" {
            true => (Severity::Warn, "WARN"),
            false => (Severity::Info, "INFO"),
        };
        record.set_severity_number(severity);
        record.set_severity_text(text);
        record.set_event_name(if is_refused { REFUSED } else { ENDED });
        if let Ok(time) = humantime::parse_rfc3339(&audit.timestamp) {
            record.set_timestamp(time);
        }
        record.set_observed_timestamp(clock::now());
        let trace = audit.trace_id.as_deref().map(TraceId::from_hex);
        if let Some(Ok(trace)) = trace {
            // Which span is not in the audit.
            record.set_trace_context(trace, SpanId::INVALID, None);
        }
        record.set_body(body(&audit).into());
        attributes(&audit, &mut record);
        Some(record)
    }
}

/// What a person reads first.
fn body(audit: &AuditRecord<'_>) -> String {
    let asked = [audit.method.as_deref(), audit.name.as_deref()];
    let asked: Vec<&str> = asked.into_iter().flatten().collect();
    let why = audit.reason.as_deref();
    match (asked.is_empty(), why) {
        (false, Some(why)) => format!("{}: {} ({why})", asked.join(" "), audit.outcome),
        (false, None) => format!("{}: {}", asked.join(" "), audit.outcome),
        (true, Some(why)) => format!("{} ({why})", audit.outcome),
        (true, None) => audit.outcome.to_string(),
    }
}

fn attributes(audit: &AuditRecord<'_>, record: &mut SdkLogRecord) {
    let subject = span::Subject {
        method: audit.method.as_deref().unwrap_or_default(),
        name: audit.name.as_deref(),
        session: audit.session.as_deref(),
        stream: audit.stream.as_deref(),
        ..span::Subject::default()
    };
    if audit.method.is_some() {
        record.add_attributes(subject.texts().map(|(key, value)| (key, value.to_owned())));
    }
    if let Some(kind) = span::error_type(&audit.outcome, audit.code) {
        record.add_attribute("error.type", kind);
    }
    let code = audit.code.map(|code| code.to_string());
    for (key, value) in [
        ("rpc.response.status_code", code.as_deref()),
        ("prynai.outcome", Some(&*audit.outcome)),
        ("user.id", audit.principal.as_deref()),
        ("client.address", audit.address.as_deref()),
        ("prynai.client.id", audit.client.as_deref()),
        ("prynai.caller.kind", audit.kind.map(kind)),
        ("prynai.policy.rule", audit.rule.as_deref()),
        ("prynai.reason", audit.reason.as_deref()),
        ("prynai.gateway.id", audit.gateway.as_deref()),
        ("prynai.worker.id", audit.worker.as_deref()),
    ] {
        if let Some(value) = value {
            record.add_attribute(key, value.to_owned());
        }
    }
    for (key, names) in [
        ("user.roles", &audit.roles),
        ("prynai.token.scopes", &audit.scopes),
    ] {
        if !names.is_empty() {
            let names = names.iter().map(|name| name.to_string());
            record.add_attribute(Key::new(key), names.collect::<AnyValue>());
        }
    }
    for (key, milliseconds) in [
        ("prynai.queue.duration", audit.queue_ms),
        ("prynai.run.duration", audit.duration_ms),
    ] {
        if let Some(milliseconds) = milliseconds {
            record.add_attribute(key, milliseconds / 1e3);
        }
    }
    if let Some(attempt) = audit.attempt {
        record.add_attribute("prynai.attempt", attempt);
    }
    if let Some(arguments) = &audit.arguments {
        record.add_attribute("gen_ai.tool.call.arguments", arguments.to_string());
    }
    if let Some(count) = audit.count {
        record.add_attribute("prynai.count", i64::try_from(count).unwrap_or(i64::MAX));
    }
}

fn kind(kind: CallerKind) -> &'static str {
    match kind {
        CallerKind::User => "user",
        CallerKind::App => "app",
    }
}
