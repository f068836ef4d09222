//! Scripts of sessions, and of the calls that run in them.

use prynai_bus::ids::SessionId;
use prynai_bus::wire::request::CallRef;
use prynai_bus::{BusError, BusLimits};
use prynai_process::clock::unix_millis;

use super::{lua, millis, unknown_code};
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(TOUCH_SESSION, "session_store/touch_session.lua");
lua!(CHANGE_SESSION, "session_store/change_session.lua");
lua!(END_SESSION, "session_store/end_session.lua");
lua!(PLACE_CALL, "session_store/place_call.lua");
lua!(NOTE_CANCEL, "session_store/note_cancel.lua");

/// What a subscription costs besides its URI, in bytes, about.
const FIELD_BYTES: usize = 128;

/// Whether a session lives, whether the call has room, the fields that were read, and share and bytes if the session
/// is to be counted anew.
pub(crate) type Touch = (bool, bool, Vec<Option<String>>, Vec<String>);

/// One change of a session's hash.
pub(crate) enum FieldChange<'a> {
    Set(&'a str, &'a str),
    Subscribe(&'a str),
    Unsubscribe(&'a str),
}

/// Restarts the idle time of a session of `subject`, notes a call that begins, by its field and value, and reads
/// these fields.
pub(crate) fn touch_session(
    keys: &Keys,
    limits: &BusLimits,
    id: &SessionId,
    subject: &str,
    begin: Option<&(String, String)>,
    fields: &[&str],
) -> Command<Touch> {
    let (stream, begun) = begin.map_or(("", ""), |(stream, begun)| (stream, begun));
    let names = [
        keys.session(id),
        keys.session_calls(id),
        keys.session_state(id),
    ];
    let mut command = TOUCH_SESSION.with_keys(&names);
    command
        .arg(millis(limits.session_idle))
        .arg(subject)
        .arg(stream)
        .arg(begun)
        .arg(limits.session_calls)
        .arg(unix_millis())
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
) -> Command<Option<Vec<(String, String)>>> {
    let names = [
        keys.session(id),
        keys.session_calls(id),
        keys.session_state(id),
        keys.ended_session(id),
    ];
    let mut command = END_SESSION.with_keys(&names);
    command.arg(subject).arg(millis(limits.session_idle));
    Command::script(&END_SESSION, command)
}

/// Notes where a call of a session lies in the queue.
pub(crate) fn place_call(keys: &Keys, id: &SessionId, call: &CallRef) -> Command<i64> {
    let mut command = PLACE_CALL.with_keys(&[keys.session(id), keys.session_calls(id)]);
    command
        .arg(call.stream.to_string())
        .arg(call.entry.as_str());
    Command::script(&PLACE_CALL, command)
}

/// Finds the running calls of a request id: streams, and entries as far as they are known.
pub(crate) fn note_cancel(
    keys: &Keys,
    id: &SessionId,
    request_id: &str,
) -> Command<Vec<(String, String)>> {
    let mut command = NOTE_CANCEL.with_keys(&[keys.session(id), keys.session_calls(id)]);
    command.arg(request_id);
    Command::script(&NOTE_CANCEL, command)
}
