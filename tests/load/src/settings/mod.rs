//! What to do, from the command line.

mod endpoint;

pub use endpoint::Endpoint;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use http::{HeaderName, HeaderValue};
use serde::Serialize;
use serde_json::Value;

/// Holds a bearer token, so that none stands on a command line.
pub const TOKEN: &str = "PRYNAI_LOAD_TOKEN";

const AFTER: &str = "\
Exit code: 0 if all is well, 1 if a limit was broken, 2 if the command line is wrong or the server cannot be used.

A token that PRYNAI_LOAD_TOKEN holds is sent as Authorization: Bearer.";

/// Many MCP clients at once, against any MCP server over Streamable HTTP: how fast it answers, and what it loses.
///
/// First, one client makes one call; if that fails, nothing is measured. Then all clients call until the time is over.
/// The result is a table on standard output.
#[derive(Debug, Clone, Parser)]
#[command(name = "prynai-load", version, after_help = AFTER)]
pub struct Settings {
    /// The MCP endpoint, such as http://127.0.0.1:8000/mcp
    pub url: Endpoint,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub load: Load,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub request: RequestSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub identity: Identity,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub output: Output,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub limits: Limits,
}

/// How much, and how long.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Load")]
pub struct Load {
    /// How each client speaks
    #[arg(long, value_enum, default_value_t = Mode::Modern)]
    pub mode: Mode,

    /// How many clients there are at the same time; each keeps a connection
    #[arg(long, default_value = "32")]
    pub clients: NonZeroUsize,

    /// How long all clients call, after --ramp
    #[arg(long, default_value = "10s", value_parser = duration)]
    pub duration: Duration,

    /// Within which time the clients begin, one after another. Latencies before its end do not count; errors and losses
    /// do
    #[arg(long, default_value = "0s", value_parser = duration)]
    pub ramp: Duration,

    /// Pause of a client between an answer and its next call, on average; each pause is between half of it and one and
    /// a half
    #[arg(long, default_value = "0ms", value_parser = duration, conflicts_with = "rate")]
    pub think: Duration,

    /// Calls per second of all clients together (an open loop). A call that no client is free for waits, and its
    /// latency counts from when it was due, so a server that stands still cannot hide it (coordinated omission)
    /// [default: as fast as the server answers]
    #[arg(long, value_parser = rate)]
    pub rate: Option<f64>,

    /// How long a client waits for an answer
    #[arg(long, default_value = "30s", value_parser = duration)]
    pub timeout: Duration,

    /// In the mode session: do not hold the GET stream of the session
    #[arg(long)]
    pub no_stream: bool,

    /// Threads that share the clients
    #[arg(long, default_value = "1")]
    pub threads: NonZeroUsize,
}

/// What is sent.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Request")]
pub struct RequestSettings {
    /// Name of the tool to call
    #[arg(long, default_value = "echo")]
    pub tool: String,

    /// Arguments of the tool: a JSON object, or @FILE with one
    #[arg(long, default_value = r#"{"text":"hi"}"#, value_parser = object)]
    pub arguments: Value,

    /// Send another request than tools/call, such as tools/list
    #[arg(long, conflicts_with_all = ["tool", "arguments"])]
    pub method: Option<String>,

    /// params of --method: a JSON object, or @FILE with one
    #[arg(long, default_value = "{}", value_parser = object, requires = "method")]
    pub params: Value,

    /// Ask for progress notifications, which are counted as events
    #[arg(long)]
    pub progress: bool,

    /// A header for each request, such as "X-Tenant: a". Replaces a header of the same name; may be repeated
    #[arg(long = "header", value_name = "NAME: VALUE", value_parser = header)]
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

/// Who calls, and whom to trust.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Identity")]
pub struct Identity {
    /// A file with a bearer token; with several, one on each line, which the clients share out. It is read again when
    /// the server answers 401
    #[arg(long, value_name = "FILE", conflicts_with = "token_command")]
    pub token_file: Option<PathBuf>,

    /// A command whose output is used like --token-file. It runs again when the server answers 401
    #[arg(long, value_name = "COMMAND")]
    pub token_command: Option<String>,

    /// Certificate authorities (PEM) to trust in place of those of this machine
    #[arg(long, value_name = "FILE")]
    pub ca: Option<PathBuf>,
}

/// Where results go, beside the table.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Output")]
pub struct Output {
    /// Write all figures to this file
    #[arg(long, value_name = "FILE")]
    pub json: Option<PathBuf>,

    /// Write a report with plots to this file
    #[arg(long, value_name = "FILE")]
    pub html: Option<PathBuf>,
}

/// What must hold.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Limits (exit code 1 when one is broken)")]
pub struct Limits {
    /// Largest 95th percentile of the latency, in milliseconds
    #[arg(long, value_name = "MS", value_parser = milliseconds)]
    pub p95_ms: Option<f64>,

    /// How many sessions, calls and events may be lost, together
    #[arg(long, value_name = "NUMBER")]
    pub max_lost: Option<u64>,

    /// How many errors there may be; a lost call is one, too
    #[arg(long, value_name = "NUMBER")]
    pub max_errors: Option<u64>,
}

/// How a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Each call stands for itself (2026-07-28)
    Modern,
    /// One session for each client, with its GET stream (2025-11-25 and before)
    Session,
    /// A session for each call: initialize, call, DELETE. LangGraph's adapters do that
    SessionPerCall,
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "write a number with a unit, such as 500ms, 10s or 2m".to_owned())
}

fn rate(text: &str) -> Result<f64, String> {
    positive(text).ok_or_else(|| "write a number of calls per second, such as 3000".to_owned())
}

fn milliseconds(text: &str) -> Result<f64, String> {
    positive(text).ok_or_else(|| "write a number of milliseconds, such as 250".to_owned())
}

fn positive(text: &str) -> Option<f64> {
    let number = text.parse::<f64>().ok();
    number.filter(|number| number.is_finite() && *number > 0.0)
}

fn object(text: &str) -> Result<Value, String> {
    let read;
    let json = match text.strip_prefix('@') {
        Some(file) => {
            read = std::fs::read_to_string(file).map_err(|error| format!("{file}: {error}"))?;
            &read
        }
        None => text,
    };
    match serde_json::from_str(json) {
        Ok(value @ Value::Object(_)) => Ok(value),
        Ok(_) => Err("write a JSON object, such as {\"text\":\"hi\"}".to_owned()),
        Err(error) => Err(format!("this is no JSON: {error}")),
    }
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let wrong = || "write a name, a colon and a value, such as \"X-Tenant: a\"".to_owned();
    let (name, value) = text.split_once(':').ok_or_else(wrong)?;
    let name = name.trim().parse().map_err(|_| wrong())?;
    let value = value.trim().parse().map_err(|_| wrong())?;
    Ok((name, value))
}
