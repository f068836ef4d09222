//! One call, from its queueing until its log is removed.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::{EntrySight, GatewaySight, TaskFacts, WorkerSight};
use crate::ids::{EntryId, InvalidId, StreamId};
use crate::wire::event::{EventKind, StreamEvent};

/// What a call is called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallName {
    /// By its stream.
    Stream(StreamId),
    /// By its entry.
    Entry(EntryId),
}

/// All that is known of a call.
#[derive(Debug, Clone, Serialize)]
pub struct CallSight {
    /// The time by the clock of the bus, Unix milliseconds.
    pub now_ms: u64,
    /// Its stream, if it is known.
    pub stream: Option<String>,
    /// Its entry, as long as it waits or runs.
    pub entry: Option<EntrySight>,
    /// Its log, once something was written to it and as long as it is kept.
    pub log: Option<LogSight>,
    /// Its entry among the dead letters.
    pub dead: Option<EntrySight>,
    /// Its client cancelled it while it was queued or ran.
    pub is_cancelled: bool,
    /// Messages of the client that its worker has not read.
    pub mail: u64,
    /// The worker that has it.
    pub worker: Option<WorkerSight>,
    /// The gateway to which its events go; a task has none.
    pub holder: Option<GatewaySight>,
}

/// The log of a call.
#[derive(Debug, Clone, Serialize)]
pub struct LogSight {
    /// `open`, `finished` or `cancelled`.
    pub state: String,
    /// The worker that may write to it.
    pub worker: Option<String>,
    /// Under which delivery.
    pub delivery: Option<u64>,
    /// The entry that it belongs to.
    pub entry: Option<String>,
    /// The gateway to which its events go.
    pub holder: Option<String>,
    /// The session, as it is shown.
    pub session: Option<String>,
    /// `legacy` or `modern`.
    pub era: Option<String>,
    /// Offset of its newest event.
    pub newest: u64,
    /// Bytes of its events, as far as they are counted.
    pub bytes: Option<u64>,
    /// How long it is kept if nothing is written to it, in milliseconds.
    pub kept_for_ms: Option<u64>,
    /// The task that the call has become.
    pub task: Option<TaskFacts>,
}

/// An event of a log.
#[derive(Debug, Clone, Serialize)]
pub struct EventSight {
    /// Its number.
    pub offset: u64,
    /// How large it is; 0 when the log lost it.
    pub bytes: u64,
    /// `message`, `pause`, `final` or `cancelled`; absent when it is too large to be read here, or lost.
    pub kind: Option<String>,
    /// The method of a notification or a question.
    pub method: Option<String>,
    /// It asks the client something.
    pub is_question: bool,
    /// The code of a response that is an error.
    pub error_code: Option<i64>,
    /// The tool itself said that it failed.
    pub is_tool_error: bool,
    /// The message, if it was asked for and is not large.
    pub message: Option<String>,
}

/// What operators are told of a message.
#[derive(Deserialize)]
struct Message {
    method: Option<String>,
    id: Option<serde::de::IgnoredAny>,
    error: Option<ErrorObject>,
    result: Option<ResultObject>,
}

#[derive(Deserialize)]
struct ErrorObject {
    code: i64,
}

#[derive(Deserialize)]
struct ResultObject {
    #[serde(default, rename = "isError")]
    is_error: bool,
}

impl EventSight {
    /// An event of which only the size is known.
    pub fn unread(offset: u64, bytes: u64) -> Self {
        Self {
            offset,
            bytes,
            kind: None,
            method: None,
            is_question: false,
            error_code: None,
            is_tool_error: false,
            message: None,
        }
    }

    /// Adds what the event says; with `messages` also its text.
    pub fn describe(&mut self, event: StreamEvent, messages: bool) {
        let kind = match event.kind {
            EventKind::Message => "message",
            EventKind::Pause => "pause",
            EventKind::Final => "final",
            EventKind::Task => "task",
            EventKind::Cancelled => "cancelled",
        };
        self.kind = Some(kind.to_owned());
        let Some(message) = event.message else { return };
        if let Ok(said) = serde_json::from_str::<Message>(message.as_str()) {
            self.is_question = said.method.is_some() && said.id.is_some();
            self.method = said.method;
            self.error_code = said.error.map(|error| error.code);
            self.is_tool_error = said.result.is_some_and(|result| result.is_error);
        }
        self.message = messages.then(|| message.as_str().to_owned());
    }
}

impl FromStr for CallName {
    type Err = InvalidId;

    /// The 32 digits of a stream, or an entry such as `1785000000000-0`.
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        let is_entry = text.split_once('-').is_some_and(|(time, number)| {
            crate::ids::canonical_number(time).is_some()
                && crate::ids::canonical_number(number).is_some()
        });
        match is_entry {
            true => Ok(Self::Entry(text.into())),
            false => text.parse().map(Self::Stream),
        }
    }
}

impl fmt::Display for CallName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stream(stream) => stream.fmt(f),
            Self::Entry(entry) => entry.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_named_by_its_stream_or_its_entry() {
        let stream = StreamId::generate();
        assert_eq!(stream.to_string().parse(), Ok(CallName::Stream(stream)));
        assert_eq!("12-0".parse(), Ok(CallName::Entry("12-0".into())));
        for other in [
            "",
            "12",
            "-",
            "12-",
            "+",
            "1-01",
            "-1-0",
            "1-0 x",
            "\u{1b}[2J",
        ] {
            assert!(other.parse::<CallName>().is_err(), "{other:?}");
        }
    }
}
