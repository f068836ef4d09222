//! What is asked for of tasks.

use std::time::Duration;

use clap::{Args, Subcommand, ValueEnum};
use prynai_bus::ids::StreamId;
use prynai_bus::operations::TaskStatus;
use prynai_operations::look::tasks;

/// Tasks, or one of them.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct TasksAsked {
    #[command(flatten)]
    #[expect(missing_docs, reason = "documented on the type")]
    pub filter: TaskFilter,
    /// One of them, or all.
    #[command(subcommand)]
    pub ask: Option<TaskAsk>,
}

/// What of one task.
#[derive(Debug, Subcommand)]
pub enum TaskAsk {
    /// The whole life of one
    Show(TaskAsked),
}

/// Which tasks.
#[derive(Debug, Default, Args)]
pub struct TaskFilter {
    /// Only those that are so far.
    #[arg(long, value_enum)]
    pub state: Option<TaskState>,
    /// Only of this tool.
    #[arg(long, value_name = "NAME")]
    pub tool: Option<String>,
    /// Only of this caller.
    #[arg(long, value_name = "SUBJECT")]
    pub principal: Option<String>,
    /// Only those whose calls became tasks longer ago, such as `90s`, `10m` or `2h`.
    #[arg(long, value_name = "DURATION", value_parser = humantime::parse_duration)]
    pub older_than: Option<Duration>,
    /// Most tasks that are shown, 1 to 1000.
    #[arg(long, value_name = "COUNT", default_value_t = 50, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pub limit: u16,
}

/// Which task.
#[derive(Debug, Args)]
pub struct TaskAsked {
    /// Its name, as `prynai-ops tasks` shows it and as its client has it (32 digits).
    pub task: StreamId,
    /// Shows what the task says of itself, too: a text of its tool.
    #[arg(long)]
    pub message: bool,
}

/// How far a task is, in the words of the extension.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum TaskState {
    /// It waits for a worker, or runs.
    Working,
    /// It waits for its client.
    #[value(alias = "input-required")]
    InputRequired,
    /// It ended with a result, which may say that the tool failed.
    Completed,
    /// It ended with a JSON-RPC error.
    Failed,
    /// It was cancelled.
    Cancelled,
}

impl TaskFilter {
    /// Which tasks are asked for.
    pub fn wanted(&self) -> tasks::TaskFilter {
        tasks::TaskFilter {
            status: self.state.map(TaskState::status),
            tool: self.tool.clone(),
            principal: self.principal.clone(),
            older_than: self.older_than,
        }
    }
}

impl TaskState {
    fn status(self) -> TaskStatus {
        match self {
            Self::Working => TaskStatus::Working,
            Self::InputRequired => TaskStatus::InputRequired,
            Self::Completed => TaskStatus::Completed,
            Self::Failed => TaskStatus::Failed,
            Self::Cancelled => TaskStatus::Cancelled,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_that_is_shown_is_accepted_as_a_filter() {
        let accepted = TaskState::value_variants().iter();
        let accepted: Vec<_> = accepted.map(|state| state.status()).collect();
        assert_eq!(accepted, TaskStatus::ALL);
        for status in TaskStatus::ALL {
            let read = TaskState::from_str(status.as_str(), false);
            assert_eq!(read.map(TaskState::status), Ok(status));
        }
    }
}
