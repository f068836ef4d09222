//! What the spans of gateways and workers have in common: OpenTelemetry's conventions for MCP (docs/gen-ai/mcp.md in
//! its repository of conventions for generative AI, status "development").

use opentelemetry::trace::{SpanContext, SpanId, Status, TraceContextExt, TraceFlags, TraceId};
use opentelemetry::{Context, KeyValue};
use prynai_bus::wire::trace::{TraceContext, TraceState as Told};

/// What a message asks for, as it may be shown.
#[derive(Debug, Clone, Copy, Default)]
pub struct Subject<'a> {
    /// The JSON-RPC method.
    pub method: &'a str,
    /// The tool, prompt or resource that it names.
    pub name: Option<&'a str>,
    /// The client's id of it.
    pub request_id: Option<&'a str>,
    /// The session of a legacy client.
    pub session: Option<&'a str>,
    /// The revision of MCP.
    pub version: Option<&'a str>,
    /// The call, as our logs name it.
    pub stream: Option<&'a str>,
}

impl Subject<'_> {
    /// The name of a span; a resource is not part of it, since there may be any number of them.
    pub fn span_name(&self) -> String {
        match self.name {
            Some(name) if !self.is_of_resource() => format!("{} {name}", self.method),
            _ => self.method.to_owned(),
        }
    }

    /// The attributes of a span.
    pub fn attributes(&self) -> Vec<KeyValue> {
        let mut attributes = Vec::with_capacity(12);
        let texts = self.texts();
        attributes.extend(texts.map(|(key, value)| KeyValue::new(key, value.to_owned())));
        attributes
    }

    /// The same, not yet of a span.
    pub(crate) fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        let (operation, named) = match self.method {
            "tools/call" => (Some("execute_tool"), "gen_ai.tool.name"),
            "prompts/get" => (None, "gen_ai.prompt.name"),
            _ => (None, "mcp.resource.uri"),
        };
        let all = [
            ("mcp.method.name", Some(self.method)),
            ("gen_ai.operation.name", operation),
            (named, self.name),
            ("jsonrpc.request.id", self.request_id),
            ("mcp.session.id", self.session),
            ("mcp.protocol.version", self.version),
            ("prynai.stream.id", self.stream),
        ];
        let given = all.into_iter();
        given.filter_map(|(key, value)| Some((key, value?)))
    }

    fn is_of_resource(&self) -> bool {
        !matches!(self.method, "tools/call" | "prompts/get")
    }
}

/// What says that an operation failed: `outcome` and `code` as the log has them.
pub fn error(outcome: &'static str, code: Option<i64>) -> (Vec<KeyValue>, Status) {
    let Some(kind) = error_type(outcome, code) else {
        return (Vec::new(), Status::Unset);
    };
    let mut attributes = vec![KeyValue::new("error.type", kind)];
    let code = code.map(|code| code.to_string());
    attributes.extend(code.map(|code| KeyValue::new("rpc.response.status_code", code)));
    (attributes, Status::error(""))
}

/// `error.type` of what ended so, if it failed.
pub(crate) fn error_type(outcome: &str, code: Option<i64>) -> Option<String> {
    match (outcome, code) {
        ("ok" | "detached", _) => None,
        (_, Some(code)) => Some(code.to_string()),
        (outcome, None) => Some(outcome.to_owned()),
    }
}

/// What a span at this place is a child of.
pub fn parent(place: Option<TraceContext>, state: Option<&Told>) -> Context {
    match place {
        Some(place) => Context::new().with_remote_span_context(remote(place, state)),
        None => Context::new(),
    }
}

/// The span at this place, in another process, with what is said of its trace.
pub fn remote(place: TraceContext, state: Option<&Told>) -> SpanContext {
    // It was read before; what the library still refuses (a system of 14 characters) is left out.
    let state = state.and_then(|state| state.as_str().parse().ok());
    SpanContext::new(
        TraceId::from(place.trace_id),
        SpanId::from(place.span_id),
        TraceFlags::new(place.flags),
        true,
        state.unwrap_or_default(),
    )
}

/// The place of a span.
pub fn place(span: &SpanContext) -> Option<TraceContext> {
    span.is_valid().then(|| TraceContext {
        trace_id: u128::from_be_bytes(span.trace_id().to_bytes()),
        span_id: u64::from_be_bytes(span.span_id().to_bytes()),
        flags: span.trace_flags().to_u8(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_the_same_on_both_sides() {
        let text = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
        let there: TraceContext = text.parse().unwrap();
        assert_eq!(place(&remote(there, None)), Some(there));
        assert_eq!(place(&SpanContext::NONE), None);
    }
}
