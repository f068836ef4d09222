//! Scripts of the tool author's values.

use std::borrow::Cow;
use std::time::Duration;

use prynai_bus::StateScope;
use prynai_bus::ids::{OperationId, SessionId};

use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::keys::Keys;

lua!(READ_VALUE, "state_store/read_value.lua");
lua!(SESSION_STATE, "state_store/session_state.lua");
lua!(INCREMENT_STATE, "state_store/increment_state.lua");
lua!(REMOVE_STATE, "state_store/remove_state.lua");

/// How long an operation that must not be done twice is remembered: longer than anybody repeats it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// One step with a value that ends with a session.
pub(crate) enum StateStep<'a> {
    /// A value of so many bytes at most.
    Get(usize),
    Set(&'a str, Option<Duration>),
    Remove(&'a OperationId),
    Add(i64, Option<Duration>, &'a OperationId),
}

/// Adds to the whole number under a key of its own; `answered` is where the operation's answer is kept.
pub(crate) fn increment_state(
    key: &str,
    answered: &str,
    by: i64,
    ttl: Option<Duration>,
) -> Command<i64> {
    let mut command = INCREMENT_STATE.with_keys(&[key, answered]);
    command.arg(by).arg(lifetime(ttl)).arg(millis(REMEMBERED));
    Command::script(&INCREMENT_STATE, command)
}

/// Removes the value under a key of its own; `answered` is where the operation's answer is kept.
pub(crate) fn remove_state(key: &str, answered: &str) -> Command<bool> {
    let mut command = REMOVE_STATE.with_keys(&[key, answered]);
    command.arg(millis(REMEMBERED));
    Command::script(&REMOVE_STATE, command)
}

/// Reads a value of so many bytes at most: its size, and the value unless it has more.
pub(crate) fn read_value(key: &str, most: usize) -> Command<Option<(usize, Option<String>)>> {
    let mut command = READ_VALUE.with_keys(&[key]);
    command.arg(most);
    Command::script(&READ_VALUE, command).expecting(most)
}

/// Reads or changes a value of a session: 0 when the session has ended; 1 and the value; 2 and the size of a value
/// that has too many bytes.
pub(crate) fn session_state(
    keys: &Keys,
    id: &SessionId,
    key: &str,
    step: &StateStep<'_>,
) -> Command<(u8, Option<String>)> {
    let (verb, value, ttl, operation, answer) = match *step {
        StateStep::Get(most) => ("get", most.to_string().into(), None, None, most),
        StateStep::Set(value, ttl) => ("set", Cow::Borrowed(value), ttl, None, 0),
        StateStep::Remove(operation) => ("remove", "".into(), None, Some(operation), 0),
        StateStep::Add(by, ttl, operation) => {
            ("add", by.to_string().into(), ttl, Some(operation), 0)
        }
    };
    let values = keys.session_state(id);
    let answered = operation.map(|operation| {
        let scope = StateScope::Session(id.clone());
        keys.answered(&scope, operation)
    });
    // A step that may be done twice has nothing to remember.
    let answered = answered.unwrap_or_else(|| values.clone());
    let mut command = SESSION_STATE.with_keys(&[keys.session(id), values, answered]);
    command
        .arg(verb)
        .arg(key)
        .arg(&*value)
        .arg(lifetime(ttl))
        .arg(millis(REMEMBERED));
    Command::script(&SESSION_STATE, command).expecting(answer)
}

/// In milliseconds; empty for ever.
fn lifetime(ttl: Option<Duration>) -> String {
    ttl.map_or_else(String::new, |ttl| millis(ttl).to_string())
}
