//! What the command line says: the settings of the process, and those of a worker in any process. What the engine is
//! told is a [`WorkerConfig`].

use std::ops::RangeInclusive;
use std::time::Duration;

use clap::builder::RangedU64ValueParser;
use clap::{Args, Parser};
use prynai_admin::AdminSettings;
use prynai_bus::BusLimits;
use prynai_bus::ids::WorkerId;
use prynai_probe::{Command, Probe};
use prynai_process::secret::Secret;
use prynai_process::settings::byte_size;
use prynai_process::telemetry::TelemetrySettings;
use prynai_redis_bus::settings::RedisSettings;
use prynai_traces::TraceSettings;
use prynai_worker_engine::{RequestStateKeys, TaskTerms, WorkerConfig, WorkerHealth};

/// As much as the log of a stream may hold.
const LARGEST_RESULT: usize = 64 * 1024 * 1024;

/// Settings of the worker process.
#[derive(Debug, Clone, Parser)]
#[command(
    name = "prynai-worker",
    version,
    about = "Runs MCP requests that gateways put into Redis",
    disable_help_subcommand = true
)]
pub struct ProcessSettings {
    /// What to do in place of serving.
    #[command(subcommand)]
    pub command: Option<Command>,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub redis: RedisSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub worker: WorkerSettings,

    /// Bytes that may be kept for one caller in the whole fleet, in sessions, results under idempotency keys and
    /// values of tools, such as 64MiB; the same for every gateway and worker. As many again may be in the events of
    /// the caller's calls at this worker while they run, and as many after they have ended: beyond it notifications
    /// are dropped, and ended streams can be resumed for ten seconds only.
    #[arg(
        long,
        env = "PRYNAI_CALLER_KEPT",
        default_value = "64MiB",
        value_name = "SIZE",
        value_parser = byte_size
    )]
    pub caller_kept: usize,

    /// How long running calls may take to finish after SIGTERM; what is left is handed to other
    /// workers.
    #[arg(
        long,
        env = "PRYNAI_DRAIN_TIMEOUT",
        default_value = "20s",
        value_name = "DURATION",
        value_parser = humantime::parse_duration
    )]
    pub drain_timeout: Duration,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub admin: AdminSettings,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub telemetry: TelemetrySettings,
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub traces: TraceSettings,
}

/// How a worker works, alone or inside another process.
#[derive(Debug, Clone, Args)]
pub struct WorkerSettings {
    /// Requests that run at the same time in this process (1 to 10000).
    #[arg(
        long,
        env = "PRYNAI_CONCURRENCY",
        default_value_t = 64,
        value_name = "COUNT",
        value_parser = RangedU64ValueParser::<usize>::new().range(1..=10_000)
    )]
    pub concurrency: usize,

    /// How long this worker may be silent before others take over its requests (1s to 1h), whatever is
    /// set for them; it reports three times as often.
    #[arg(
        long,
        env = "PRYNAI_LEASE",
        default_value = "30s",
        value_name = "DURATION",
        value_parser = lease
    )]
    pub lease: Duration,

    /// How often a request whose worker died is begun at most (1 to 100); after that it becomes a
    /// dead letter and its client gets an error.
    #[arg(
        long,
        env = "PRYNAI_MAX_ATTEMPTS",
        default_value_t = 3,
        value_name = "COUNT",
        value_parser = clap::value_parser!(u32).range(1..=100)
    )]
    pub max_attempts: u32,

    /// How long the answer of a call with an idempotency key (`_meta["ai.prynai/idempotencyKey"]`) is
    /// kept for those who send the key again (1s to 30d); the same on every worker.
    #[arg(
        long,
        env = "PRYNAI_IDEMPOTENCY_WINDOW",
        default_value = "24h",
        value_name = "DURATION",
        value_parser = idempotency_window
    )]
    pub idempotency_window: Duration,

    /// Largest message to a client, such as 512KiB or 16MiB (4KiB to 64MiB). Instead of a larger result the client
    /// gets an error that says so; a larger notification or question is not sent.
    #[arg(
        long,
        env = "PRYNAI_MAX_RESULT",
        default_value = "16MiB",
        value_name = "SIZE",
        value_parser = max_result
    )]
    pub max_result: usize,

    /// How long a call runs before it becomes a task (0 or 1s to 24h), whose client asks for the answer later, from
    /// any connection; 0: never. A tool may say otherwise, and only clients that declare the extension
    /// io.modelcontextprotocol/tasks get tasks.
    #[arg(
        long,
        env = "PRYNAI_TASK_AFTER",
        default_value = "20s",
        value_name = "DURATION",
        value_parser = task_after
    )]
    pub task_after: Duration,

    /// How long a task may take (1s to 30d); then it is stopped, and ends with an error.
    #[arg(
        long,
        env = "PRYNAI_TASK_TIMEOUT",
        default_value = "24h",
        value_name = "DURATION",
        value_parser = task_time
    )]
    pub task_timeout: Duration,

    /// How long the result of a task is kept (1s to 30d).
    #[arg(
        long,
        env = "PRYNAI_TASK_TTL",
        default_value = "24h",
        value_name = "DURATION",
        value_parser = task_time
    )]
    pub task_ttl: Duration,

    /// Secret that signs what clients of 2026-07-28 carry from one question to the next, 32 characters
    /// or more and the same on every worker; tools that ask one question need none. To replace it, give
    /// the new and the old one, separated by a comma.
    #[arg(
        long,
        env = "PRYNAI_STATE_KEY",
        value_delimiter = ',',
        hide_env_values = true,
        value_name = "SECRET"
    )]
    pub state_key: Vec<Secret>,
}

impl ProcessSettings {
    /// Who is asked whether it is ready.
    ///
    /// # Errors
    ///
    /// Why nobody can be.
    pub(crate) fn probe(&self) -> Result<Probe, String> {
        let address = self.admin.address().ok_or_else(|| {
            "a worker can be asked only at its administration listener; give it one, such as --admin-listen \
             127.0.0.1:9464"
                .to_owned()
        })?;
        Probe::of(address, false, self.admin.admin_token.clone())
    }

    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        self.redis.check()?;
        self.admin.check()?;
        self.traces.check()?;
        self.worker.check()
    }
}

impl WorkerSettings {
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// Which setting is wrong and what it may be.
    pub fn check(&self) -> Result<(), String> {
        RequestStateKeys::new(&self.state_key).map(drop)
    }

    /// The configuration of a new worker. Settings that [`WorkerSettings::check`] would refuse give no
    /// state keys.
    pub fn config(&self) -> WorkerConfig {
        WorkerConfig {
            state_keys: RequestStateKeys::new(&self.state_key).unwrap_or_default(),
            id: WorkerId::generate(),
            concurrency: self.concurrency,
            lease: self.lease,
            max_attempts: self.max_attempts,
            idempotency_window: self.idempotency_window,
            max_result: self.max_result,
            caller_kept: BusLimits::default().caller_kept,
            tasks: TaskTerms {
                after: (!self.task_after.is_zero()).then_some(self.task_after),
                timeout: self.task_timeout,
                kept: self.task_ttl,
                ..TaskTerms::default()
            },
            health: WorkerHealth::default(),
        }
    }
}

fn lease(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(3600));
    within(duration(text)?, least..=most, "between 1s and 1h")
}

fn task_after(text: &str) -> Result<Duration, String> {
    let after = duration(text)?;
    if after.is_zero() {
        return Ok(after);
    }
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(24 * 3600));
    within(after, least..=most, "0, or between 1s and 24h")
}

fn task_time(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 3600));
    within(duration(text)?, least..=most, "between 1s and 30d")
}

fn idempotency_window(text: &str) -> Result<Duration, String> {
    let (least, most) = (Duration::from_secs(1), Duration::from_secs(30 * 24 * 3600));
    within(duration(text)?, least..=most, "between 1s and 30d")
}

fn max_result(text: &str) -> Result<usize, String> {
    let range = 4 * 1024..=LARGEST_RESULT;
    within(byte_size(text)?, range, "between 4KiB and 64MiB")
}

fn duration(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text).map_err(|error| error.to_string())
}

fn within<T: PartialOrd>(value: T, range: RangeInclusive<T>, words: &str) -> Result<T, String> {
    let is_within = range.contains(&value);
    is_within
        .then_some(value)
        .ok_or_else(|| format!("it must be {words}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<ProcessSettings, clap::Error> {
        let args = std::iter::once("prynai-worker").chain(args.iter().copied());
        ProcessSettings::try_parse_from(args)
    }

    #[test]
    fn the_defaults_are_accepted() {
        let settings = parse(&[]).expect("parses");
        assert_eq!(settings.check(), Ok(()));
        assert_eq!(settings.worker.lease, Duration::from_secs(30));
        assert_eq!(settings.drain_timeout, Duration::from_secs(20));
    }

    #[test]
    fn the_edges_are_accepted_and_what_lies_beyond_is_refused() {
        for good in [
            ["--concurrency", "1"],
            ["--concurrency", "10000"],
            ["--lease", "1s"],
            ["--lease", "1h"],
            ["--max-attempts", "1"],
            ["--idempotency-window", "1s"],
            ["--idempotency-window", "30d"],
            ["--max-result", "4096"],
            ["--max-result", "64MiB"],
        ] {
            let settings = parse(&good).expect("parses");
            assert_eq!(settings.check(), Ok(()), "{good:?}");
        }
        for (option, value, range) in [
            ("--concurrency", "0", "1..=10000"),
            ("--concurrency", "10001", "1..=10000"),
            ("--lease", "999ms", "between 1s and 1h"),
            ("--lease", "3601s", "between 1s and 1h"),
            ("--max-attempts", "0", "1..=100"),
            ("--max-attempts", "101", "1..=100"),
            ("--idempotency-window", "0s", "between 1s and 30d"),
            ("--idempotency-window", "31d", "between 1s and 30d"),
            ("--max-result", "4095", "between 4KiB and 64MiB"),
            ("--max-result", "65MiB", "between 4KiB and 64MiB"),
        ] {
            let error = parse(&[option, value]).expect_err("is refused").to_string();
            assert!(error.contains(option) && error.contains(range), "{error}");
        }
    }
}
