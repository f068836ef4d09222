//! How long the messages of clients take: `mcp.server.operation.duration` of OpenTelemetry's conventions for MCP
//! (docs/gen-ai/mcp.md in its repository of conventions, status "development").
//!
//! Of its attributes these are labels: `mcp.method.name`, `gen_ai.tool.name`, `gen_ai.prompt.name`, `error.type`, which
//! also is `rpc.response.status_code` where it is a number, and `mcp.protocol.version`. The others would be the same
//! for every message here, or are without bound (`mcp.resource.uri`).

use std::sync::OnceLock;

use prynai_process::metrics::{Histogram, Histograms, Metrics};
use tokio::time::Instant;

use super::names::{self, METHODS, NAMES, NO_NAME, Names, OTHER, PROMPTS_GET, TOOLS_CALL};
use crate::versions;

/// As the conventions advise, in seconds.
pub(super) const BUCKETS: [f64; 14] = [
    0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0,
];

/// The codes of errors that have a label: those of JSON-RPC and of MCP's revisions. A handler may make up others.
const CODES: [(i64, &str); 11] = [
    (-32700, "-32700"),
    (-32600, "-32600"),
    (-32601, "-32601"),
    (-32602, "-32602"),
    (-32603, "-32603"),
    (-32000, "-32000"),
    (-32002, "-32002"),
    (-32020, "-32020"),
    (-32021, "-32021"),
    (-32022, "-32022"),
    (-32042, "-32042"),
];

/// A method that names nothing, or a tool, or a prompt.
const SUBJECTS: usize = METHODS.len() + 2 * NAMES;

/// Durations by method, tool, prompt, error and revision.
pub(crate) struct Operations {
    durations: Histograms,
    pub(crate) tools: Names,
    pub(crate) prompts: Names,
    /// Of operations that succeed, by revision and subject: made when they are first needed.
    successes: Vec<OnceLock<Histogram>>,
}

/// How an operation ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outcome {
    Success,
    /// A JSON-RPC error with this code.
    Error(i64),
    /// A tool's result that says that it is an error.
    ToolError,
    /// Its client took it back, or is gone.
    Cancelled,
}

/// What an operation is, as its labels say it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Subject {
    pub(crate) method: u8,
    /// Of its method's kind: the tool of `tools/call`, the prompt of `prompts/get`.
    pub(crate) name: u16,
    pub(crate) version: u8,
}

// === impl Operations ===

impl Operations {
    pub(super) fn new(metrics: &Metrics) -> Self {
        let subjects = (versions::COUNT + 1) * SUBJECTS;
        Self {
            durations: metrics.histograms(
                "mcp_server_operation_duration_seconds",
                "Time of a client's request or notification from its arrival at the gateway until its answer is \
                 handed to the connection, in seconds: `mcp.server.operation.duration` of OpenTelemetry's conventions \
                 for MCP. `subscriptions/listen` ends with its acknowledgement. A legacy call whose connection breaks \
                 is not measured, since its client resumes it, perhaps at another gateway.",
                &[
                    ("mcp_method_name", "the method; `_OTHER` for what is not MCP's"),
                    (
                        "gen_ai_tool_name",
                        "of `tools/call`: the tool, if the workers announced it and it is one of the first 128 names; \
                         else `_OTHER`",
                    ),
                    (
                        "gen_ai_prompt_name",
                        "of `prompts/get`: the prompt, on the same conditions",
                    ),
                    (
                        "error_type",
                        "empty for a success; the code of a JSON-RPC error (`_OTHER` for codes that are neither \
                         JSON-RPC's nor MCP's); `tool_error` for a result with `isError`; `cancelled` when the client \
                         took the request back or is gone",
                    ),
                    ("mcp_protocol_version", "the revision, if it is one that is served"),
                ],
                &BUCKETS,
            ),
            tools: Names::default(),
            prompts: Names::default(),
            successes: std::iter::repeat_with(OnceLock::new).take(subjects).collect(),
        }
    }

    /// An operation that began then has ended now.
    pub(crate) fn observe(&self, subject: Subject, began: Instant, outcome: Outcome) {
        let seconds = began.elapsed().as_secs_f64();
        let error = match outcome {
            Outcome::Success => return self.success(subject).observe(seconds),
            Outcome::Error(code) => code_label(code),
            Outcome::ToolError => "tool_error",
            Outcome::Cancelled => "cancelled",
        };
        self.series(subject, error).observe(seconds);
    }

    /// How many operations ended so.
    #[cfg(test)]
    pub(crate) fn count(&self, labels: &[&str; 5]) -> u64 {
        let series = self.durations.with_label_values(labels);
        series.get_sample_count()
    }

    fn success(&self, subject: Subject) -> &Histogram {
        let of_method = match subject.name {
            NO_NAME => usize::from(subject.method),
            tool if subject.is_of(TOOLS_CALL) => METHODS.len() + usize::from(tool),
            prompt => METHODS.len() + NAMES + usize::from(prompt),
        };
        let place = usize::from(subject.version) * SUBJECTS + of_method;
        // Each place is below the number of all, by the types of its parts.
        let place = place.min(self.successes.len() - 1);
        self.successes[place].get_or_init(|| self.series(subject, ""))
    }

    fn series(&self, subject: Subject, error: &str) -> Histogram {
        let method = METHODS.get(usize::from(subject.method)).unwrap_or(&OTHER);
        let (tool, prompt) = match subject.name {
            NO_NAME => (String::new(), String::new()),
            tool if subject.is_of(TOOLS_CALL) => (self.tools.label(tool), String::new()),
            prompt => (String::new(), self.prompts.label(prompt)),
        };
        let version = versions::label(subject.version);
        self.durations
            .with_label_values(&[method, tool.as_str(), prompt.as_str(), error, version])
    }

    /// The number of what a message of this method names.
    pub(crate) fn name(&self, method: &str, name: Option<&str>) -> u16 {
        let names = match method {
            TOOLS_CALL => &self.tools,
            PROMPTS_GET => &self.prompts,
            _ => return NO_NAME,
        };
        names.number(name.unwrap_or_default())
    }
}

// === impl Subject ===

impl Subject {
    /// Whether this is its method.
    pub(crate) fn is_of(self, method: &str) -> bool {
        self.method == names::method(method)
    }
}

fn code_label(code: i64) -> &'static str {
    let known = CODES.iter().find(|(known, _)| *known == code);
    known.map_or(OTHER, |(_, label)| label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_subject_has_a_place_of_its_own() {
        let operations = &crate::metrics::metrics().operations;
        let last = Subject {
            method: names::method(PROMPTS_GET),
            name: u16::try_from(NAMES - 1).unwrap(),
            version: u8::try_from(versions::COUNT).unwrap(),
        };
        let before = usize::from(last.version) * SUBJECTS + METHODS.len() + NAMES;
        let place = before + usize::from(last.name);
        assert_eq!(place, operations.successes.len() - 1);
    }
}
