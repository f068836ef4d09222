//! Structured logs on standard output, which no reader can hold up: what is logged waits in a bounded
//! [`log_queue`] for a thread of its own, and lines of one source that repeat become one ([`repeats`]).

pub mod audit;
mod fold_repeats;
mod line;
mod log_queue;
pub mod of_run;
mod repeats;

use std::backtrace::{Backtrace, BacktraceStatus};
use std::io::IsTerminal;
use std::time::Duration;

use clap::{Args, ValueEnum};
use tracing::Metadata;
use tracing::field::display;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::{FilterFn, filter_fn};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Layer, Registry};

use self::audit::AuditSettings;
use self::fold_repeats::FoldRepeats;
use self::log_queue::LogQueue;
use self::of_run::NamesRun;

const DEFAULT_FILTER: &str = "info";

/// The target of spans that are of traces alone: no line of the log names them.
pub const TRACE_ONLY: &str = "prynai_trace";

/// What RUST_LOG calls the lines of requests.
pub const REQUEST: &str = "request";

/// What RUST_LOG calls the lines of runs.
pub const RUN: &str = "run";

/// How the process logs. What is logged is chosen with RUST_LOG.
#[derive(Debug, Clone, Args)]
pub struct TelemetrySettings {
    /// Form of the log lines on standard output [default: text on a terminal, else json].
    /// Which lines: RUST_LOG, such as info or prynai_worker=debug [default: info]. Those of rmcp, which
    /// hold the arguments of calls, only when RUST_LOG names rmcp.
    #[arg(long, env = "PRYNAI_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,

    /// Which requests and runs have a line in the log. RUST_LOG decides instead if it names `request` or `run`.
    #[arg(
        long,
        env = "PRYNAI_LOG_REQUESTS",
        value_enum,
        value_name = "WHICH",
        default_value = "failed"
    )]
    pub log_requests: LogRequests,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub audit: AuditSettings,
}

/// What makes traces of spans.
pub type SpanLayer = Box<dyn Layer<Registry> + Send + Sync>;

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

/// Which requests and runs have a line in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogRequests {
    /// Each: a line costs a gateway or a worker some five microseconds.
    All,
    /// Those that this fleet or its handler failed.
    Failed,
    /// None.
    None,
}

/// The log of this process. When it is dropped, what was logged is written, as far as somebody reads it in time.
#[derive(Debug)]
#[must_use = "the last lines are written when this is dropped"]
pub struct Log(LogQueue);

impl TelemetrySettings {
    /// Starts logging for this process. From then on a panic is a line of the log as well.
    ///
    /// # Errors
    ///
    /// When RUST_LOG cannot be understood, logging was started before, or there is no thread for it.
    pub fn start(&self) -> Result<Log, String> {
        self.start_with(None)
    }

    /// The same, for a process that makes traces as well.
    ///
    /// # Errors
    ///
    /// As [`Self::start`].
    pub fn start_with(&self, traces: Option<SpanLayer>) -> Result<Log, String> {
        let chosen = std::env::var("RUST_LOG").unwrap_or_default();
        let chosen = if chosen.trim().is_empty() {
            DEFAULT_FILTER
        } else {
            &chosen
        };
        let filter = EnvFilter::try_new(self.log_requests.add_to(chosen))
            .map_err(|error| format!("RUST_LOG {chosen:?} cannot be understood: {error}"))?;
        let is_terminal = std::io::stdout().is_terminal();
        let format = self.log_format.unwrap_or(if is_terminal {
            LogFormat::Text
        } else {
            LogFormat::Json
        });
        let queue = LogQueue::start(format, std::io::stdout())
            .map_err(|error| format!("no thread for the log: {error}"))?;
        // Its own errors would go to standard error, and a panic follows when that is closed.
        let lines = tracing_subscriber::fmt::layer()
            .with_writer(queue.clone())
            .log_internal_errors(false);
        let fold = FoldRepeats::new(queue.clone());
        let registry = tracing_subscriber::registry()
            .with(traces)
            .with(without_rmcp(chosen, &filter))
            .with(filter);
        let started = match format {
            LogFormat::Json => {
                let lines = lines.json().flatten_event(true);
                let lines = lines.map_event_format(|inner| NamesRun { inner, format });
                registry.with(lines.with_filter(fold)).try_init()
            }
            LogFormat::Text => {
                // In a file the codes of colours are noise. NO_COLOR is heeded on a terminal too.
                let coloured =
                    is_terminal && std::env::var_os("NO_COLOR").is_none_or(|no| no.is_empty());
                let lines = lines.with_target(false).with_ansi(coloured);
                let lines = lines.map_event_format(|inner| NamesRun { inner, format });
                registry.with(lines.with_filter(fold)).try_init()
            }
        };
        started.map_err(|error| error.to_string())?;
        self.audit.open()?;
        report_panics();
        #[cfg(feature = "mutations")]
        tracing::error!("this binary was built to have bugs planted; it is not for use");
        Ok(Log(queue))
    }
}

impl LogRequests {
    /// What is chosen with RUST_LOG, and these lines.
    fn add_to(self, chosen: &str) -> String {
        let level = match self {
            Self::All => "info",
            Self::Failed => "warn",
            Self::None => "off",
        };
        let names = |target: &str| {
            let named = |directive: &str| directive.split(['=', '[']).next() == Some(target);
            chosen.split(',').any(named)
        };
        let mut all = chosen.to_owned();
        for target in [REQUEST, RUN].iter().filter(|target| !names(target)) {
            all.push_str(&format!(",{target}={level}"));
        }
        all
    }
}

impl Drop for Log {
    fn drop(&mut self) {
        self.0.flush();
        audit::flush();
    }
}

/// A duration as lines of the log have it, to a thousandth of a millisecond.
pub fn milliseconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1e6).round() / 1e3
}

/// rmcp tells of every request at `info`, of every tool error at `warn` and of every call that ends early at
/// `error`, and from `debug` on what they hold. What concerns the operator of it is logged by the worker.
fn without_rmcp(
    chosen: &str,
    filter: &EnvFilter,
) -> Option<FilterFn<impl Fn(&Metadata<'_>) -> bool + use<>>> {
    let names_it =
        |directive: &str| of_rmcp(directive.split(['=', '[']).next().unwrap_or_default());
    if chosen.split(',').any(names_it) {
        return None;
    }
    let most = filter.max_level_hint().unwrap_or(LevelFilter::TRACE);
    let others =
        move |metadata: &Metadata<'_>| metadata.level() <= &most && !of_rmcp(metadata.target());
    Some(filter_fn(others).with_max_level_hint(most))
}

fn of_rmcp(target: &str) -> bool {
    target == "rmcp" || target.starts_with("rmcp::")
}

/// The standard library would write them on standard error, and wait for its reader.
fn report_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let at = panic.location().map(ToString::to_string);
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let reason = text.or_else(|| payload.downcast_ref::<&str>().copied());
        let backtrace = Backtrace::capture();
        let captured = backtrace.status() == BacktraceStatus::Captured;
        let backtrace = captured.then(|| display(&backtrace));
        tracing::error!(at, reason, backtrace, "a part of this process panicked");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_chosen_for_requests_leaves_the_rest_as_it_is() {
        for (which, chosen, expected) in [
            (LogRequests::All, "warn", "warn,request=info,run=info"),
            (LogRequests::Failed, "info", "info,request=warn,run=warn"),
            (LogRequests::None, "debug", "debug,request=off,run=off"),
            (
                LogRequests::None,
                "info,run=info",
                "info,run=info,request=off",
            ),
            (
                LogRequests::Failed,
                "request=debug,run",
                "request=debug,run",
            ),
        ] {
            assert_eq!(which.add_to(chosen), expected);
            EnvFilter::try_new(expected).expect("is understood");
        }
    }

    #[test]
    fn rmcp_is_off_unless_it_is_named() {
        for (chosen, silent) in [
            ("info", true),
            ("debug", true),
            ("trace,hyper=off", true),
            ("prynai_worker=debug", true),
            ("rmcpx=debug", true),
            ("[serve_inner]=trace", true),
            ("rmcp=debug", false),
            ("info,rmcp::service=debug", false),
            ("rmcp[serve_inner]=trace", false),
            ("rmcp", false),
        ] {
            let filter = EnvFilter::try_new(chosen).expect("is a filter");
            let found = without_rmcp(chosen, &filter).is_some();
            assert_eq!(found, silent, "{chosen}");
        }
    }
}
