//! A request on its way to a worker.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::principal::Principal;
use super::session::Session;
use super::trace::{TraceContext, TraceState};
use super::visible::Visible;
use super::{FORMAT, WireError, check_format};
use crate::ids::{EntryId, GatewayId, StreamId};

/// The method of a knock ([`RequestEnvelope::knock`]).
pub const KNOCK: &str = "notifications/prynai/knock";

/// How long the deadline of a knock has passed when it is queued: more than clocks are apart.
const OVERDUE_MS: u64 = 1_000;

/// The field of an entry that the bus adds when it queues a request again; its signature does not cover it.
pub const AGAIN: &str = "again";

/// Fields of an entry, with a signature.
const MOST_FIELDS: usize = 21;

/// One request as the gateway queued it.
#[derive(Debug, Clone, PartialEq)]
pub struct RequestEnvelope {
    /// Correlates everything about this request; client ids repeat across clients.
    pub stream: StreamId,
    /// The gateway that waits for the answer.
    pub holder: GatewayId,
    /// Which generation of MCP the client speaks.
    pub era: Era,
    /// The revision in force, such as `2026-07-28`.
    pub protocol_version: String,
    /// The JSON-RPC method.
    pub method: String,
    /// `params.name` or `params.uri`, when the method has one.
    pub name: Option<String>,
    /// The client's own request id, as sent; `None` for a notification, which gets no answer.
    pub request_id: Option<RawJson>,
    /// Who calls.
    pub principal: Principal,
    /// The session (legacy only).
    pub session: Option<Session>,
    /// HTTP headers for the handler; credentials never enter.
    pub headers: BTreeMap<String, String>,
    /// When the gateway queued it, Unix milliseconds by the clock of the bus.
    pub queued_at_ms: u64,
    /// After this moment (Unix milliseconds by the clock of the bus) the work is not begun any more, and so neither is
    /// a copy of the request that somebody queued again.
    pub deadline_ms: Option<u64>,
    /// What of a list the caller may see; everything without it. Workers of releases that do not know it show
    /// everything.
    pub visible: Option<Visible>,
    /// The place in a trace that the run belongs to, if its client or its gateway named one.
    pub trace: Option<TraceContext>,
    /// What else is known of that trace; only with `trace`.
    pub trace_state: Option<TraceState>,
    /// The rule of the policy that allowed it, for the audit; absent without a policy, and when no rule is needed.
    pub rule: Option<String>,
    /// The client takes a task in place of the answer, and so does its gateway. Workers of releases that do not know it
    /// answer as ever.
    pub takes_task: bool,
    /// It is of a task whose client has answered. Only the bus says so, when it queues the request again.
    pub again: bool,
    /// The JSON-RPC message, unchanged.
    pub message: RawJson,
}

/// The two generations of MCP; decided per request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Era {
    /// 2025-03-26, 2025-06-18, 2025-11-25: sessions, resumable streams.
    Legacy,
    /// 2026-07-28: stateless; the broken connection is the cancel.
    Modern,
}

/// Where a running call is found: its stream and its queue entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CallRef {
    /// The stream of its events.
    pub stream: StreamId,
    /// Its entry in the request queue.
    pub entry: EntryId,
}

/// The fields of a queue entry, as they were written.
#[derive(Default)]
struct FieldTexts<'a> {
    v: Option<&'a str>,
    stream: Option<&'a str>,
    holder: Option<&'a str>,
    era: Option<&'a str>,
    version: Option<&'a str>,
    method: Option<&'a str>,
    principal: Option<&'a str>,
    queued: Option<&'a str>,
    message: Option<&'a str>,
    id: Option<&'a str>,
    name: Option<&'a str>,
    session: Option<&'a str>,
    headers: Option<&'a str>,
    deadline: Option<&'a str>,
    visible: Option<&'a str>,
    trace: Option<&'a str>,
    trace_state: Option<&'a str>,
    rule: Option<&'a str>,
    task: Option<&'a str>,
    again: Option<&'a str>,
}

// === impl Era ===

impl Era {
    /// How it is written.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
        }
    }
}

// === impl RequestEnvelope ===

impl RequestEnvelope {
    /// A knock: it shows whoever starts workers that one is wanted, when no request can be queued because nobody has
    /// said yet what this fleet serves. It is a notification whose deadline has passed, so that a worker of any release
    /// removes it and never begins it.
    ///
    /// # Errors
    ///
    /// When its message cannot be written as JSON.
    pub fn knock(holder: GatewayId, now_ms: u64, version: &str) -> Result<Self, WireError> {
        let message = serde_json::json!({ "jsonrpc": "2.0", "method": KNOCK });
        Ok(Self {
            stream: StreamId::generate(),
            principal: Principal::named(holder.as_str()),
            holder,
            era: Era::Modern,
            protocol_version: version.to_owned(),
            method: KNOCK.to_owned(),
            name: None,
            request_id: None,
            session: None,
            headers: BTreeMap::new(),
            queued_at_ms: now_ms,
            deadline_ms: Some(now_ms.saturating_sub(OVERDUE_MS)),
            visible: None,
            trace: None,
            trace_state: None,
            rule: None,
            takes_task: false,
            again: false,
            message: RawJson::from_value(&message)?,
        })
    }

    /// The fields of the queue entry, flat so that `XRANGE` reads well.
    ///
    /// # Errors
    ///
    /// When a part cannot be written as JSON.
    pub fn to_fields(&self) -> Result<Vec<(&'static str, Cow<'_, str>)>, WireError> {
        let mut fields = Vec::with_capacity(MOST_FIELDS);
        fields.extend([
            ("v", FORMAT.to_string().into()),
            ("stream", self.stream.to_string().into()),
            ("holder", self.holder.as_str().into()),
            ("era", self.era.as_str().into()),
            ("version", self.protocol_version.as_str().into()),
            ("method", self.method.as_str().into()),
            ("principal", serde_json::to_string(&self.principal)?.into()),
            ("queued", self.queued_at_ms.to_string().into()),
            ("message", self.message.as_str().into()),
        ]);
        if let Some(id) = &self.request_id {
            fields.push(("id", id.as_str().into()));
        }
        if let Some(name) = &self.name {
            fields.push(("name", name.as_str().into()));
        }
        if let Some(session) = &self.session {
            fields.push(("session", serde_json::to_string(session)?.into()));
        }
        if !self.headers.is_empty() {
            fields.push(("headers", serde_json::to_string(&self.headers)?.into()));
        }
        if let Some(deadline) = self.deadline_ms {
            fields.push(("deadline", deadline.to_string().into()));
        }
        if let Some(visible) = &self.visible {
            fields.push(("visible", serde_json::to_string(visible)?.into()));
        }
        if let Some(trace) = self.trace {
            fields.push(("trace", trace.to_string().into()));
        }
        if let Some(state) = &self.trace_state {
            fields.push(("tracestate", state.as_str().into()));
        }
        if let Some(rule) = &self.rule {
            fields.push(("rule", rule.as_str().into()));
        }
        if self.takes_task {
            fields.push(("task", "1".into()));
        }
        Ok(fields)
    }

    /// Reads what [`RequestEnvelope::to_fields`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When the entry is of a newer format, or a field is missing or malformed.
    pub fn from_fields<'a>(
        fields: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Result<Self, WireError> {
        let mut texts = FieldTexts::default();
        for (field, text) in fields {
            texts.note(field, text);
        }
        let needed = |field, text: Option<&'a str>| text.ok_or(WireError::Missing(field));
        check_format(number("v", needed("v", texts.v)?)?)?;
        Ok(Self {
            stream: parsed("stream", needed("stream", texts.stream)?)?,
            holder: needed("holder", texts.holder)?.into(),
            era: match needed("era", texts.era)? {
                "legacy" => Era::Legacy,
                "modern" => Era::Modern,
                other => return Err(invalid("era", other)),
            },
            protocol_version: needed("version", texts.version)?.to_owned(),
            method: needed("method", texts.method)?.to_owned(),
            request_id: texts.id.map(RawJson::parse_str).transpose()?,
            principal: serde_json::from_str(needed("principal", texts.principal)?)?,
            queued_at_ms: number("queued", needed("queued", texts.queued)?)?,
            message: RawJson::parse_str(needed("message", texts.message)?)?,
            name: texts.name.map(str::to_owned),
            session: texts.session.map(serde_json::from_str).transpose()?,
            headers: texts
                .headers
                .map(serde_json::from_str)
                .transpose()?
                .unwrap_or_default(),
            deadline_ms: texts
                .deadline
                .map(|text| number("deadline", text))
                .transpose()?,
            visible: texts.visible.map(serde_json::from_str).transpose()?,
            // No call fails because of how it is traced.
            trace: texts.trace.and_then(|text| text.parse().ok()),
            trace_state: texts.trace_state.and_then(|text| text.parse().ok()),
            rule: texts.rule.map(str::to_owned),
            takes_task: texts.task == Some("1"),
            again: texts.again == Some("1"),
        })
    }
}

// === impl FieldTexts ===

impl<'a> FieldTexts<'a> {
    /// Notes a field, unless it is one of a later release.
    fn note(&mut self, field: &str, text: &'a str) {
        let place = match field {
            "v" => &mut self.v,
            "stream" => &mut self.stream,
            "holder" => &mut self.holder,
            "era" => &mut self.era,
            "version" => &mut self.version,
            "method" => &mut self.method,
            "principal" => &mut self.principal,
            "queued" => &mut self.queued,
            "message" => &mut self.message,
            "id" => &mut self.id,
            "name" => &mut self.name,
            "session" => &mut self.session,
            "headers" => &mut self.headers,
            "deadline" => &mut self.deadline,
            "visible" => &mut self.visible,
            "trace" => &mut self.trace,
            "tracestate" => &mut self.trace_state,
            "rule" => &mut self.rule,
            "task" => &mut self.task,
            AGAIN => &mut self.again,
            _ => return,
        };
        *place = Some(text);
    }
}

fn parsed<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T::Err: std::fmt::Display,
{
    text.parse().map_err(|error: T::Err| WireError::Invalid {
        field,
        reason: error.to_string(),
    })
}

fn number<T: std::str::FromStr>(field: &'static str, text: &str) -> Result<T, WireError>
where
    T::Err: std::fmt::Display,
{
    parsed(field, text)
}

fn invalid(field: &'static str, text: &str) -> WireError {
    WireError::Invalid {
        field,
        reason: format!("{text:?} is not a known value"),
    }
}
