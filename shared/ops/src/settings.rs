//! What the program is asked for, and how it ends.

mod dead;
mod tasks;

use std::ffi::OsString;
use std::time::Duration;

use clap::{Args, CommandFactory, Parser, Subcommand, ValueEnum};
use clap_complete::Shell;
use prynai_bus::ids::StreamId;
use prynai_bus::operations::CallName;
use prynai_operations::look::queue;
use prynai_process::settings::parse_command_or_exit;
use prynai_redis_bus::settings::RedisSettings;

pub use self::dead::{DeadAsk, DropAsked, LetterAsked, LetterFilter, LetterName, ReplayAsked};
pub use self::tasks::{TaskAsk, TaskAsked, TaskFilter, TaskState, TasksAsked};

/// Something went wrong that no other code names.
pub const EXIT_FAILED: u8 = 1;

/// Somebody was asked whether to do it, and did not agree, or interrupted it.
pub const EXIT_DECLINED: u8 = 2;

/// Nothing is known of what was asked for.
pub const EXIT_UNKNOWN: u8 = 3;

/// There is no fleet under this prefix.
pub const EXIT_NO_FLEET: u8 = 4;

/// Redis cannot be reached.
pub const EXIT_AWAY: u8 = 5;

/// `doctor` found something that is to be mended.
pub const EXIT_WRONG: u8 = 6;

/// Wrong use, or Redis refuses its user or the user's rights.
pub const EXIT_USAGE: u8 = 64;

/// Between two looks of one screen.
const SHORTEST_PAUSE: Duration = Duration::from_secs(1);

const AFTER_HELP: &str = "\
Exit codes:
  0   done
  1   failed in a way that no other code names
  2   not done: you were asked and did not agree, or interrupted it
  3   nothing is known of what was asked for (a call that is over leaves no trace once its log has expired)
  4   there is no fleet under this --key-prefix
  5   Redis cannot be reached
  6   doctor found something that is to be mended
  64  wrong use, or Redis refuses its user or the user's rights (docs/security.md has the rights)

docs/operations.md says what to look at when something is wrong.";

/// What the program is asked for.
#[derive(Debug, Parser)]
#[command(
    name = "prynai-ops",
    version,
    about = "Shows a fleet of gateways and workers and the life of one call, and repairs what is broken",
    after_help = AFTER_HELP
)]
pub struct Settings {
    /// The question.
    #[command(subcommand)]
    pub ask: Ask,

    /// Writes one JSON document instead of tables. Times are in milliseconds, sizes in bytes.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub redis: RedisSettings,
}

/// A question.
#[derive(Debug, Subcommand)]
pub enum Ask {
    /// Is all well: how much waits and runs, who is there, and what needs attention
    Status,
    /// Requests that wait or run, oldest first
    Queue(QueueFilter),
    /// A live screen with the keys of k9s: queue, workers, gateways, dead letters, and the details of a call. Where
    /// there is no terminal, it is told once, in words
    Top(TopAsked),
    /// What callers did and what was refused to them, and then what comes, until Ctrl-C (docs/audit.md)
    Tail(TailAsked),
    /// Workers: who lives, what each runs, and since when
    Workers,
    /// Gateways of the last day: who lives, and who does not hear
    Gateways,
    /// The life of one call: where it is, why it waits, its attempts, its events
    Call(CallAsked),
    /// Tasks, oldest first: calls whose clients ask for the answer later. `tasks show` tells the whole life of one
    Tasks(TasksAsked),
    /// Sessions of legacy clients. Walks through all keys of Redis in small steps
    Sessions(SessionFilter),
    /// What is set up wrongly or went wrong unnoticed, and what to do about each
    Doctor,
    /// Cancels a call, as its client would; also a task that waits for its client
    Cancel(CancelAsked),
    /// Requests that could not be served: see them, run them once more, drop them
    Dead {
        /// What to do with them.
        #[command(subcommand)]
        ask: DeadAsk,
    },
    /// Lets a worker end in order: it claims nothing more, and ends when its calls have ended
    Drain(DrainAsked),
    /// Completion for a shell: `source <(prynai-ops completion bash)`
    Completion {
        /// The shell.
        shell: Shell,
    },
}

/// Which requests.
#[derive(Debug, Default, Args)]
pub struct QueueFilter {
    /// Only those in this state.
    #[arg(long, value_enum, default_value_t)]
    pub state: EntryState,
    /// Only of this tool, prompt or resource (a URI as it is shown, or whole).
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// Only of this caller.
    #[arg(long, value_name = "SUBJECT")]
    pub principal: Option<String>,
    /// Only of this session, by its whole id or its beginning.
    #[arg(long, value_name = "SESSION")]
    pub session: Option<String>,
    /// Only in the hands of this worker.
    #[arg(long, value_name = "WORKER")]
    pub worker: Option<String>,
    /// Most requests that are shown, 1 to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// What is on the screen, and how often.
#[derive(Debug, Args)]
pub struct TopAsked {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub filter: QueueFilter,
    /// Time between two looks, one second at least.
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = pause)]
    pub every: Duration,
}

/// Which records of the audit.
#[derive(Debug, Args)]
pub struct TailAsked {
    /// Only of this tool, prompt or resource (a URI as it is shown, or whole).
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// Only of this caller.
    #[arg(long, value_name = "SUBJECT")]
    pub principal: Option<String>,
    /// Only of this session.
    #[arg(long, value_name = "SESSION")]
    pub session: Option<String>,
    /// Only of the call with this stream, as logs name it.
    #[arg(long, value_name = "STREAM")]
    pub call: Option<StreamId>,
    /// Only those that ended so; more than one with commas.
    #[arg(long, value_enum, value_name = "OUTCOME", value_delimiter = ',')]
    pub outcome: Vec<Outcome>,
    /// Records from before that are looked through, the newest, up to 500 [default: 10; 500 if only some are wanted].
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u16).range(0..=500))]
    pub last: Option<u16>,
    /// Ends after those.
    #[arg(long)]
    pub no_follow: bool,
    /// Time between two looks, one second at least.
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = pause)]
    pub every: Duration,
}

/// How something ended, as the audit says it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum Outcome {
    /// With a result.
    Ok,
    /// With a result that says that the tool failed.
    ToolError,
    /// With a JSON-RPC error.
    Error,
    /// Its client did not want it any more.
    Cancelled,
    /// It never came to a worker.
    Refused,
}

/// What is known of a request's place.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum EntryState {
    /// Wherever it is.
    #[default]
    All,
    /// No worker has it.
    #[value(alias = "waits")]
    Waiting,
    /// A worker has it.
    #[value(alias = "runs")]
    Running,
}

/// Which call, and how much of it.
#[derive(Debug, Args)]
pub struct CallAsked {
    /// Its stream (32 digits, `stream` in logs) or its entry (`1785000000000-0`, as `prynai-ops queue` shows it).
    pub call: CallName,
    /// Events that are shown, the newest, up to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 20, value_parser = clap::value_parser!(u16).range(0..=1000))]
    pub events: u16,
    /// Shows what the events say, too: texts of clients and tools.
    #[arg(long)]
    pub messages: bool,
}

/// Which sessions.
#[derive(Debug, Default, Args)]
pub struct SessionFilter {
    /// Only of this caller.
    #[arg(long, value_name = "SUBJECT")]
    pub principal: Option<String>,
    /// Most sessions that are shown, 1 to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// Which call is cancelled.
#[derive(Debug, Args)]
pub struct CancelAsked {
    /// Its stream or its entry.
    pub call: CallName,
    /// Does not ask.
    #[arg(long)]
    pub yes: bool,
}

/// Which worker ends.
#[derive(Debug, Args)]
pub struct DrainAsked {
    /// Its name, as `prynai-ops workers` shows it.
    pub worker: String,
    /// How long to wait for its end, which is told. It drains on after that.
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = humantime::parse_duration)]
    pub wait: Duration,
    /// Does not ask.
    #[arg(long)]
    pub yes: bool,
}

impl QueueFilter {
    /// Which requests are asked for.
    pub fn wanted(&self) -> queue::QueueFilter {
        queue::QueueFilter {
            state: match self.state {
                EntryState::All => queue::EntryState::All,
                EntryState::Waiting => queue::EntryState::Waiting,
                EntryState::Running => queue::EntryState::Running,
            },
            tool: self.tool.clone(),
            principal: self.principal.clone(),
            session: self.session.clone(),
            worker: self.worker.clone(),
        }
    }
}

fn pause(text: &str) -> Result<Duration, String> {
    let pause = humantime::parse_duration(text).map_err(|error| error.to_string())?;
    match pause < SHORTEST_PAUSE {
        true => Err("one second at least".to_owned()),
        false => Ok(pause),
    }
}

/// Reads what the program is asked for. Prints what is wrong and ends the process when it cannot be done.
pub fn parse_or_exit(args: impl IntoIterator<Item = OsString>) -> Settings {
    let (settings, ()) = parse_command_or_exit(command(), args, |settings: &Settings| {
        settings.redis.check()
    });
    settings
}

/// Every setting may stand before or after the question.
pub fn command() -> clap::Command {
    Settings::command().mut_args(|arg| arg.global(true))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(args: &[&str]) -> Result<Settings, clap::Error> {
        use clap::FromArgMatches;
        let matches = command().try_get_matches_from(args);
        matches.and_then(|matches| Settings::from_arg_matches(&matches))
    }

    #[test]
    fn settings_stand_before_or_after_the_question() {
        for args in [
            ["prynai-ops", "--key-prefix", "x:", "--json", "queue"],
            ["prynai-ops", "queue", "--json", "--key-prefix", "x:"],
        ] {
            let settings = parse(&args).unwrap();
            assert!(settings.json);
            assert_eq!(settings.redis.keys.key_prefix, "x:");
        }
    }

    #[test]
    fn the_states_that_are_shown_are_accepted_as_filters() {
        for (word, state) in [
            ("waits", EntryState::Waiting),
            ("waiting", EntryState::Waiting),
            ("runs", EntryState::Running),
            ("running", EntryState::Running),
        ] {
            let settings = parse(&["prynai-ops", "queue", "--state", word]).unwrap();
            let Ask::Queue(filter) = settings.ask else {
                panic!("{word}");
            };
            assert_eq!(filter.state, state, "{word}");
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        for args in [
            &["prynai-ops"][..],
            &["prynai-ops", "call"],
            &["prynai-ops", "call", "x"],
            &["prynai-ops", "queue", "--limit", "0"],
            &["prynai-ops", "queue", "--limit", "1001"],
            &["prynai-ops", "dead"],
            &["prynai-ops", "dead", "drop"],
            &["prynai-ops", "dead", "drop", "--all", "1-0"],
            &["prynai-ops", "dead", "show", "x"],
            &["prynai-ops", "drain"],
            &["prynai-ops", "tasks", "--state", "well"],
            &["prynai-ops", "tasks", "--limit", "0"],
            &["prynai-ops", "tasks", "--limit", "1001"],
            &["prynai-ops", "tasks", "--older-than", "-1s"],
            &["prynai-ops", "tasks", "show"],
            &["prynai-ops", "tasks", "show", "1-0"],
            &["prynai-ops", "tasks", "--limit", "3", "show", "x"],
            &["prynai-ops", "top", "--every", "10ms"],
            &["prynai-ops", "tail", "--last", "501"],
            &["prynai-ops", "tail", "--outcome", "well"],
        ] {
            assert!(parse(args).is_err(), "{args:?}");
        }
    }
}
