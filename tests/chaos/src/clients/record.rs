//! What a client asked for and what it was told.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

/// Which MCP a client speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Era {
    /// 2025-11-25: sessions, streams that are resumed.
    Legacy,
    /// 2026-07-28: a connection that breaks is the cancel.
    Modern,
    /// The same, of a client that takes tasks.
    Tasks,
}

/// A tool of the chaos handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Tool {
    /// Only reads.
    Look,
    /// Has an effect, and is declared idempotent.
    Put,
    /// Has an effect, and is not.
    Pay,
}

/// One call.
#[derive(Debug, Clone, Copy)]
pub struct Call {
    /// Names it in the ledger, and is its request id.
    pub number: u64,
    /// What it calls.
    pub tool: Tool,
    /// How long the tool takes.
    pub takes: Duration,
    /// How many numbered events it sends.
    pub events: u32,
}

/// The one terminal answer of a call.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Answer {
    /// Its result, made by this run.
    Result(String),
    /// An error: its worker was lost, the outcome is unknown.
    OutcomeUnknown,
    /// An error: it lost its worker too often.
    GivenUp,
    /// An error: its log is gone, or nobody knows whether it was queued; the outcome is unknown.
    AnswerLost,
    /// An error that invites the client to try again: the status, with `Retry-After`.
    Refused(u16),
    /// There was no connection.
    Unsent,
    /// The connection broke, and there is nothing to resume from.
    Dropped,
    /// The session is gone.
    SessionGone,
    /// The stream cannot be resumed: the outcome is unknown.
    NotResumable,
    /// Something that nothing here should answer.
    Unexpected(String),
    /// None, for as long as the client had patience.
    Hung,
}

/// One call and what became of it, as its client knows it.
#[derive(Debug, Clone)]
pub struct Record {
    /// The call.
    pub call: Call,
    /// The client's era.
    pub era: Era,
    /// When it was sent.
    pub sent: Instant,
    /// When its answer was there.
    pub answered: Instant,
    /// Its answer.
    pub answer: Answer,
    /// Whether its client was told of a task.
    pub is_task: bool,
    /// How often its stream was resumed.
    pub resumed: u32,
    /// What was wrong with what it was sent.
    pub wrong: Vec<String>,
}

impl Call {
    /// The `params` of its request; `meta` is what an era adds to `_meta`.
    pub fn params(&self, meta: &str) -> String {
        let Self {
            number,
            tool,
            takes,
            events,
        } = self;
        let ms = takes.as_millis();
        format!(
            r#"{{"name":"{tool}","arguments":{{"call":{number},"ms":{ms},"events":{events}}},"_meta":{{"progressToken":{number}{meta}}}}}"#
        )
    }
}

impl Answer {
    /// What it is called in the table.
    pub fn kind(&self) -> String {
        match self {
            Self::Result(_) => "result".to_owned(),
            Self::OutcomeUnknown => "outcome unknown".to_owned(),
            Self::GivenUp => "given up".to_owned(),
            Self::AnswerLost => "answer lost".to_owned(),
            Self::Refused(status) => format!("refused {status}"),
            Self::Unsent => "no connection".to_owned(),
            Self::Dropped => "connection broke".to_owned(),
            Self::SessionGone => "session gone".to_owned(),
            Self::NotResumable => "not resumable".to_owned(),
            Self::Unexpected(_) => "UNEXPECTED".to_owned(),
            Self::Hung => "NO ANSWER".to_owned(),
        }
    }

    /// Whether it says that the call was not begun, so that it may be sent again.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unsent)
    }
}

impl fmt::Display for Tool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Look => "look",
            Self::Put => "put",
            Self::Pay => "pay",
        })
    }
}

impl fmt::Display for Era {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Legacy => "legacy",
            Self::Modern => "modern",
            Self::Tasks => "tasks",
        })
    }
}
