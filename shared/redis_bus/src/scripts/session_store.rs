//! Scripts of sessions, and of the calls that run in them.

use std::borrow::Cow;
use std::time::Duration;

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::{BusError, BusLimits};
use prynai_process::clock::unix_millis;

use super::{lua, millis, unknown_code};
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(TOUCH_SESSION, "session_store/touch_session.lua");
lua!(CHANGE_SESSION, "session_store/change_session.lua");
lua!(END_SESSION, "session_store/end_session.lua");
lua!(ENQUEUE_CALL, "session_store/enqueue_call.lua");
lua!(FIND_CALLS, "session_store/find_calls.lua");

/// What a subscription costs besides its URI, in bytes, about.
const FIELD_BYTES: usize = 128;

/// Whether a session lives, the fields that were read, and share and bytes if the session is to be counted anew.
pub(crate) type Touch = (bool, Vec<Option<String>>, Vec<String>);

/// Calls: the stream and the entry of each.
pub(crate) type Calls = Vec<(String, String)>;

/// A call of a session that is to be queued.
pub(crate) struct QueuedCall<'a> {
    pub(crate) session: &'a SessionId,
    pub(crate) stream: &'a StreamId,
    pub(crate) request_id: &'a RawJson,
    /// The log level that the entry says, or nothing.
    pub(crate) log_level: &'a str,
    pub(crate) fields: &'a [(&'static str, Cow<'a, str>)],
}

/// One change of a session's hash.
pub(crate) enum FieldChange<'a> {
    Set(&'a str, &'a str),
    Subscribe(&'a str),
    Unsubscribe(&'a str),
}

/// Lets a session of `subject` live for `life` from now on, and reads these fields.
pub(crate) fn touch_session(
    keys: &Keys,
    life: Duration,
    id: &SessionId,
    subject: &str,
    fields: &[&str],
) -> Command<Touch> {
    let mut command =
        TOUCH_SESSION.with_keys(&[keys.session(id), keys.session_state(id), keys.sessions()]);
    command
        .arg(millis(life))
        .arg(subject)
        .arg(unix_millis())
        .arg(id.as_str())
        .arg(fields);
    Command::script(&TOUCH_SESSION, command)
}

/// What `change_session.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ChangeCode {
    Changed = 0,
    TooManySubscriptions = 1,
    SessionEnded = 2,
    /// More bytes must be counted for the session first.
    NotCounted = 3,
}

impl TryFrom<i64> for ChangeCode {
    type Error = BusError;

    fn try_from(code: i64) -> Result<Self, BusError> {
        Ok(match code {
            0 => Self::Changed,
            1 => Self::TooManySubscriptions,
            2 => Self::SessionEnded,
            3 => Self::NotCounted,
            other => return Err(unknown_code(other)),
        })
    }
}

/// Changes one thing of a session, for which `counted` bytes are counted from now on: a [`ChangeCode`], and share and
/// bytes if more must be counted first.
pub(crate) fn change_session(
    keys: &Keys,
    limits: &BusLimits,
    id: &SessionId,
    change: &FieldChange<'_>,
    counted: Option<usize>,
) -> Command<(i64, String, usize)> {
    let mut command = CHANGE_SESSION.with_keys(&[keys.session(id)]);
    let (verb, field, value) = match change {
        FieldChange::Set(field, value) => ("set", field, *value),
        FieldChange::Subscribe(field) => ("subscribe", field, ""),
        FieldChange::Unsubscribe(field) => ("unsubscribe", field, ""),
    };
    command
        .arg(verb)
        .arg(field)
        .arg(value)
        .arg(limits.session_subscriptions)
        .arg(counted.map_or_else(String::new, |bytes| bytes.to_string()))
        .arg(FIELD_BYTES);
    Command::script(&CHANGE_SESSION, command)
}

/// Ends a session of `subject`.
pub(crate) fn end_session(
    keys: &Keys,
    limits: &BusLimits,
    id: &SessionId,
    subject: &str,
) -> Command<Option<Calls>> {
    let names = [
        keys.session(id),
        keys.session_state(id),
        keys.ended_session(id),
        keys.calls(),
        keys.sessions(),
    ];
    let mut command = END_SESSION.with_keys(&names);
    command
        .arg(subject)
        .arg(millis(limits.session_idle))
        .arg(id.as_str());
    Command::script(&END_SESSION, command)
}

/// What `enqueue_call.lua` answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EnqueueCode {
    Queued = 0,
    SessionEnded = 1,
    /// The session has another log level than the entry says.
    OtherLevel = 2,
    TooManyCalls = 3,
}

impl TryFrom<i64> for EnqueueCode {
    type Error = BusError;

    fn try_from(code: i64) -> Result<Self, BusError> {
        Ok(match code {
            0 => Self::Queued,
            1 => Self::SessionEnded,
            2 => Self::OtherLevel,
            3 => Self::TooManyCalls,
            other => return Err(unknown_code(other)),
        })
    }
}

/// Queues a call of a session, unless `most` run in it: an [`EnqueueCode`], its entry or the log level that the session
/// has, and the length of the queue if it `looks`.
pub(crate) fn enqueue_call(
    keys: &Keys,
    call: &QueuedCall<'_>,
    most: Option<usize>,
    looks: bool,
) -> Command<(i64, String, Option<usize>)> {
    let names = [keys.queue(), keys.session(call.session), keys.calls()];
    let lengths = call.fields.iter();
    let lengths = lengths.map(|(field, value)| field.len() + value.len());
    let mut command = ENQUEUE_CALL.with_keys_and(&names, lengths.sum());
    command
        .arg(call.session.as_str())
        .arg(call.stream.digits(&mut [0; 32]))
        .arg(call.request_id.as_str())
        .arg(call.log_level);
    match most {
        Some(most) => command.arg(most),
        None => command.arg(""),
    };
    command.arg(u8::from(looks));
    for (field, value) in call.fields {
        command.arg(field).arg(&**value);
    }
    Command::script(&ENQUEUE_CALL, command)
}

/// Finds the calls of a session that have this request id.
pub(crate) fn find_calls(keys: &Keys, id: &SessionId, request_id: &RawJson) -> Command<Calls> {
    let mut command = FIND_CALLS.with_keys(&[keys.session(id), keys.calls()]);
    command.arg(id.as_str()).arg(request_id.as_str());
    Command::script(&FIND_CALLS, command)
}
