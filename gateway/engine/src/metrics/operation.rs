//! How long the messages of clients take: `mcp.server.operation.duration` of OpenTelemetry's conventions for MCP
//! (docs/gen-ai/mcp.md in its repository of conventions, status "development").
//!
//! Of its attributes these are labels: `mcp.method.name`, `gen_ai.tool.name`, `error.type`, which also is
//! `rpc.response.status_code` where it is a number, and `mcp.protocol.version`. The others would be the same for every
//! message here, or are without bound (`mcp.resource.uri`, `gen_ai.prompt.name`).

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU16, Ordering};

use prynai_process::metrics::{Histogram, Histograms, Metrics};
use tokio::time::Instant;

use super::metrics;
use super::names::{METHODS, NO_TOOL, OTHER, TOOLS, TOOLS_CALL, Tools, method};
use crate::versions;

/// As the conventions advise, in seconds.
const BUCKETS: [f64; 14] = [
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

/// A method that names no tool, or a tool.
const SUBJECTS: usize = METHODS.len() + TOOLS;

/// Durations by method, tool, error and revision.
pub(crate) struct Operations {
    durations: Histograms,
    pub(crate) tools: Tools,
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
struct Subject {
    method: u8,
    tool: u16,
    version: u8,
}

/// A message of a client in the hands of the endpoint. When it is dropped before it has ended, its client is gone.
pub(crate) struct Operation {
    began: Instant,
    is_named: AtomicBool,
    method: AtomicU8,
    tool: AtomicU16,
    version: AtomicU8,
    /// It has ended, or somebody else ends it.
    is_over: AtomicBool,
}

/// A call whose answer is on its way to its client, until it is dropped.
pub(crate) struct Measurement {
    began: Instant,
    subject: Subject,
    is_over: bool,
    /// A connection that breaks is the end of it.
    ends_when_dropped: bool,
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
                        "error_type",
                        "empty for a success; the code of a JSON-RPC error (`_OTHER` for codes that are neither \
                         JSON-RPC's nor MCP's); `tool_error` for a result with `isError`; `cancelled` when the client \
                         took the request back or is gone",
                    ),
                    ("mcp_protocol_version", "the revision, if it is one that is served"),
                ],
                &BUCKETS,
            ),
            tools: Tools::default(),
            successes: std::iter::repeat_with(OnceLock::new).take(subjects).collect(),
        }
    }

    fn observe(&self, subject: Subject, began: Instant, outcome: Outcome) {
        let seconds = began.elapsed().as_secs_f64();
        let error = match outcome {
            Outcome::Success => return self.success(subject).observe(seconds),
            Outcome::Error(code) => code_label(code),
            Outcome::ToolError => "tool_error",
            Outcome::Cancelled => "cancelled",
        };
        self.series(subject, error).observe(seconds);
    }

    fn success(&self, subject: Subject) -> &Histogram {
        let of_method = match subject.tool {
            NO_TOOL => usize::from(subject.method),
            tool => METHODS.len() + usize::from(tool),
        };
        let place = usize::from(subject.version) * SUBJECTS + of_method;
        // Each place is below the number of all, by the types of its parts.
        let place = place.min(self.successes.len() - 1);
        self.successes[place].get_or_init(|| self.series(subject, ""))
    }

    fn series(&self, subject: Subject, error: &str) -> Histogram {
        let method = METHODS.get(usize::from(subject.method)).unwrap_or(&OTHER);
        let tool = self.tools.label(subject.tool);
        let version = versions::label(subject.version);
        self.durations
            .with_label_values(&[method, tool.as_str(), error, version])
    }
}

fn code_label(code: i64) -> &'static str {
    let known = CODES.iter().find(|(known, _)| *known == code);
    known.map_or(OTHER, |(_, label)| label)
}

// === impl Operation ===

impl Operation {
    /// A message arrives.
    pub(crate) fn begin() -> Self {
        Self::begun(Instant::now())
    }

    /// A message that arrived with others.
    pub(crate) fn begun(began: Instant) -> Self {
        Self {
            began,
            is_named: AtomicBool::new(false),
            method: AtomicU8::new(0),
            tool: AtomicU16::new(NO_TOOL),
            version: AtomicU8::new(0),
            is_over: AtomicBool::new(false),
        }
    }

    /// When it arrived.
    pub(crate) fn began(&self) -> Instant {
        self.began
    }

    /// What it asks for. Until then nothing is measured. `tool` is looked at for `tools/call` alone.
    pub(crate) fn asks(&self, name: &str, tool: Option<&str>) {
        self.method.store(method(name), Ordering::Relaxed);
        if name == TOOLS_CALL {
            let tools = &metrics().operations.tools;
            let number = tools.number(tool.unwrap_or_default());
            self.tool.store(number, Ordering::Relaxed);
        }
        self.is_named.store(true, Ordering::Relaxed);
    }

    /// The revision that its client speaks.
    pub(crate) fn speaks(&self, version: &str) {
        let version = versions::number(version);
        self.version.store(version, Ordering::Relaxed);
    }

    /// It has ended, unless it was handed over.
    pub(crate) fn end(&self, outcome: Outcome) {
        let was_over = self.is_over.swap(true, Ordering::Relaxed);
        if !was_over && self.is_named.load(Ordering::Relaxed) {
            let operations = &metrics().operations;
            operations.observe(self.subject(), self.began, outcome);
        }
    }

    /// Somebody else ends it. `ends_when_dropped`: it ends with its connection.
    pub(crate) fn hand_over(&self, ends_when_dropped: bool) -> Measurement {
        let was_over = self.is_over.swap(true, Ordering::Relaxed);
        Measurement {
            began: self.began,
            subject: self.subject(),
            is_over: was_over || !self.is_named.load(Ordering::Relaxed),
            ends_when_dropped,
        }
    }

    fn subject(&self) -> Subject {
        Subject {
            method: self.method.load(Ordering::Relaxed),
            tool: self.tool.load(Ordering::Relaxed),
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
    }

    /// Whether it is the call of a tool.
    pub(crate) fn is_of_tool(&self) -> bool {
        self.subject.tool != NO_TOOL
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
mod tests {
    use super::*;

    /// How often operations ended so, of this method and tool. The metrics are those of all tests of this process.
    fn ended(method: &str, tool: &str, error: &str, version: &str) -> u64 {
        let durations = &metrics().operations.durations;
        let labels = [method, tool, error, version];
        durations.with_label_values(&labels).get_sample_count()
    }

    fn operation(method: &str, tool: Option<&str>, version: &str) -> Operation {
        let operation = Operation::begin();
        operation.asks(method, tool);
        operation.speaks(version);
        operation
    }

    #[test]
    fn each_operation_is_counted_once_with_its_outcome() {
        metrics()
            .operations
            .tools
            .announced(["counted_once"].into_iter());
        let call = || operation(TOOLS_CALL, Some("counted_once"), "2026-07-28");
        let count = |error| ended(TOOLS_CALL, "counted_once", error, "2026-07-28");
        for (outcome, error) in [
            (Outcome::Success, ""),
            (Outcome::Error(-32602), "-32602"),
            (Outcome::Error(17), OTHER),
            (Outcome::ToolError, "tool_error"),
            (Outcome::Cancelled, "cancelled"),
        ] {
            let before = count(error);
            call().end(outcome);
            assert_eq!(count(error), before + 1, "{outcome:?}");
            let begun = call();
            let mut handed_over = begun.hand_over(true);
            drop(begun);
            assert_eq!(count(error), before + 1, "{outcome:?}");
            handed_over.end(outcome);
            handed_over.end(Outcome::Success);
            drop(handed_over);
            assert_eq!(count(error), before + 2, "{outcome:?}");
        }
    }

    #[test]
    fn what_is_dropped_was_cancelled_unless_it_goes_on_elsewhere() {
        let count = || ended("completion/complete", "", "cancelled", "2025-06-18");
        let complete = || operation("completion/complete", Some("echo"), "2025-06-18");
        drop(complete());
        assert_eq!(count(), 1);
        drop(complete().hand_over(true));
        assert_eq!(count(), 2);
        drop(complete().hand_over(false));
        assert_eq!(count(), 2);
        // Nobody knows what it was.
        drop(Operation::begin());
        assert_eq!(count(), 2);
    }

    #[test]
    fn what_a_client_makes_up_is_no_label() {
        operation("made/up", None, "3000-01-01").end(Outcome::Success);
        operation(TOOLS_CALL, Some("made_up_tool"), "\u{1b}").end(Outcome::Success);
        let text = prynai_process::metrics::metrics().text();
        for made_up in ["made/up", "3000-01-01", "made_up_tool", "\u{1b}"] {
            assert!(!text.contains(made_up), "{made_up:?}");
        }
        assert!(ended(OTHER, "", "", "") > 0);
        assert!(ended(TOOLS_CALL, OTHER, "", "") > 0);
    }

    #[test]
    fn every_subject_has_a_place_of_its_own() {
        let operations = &metrics().operations;
        let last = Subject {
            method: 0,
            tool: u16::try_from(TOOLS - 1).unwrap(),
            version: u8::try_from(versions::COUNT).unwrap(),
        };
        let place = usize::from(last.version) * SUBJECTS + METHODS.len() + usize::from(last.tool);
        assert_eq!(place, operations.successes.len() - 1);
    }
}
