//! What the gateway counts and measures; `docs/metrics.md` says what each of it is.
//!
//! * [`operations`]: how long each message of a client takes, by method and tool
//! * [`queue`]: what the queue holds, looked up for whoever reads the metrics
//! * [`open`]: what is open now
//! * [`names`]: which methods, tools and prompts have a label of their own: those of MCP, and those that the workers
//!   announced

pub(crate) mod names;
pub(crate) mod open;
pub(crate) mod operations;
mod queue;

use std::sync::LazyLock;
use std::time::Duration;

use prynai_process::metrics::{
    self, Counter, Counters, Gauge, Histogram, Histograms, STAGE_BUCKETS,
};

use crate::versions;
use operations::Operations;
use queue::QueueWatch;
pub use queue::look_at_queue;

static METRICS: LazyLock<Metrics> = LazyLock::new(Metrics::new);

/// The metrics of the gateways of this process.
pub(crate) struct Metrics {
    pub(crate) operations: Operations,
    /// From the arrival of a call to its entry in the queue, in seconds.
    pub(crate) admission: Histogram,
    queue: QueueWatch,
    refusals: Counters,
    tokens_refused: Counters,
    /// Issuers that have not given their keys yet.
    pub(crate) token_keys_missing: Gauge,
    /// Sessions that clients opened here.
    pub(crate) sessions_opened: Counter,
    /// Sessions that clients ended here.
    sessions_ended: Counter,
    session_durations: Histograms,
    /// Calls whose answers are held for their clients.
    pub(crate) calls: Gauge,
    /// Open streams of sessions.
    pub(crate) session_streams: Gauge,
    /// Open `subscriptions/listen` streams.
    pub(crate) subscriptions: Gauge,
    /// Streams that clients came back for, and that go on.
    pub(crate) resumed: Counter,
    /// The same, of streams of which nothing is to come.
    pub(crate) resumed_over: Counter,
    /// The same, of streams that are unknown.
    pub(crate) resumed_unknown: Counter,
    /// The same, of streams of sessions.
    pub(crate) resumed_feed: Counter,
    /// Connections of clients that are open.
    pub(crate) connections: Gauge,
    /// Connections that were closed because there were too many.
    pub(crate) connections_refused: Counter,
    /// Tasks that clients cancelled while these waited for them.
    pub(crate) tasks_cancelled: Counter,
    /// Records of refusals that found no room while the bus was away.
    pub(crate) audit_lost: Counter,
}

/// The metrics of the gateways of this process.
pub(crate) fn metrics() -> &'static Metrics {
    &METRICS
}

/// Makes the metrics of gateways, so that they are there before anything is counted.
pub fn register() {
    LazyLock::force(&METRICS);
}

impl Metrics {
    fn new() -> Self {
        let all = metrics::metrics();
        let streams = all.gauges(
            "prynai_gateway_streams",
            "What is open at this gateway for clients.",
            &[(
                "kind",
                "`call` (answers that are waited for or delivered), `session` (GET streams of sessions), \
                 `subscription` (`subscriptions/listen`)",
            )],
        );
        let stream = |kind| streams.with_label_values(&[kind]);
        let resumes = all.counters(
            "prynai_gateway_resumes_total",
            "Clients that came back with `Last-Event-ID`.",
            &[(
                "outcome",
                "`call` (the stream of a call goes on), `call_over` (nothing follows: its response was delivered, or \
                 it was cancelled), `call_unknown` (its stream is no longer kept), `session` (the stream of a session)",
            )],
        );
        let resume = |outcome| resumes.with_label_values(&[outcome]);
        Self {
            queue: QueueWatch::new(all),
            tokens_refused: all.counters(
                "prynai_tokens_refused_total",
                "Requests that were refused for their access token or the want of one. Also in `prynai_refusals_total`.",
                &[(
                    "reason",
                    "`absent` (every client's first request), `misplaced`, `expired`, `not_yet_valid`, `signature`, \
                     `malformed`, `issuer`, `key`, `audience`, `version`, `tenant`, `type`, `nobody` (no subject), \
                     `no_application`, `extension`, `too_long`; `insufficient_scope`, `forbidden` (the application \
                     may not call); `no_token_keys` (the issuer does not answer)",
                )],
            ),
            token_keys_missing: all.gauge(
                "prynai_token_keys_missing",
                "Issuers of tokens that have not given this gateway their keys yet: it refuses their callers. If it is \
                 so of all of them, `/readyz` fails.",
            ),
            sessions_opened: all.counter(
                "prynai_gateway_sessions_opened_total",
                "Sessions that clients opened at this gateway with `initialize`.",
            ),
            sessions_ended: all.counter(
                "prynai_gateway_sessions_ended_total",
                "Sessions that clients ended at this gateway with DELETE. Most end by falling idle, which no gateway \
                 sees.",
            ),
            session_durations: all.histograms(
                "mcp_server_session_duration_seconds",
                "Time from `initialize` until the client ends its session with DELETE, in seconds, at the gateway that \
                 hears it: `mcp.server.session.duration` of OpenTelemetry's conventions for MCP. Sessions that fall idle \
                 are not measured.",
                &[("mcp_protocol_version", "the revision of the session")],
                &operations::BUCKETS,
            ),
            calls: stream("call"),
            session_streams: stream("session"),
            subscriptions: stream("subscription"),
            resumed: resume("call"),
            resumed_over: resume("call_over"),
            resumed_unknown: resume("call_unknown"),
            resumed_feed: resume("session"),
            connections: all.gauge(
                "prynai_gateway_connections",
                "Open connections of clients at this gateway, idle ones and those in their TLS handshake too \
                 (`--max-connections`).",
            ),
            connections_refused: all.counter(
                "prynai_gateway_connections_refused_total",
                "Connections that were closed because there were too many (`--max-connections`) and none was idle.",
            ),
            tasks_cancelled: all.counter(
                "prynai_gateway_tasks_cancelled_total",
                "Tasks that their clients cancelled at this gateway while they waited for them. \
                 `prynai_worker_tasks_total` has those that ended at a worker.",
            ),
            audit_lost: all.counter(
                "prynai_gateway_audit_lost_total",
                "Records of refusals that are missing from the audit, because Redis was away for too long. Those of \
                 calls come with the end of the call.",
            ),
            operations: Operations::new(all),
            admission: all.histogram(
                "prynai_call_admission_seconds",
                "Time of a call from its arrival at the gateway until it is queued, in seconds: reading it, its \
                 session, the policy, its turn at the bus, and the queueing.",
                &STAGE_BUCKETS,
            ),
            refusals: all.counters(
                "prynai_refusals_total",
                "Requests that the gateway refused, whatever form the refusal had. A message of a batch counts for \
                 itself.",
                &[("reason", "why; `docs/limits.md` has those that a client is told in `error.data.reason`")],
            ),
        }
    }

    /// A client ended its session of this revision, which lived for so long, if that is known.
    pub(crate) fn session_ended(&self, version: &str, lived: Option<Duration>) {
        self.sessions_ended.inc();
        if let Some(lived) = lived {
            self.session_durations
                .with_label_values(&[versions::label(versions::number(version))])
                .observe(lived.as_secs_f64());
        }
    }

    /// A token was refused for this reason, one of a fixed set.
    pub(crate) fn token_refused(&self, reason: &'static str) {
        self.tokens_refused.with_label_values(&[reason]).inc();
    }

    /// A request was refused for this reason, one of a fixed set.
    pub(crate) fn refused(&self, reason: &'static str) {
        self.refusals.with_label_values(&[reason]).inc();
    }
}
