//! Structured logs on standard output.

use std::io::IsTerminal;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

/// rmcp tells of every request at `info`, of every tool error at `warn` and of every call that ends
/// early at `error`; what concerns the operator of it is logged by the worker.
const DEFAULT_FILTER: &str = "info,rmcp=off";

/// How the process logs. What is logged is chosen with RUST_LOG.
#[derive(Debug, Clone, Args)]
pub struct TelemetrySettings {
    /// Form of the log lines on standard output [default: text on a terminal, else json].
    /// Which lines: RUST_LOG, such as info or prynai_worker=debug [default: info,rmcp=off].
    #[arg(long, env = "PRYNAI_LOG_FORMAT", value_enum, value_name = "FORMAT")]
    pub log_format: Option<LogFormat>,
}

/// Form of the log lines.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// For people.
    Text,
}

impl TelemetrySettings {
    /// Starts logging for this process.
    ///
    /// # Errors
    ///
    /// When RUST_LOG cannot be understood, or logging was started before.
    pub fn start(&self) -> Result<(), String> {
        let filter = match std::env::var("RUST_LOG") {
            Ok(text) if !text.is_empty() => EnvFilter::try_new(&text)
                .map_err(|error| format!("RUST_LOG {text:?} cannot be understood: {error}"))?,
            _ => EnvFilter::new(DEFAULT_FILTER),
        };
        let format = self.log_format.unwrap_or_else(|| {
            if std::io::stdout().is_terminal() {
                LogFormat::Text
            } else {
                LogFormat::Json
            }
        });
        let registry = tracing_subscriber::registry().with(filter);
        let lines = tracing_subscriber::fmt::layer();
        let started = match format {
            LogFormat::Json => registry.with(lines.json().flatten_event(true)).try_init(),
            LogFormat::Text => registry.with(lines.with_target(false)).try_init(),
        };
        #[cfg(feature = "mutations")]
        tracing::error!("this binary was built to have bugs planted; it is not for use");
        started.map_err(|error| error.to_string())
    }
}
