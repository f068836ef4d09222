//! Scripts of sessions, change feed, catalog and state.

use std::borrow::Cow;
use std::time::Duration;

use prynai_bus::ids::{OperationId, SessionId};
use prynai_bus::wire::request::CallRef;
use prynai_bus::{BusLimits, FeedPosition, StateScope};
use prynai_process::clock::unix_millis;
use uuid::Uuid;

use super::{Call, lua, millis};
use crate::keys::Keys;

/// What a subscription costs besides its URI, in bytes, about.
const FIELD_BYTES: usize = 128;

lua!(TOUCH_SESSION, "touch_session.lua");
lua!(CHANGE_SESSION, "change_session.lua");
lua!(END_SESSION, "end_session.lua");
lua!(PLACE_CALL, "place_call.lua");
lua!(CANCEL_CALLS, "cancel_calls.lua");
lua!(PUBLISH_CHANGE, "publish_change.lua");
lua!(ANNOUNCE_CATALOG, "announce_catalog.lua");
lua!(NEWEST_CHANGE, "newest_change.lua");
lua!(READ_CHANGES, "read_changes.lua");
lua!(READ_VALUE, "read_value.lua");
lua!(SESSION_STATE, "session_state.lua");
lua!(INCREMENT_STATE, "increment_state.lua");
lua!(REMOVE_STATE, "remove_state.lua");

/// How long an operation that must not be done twice is remembered: longer than anybody repeats it.
const REMEMBERED: Duration = Duration::from_secs(60);

/// Whether a session lives, whether the call has room, the fields that were read, and share and bytes if the session
/// is to be counted anew.
pub(crate) type Touch = (bool, bool, Vec<Option<String>>, Vec<String>);

/// One change of a session's hash.
pub(crate) enum FieldChange<'a> {
    Set(&'a str, &'a str),
    Subscribe(&'a str),
    Unsubscribe(&'a str),
}

/// One step with a value that ends with a session.
pub(crate) enum StateStep<'a> {
    /// A value of so many bytes at most.
    Get(usize),
    Set(&'a str, Option<Duration>),
    Remove(&'a OperationId),
    Add(i64, Option<Duration>, &'a OperationId),
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
) -> Call<Touch> {
    let (stream, begun) = begin.map_or(("", ""), |(stream, begun)| (stream, begun));
    let names = [
        keys.session(id),
        keys.session_calls(id),
        keys.session_state(id),
    ];
    let mut call = TOUCH_SESSION.with_keys(&names);
    call.arg(millis(limits.session_idle))
        .arg(subject)
        .arg(stream)
        .arg(begun)
        .arg(limits.session_calls)
        .arg(unix_millis())
        .arg(fields);
    Call::script(&TOUCH_SESSION, call)
}

/// Changes one thing of a session, for which `counted` bytes are counted from now on: a code, and share and bytes if
/// more must be counted first.
pub(crate) fn change_session(
    keys: &Keys,
    limits: &BusLimits,
    id: &SessionId,
    change: &FieldChange<'_>,
    counted: Option<usize>,
) -> Call<(i64, String, usize)> {
    let mut call = CHANGE_SESSION.with_keys(&[keys.session(id)]);
    let (verb, field, value) = match change {
        FieldChange::Set(field, value) => ("set", field, *value),
        FieldChange::Subscribe(field) => ("subscribe", field, ""),
        FieldChange::Unsubscribe(field) => ("unsubscribe", field, ""),
    };
    call.arg(verb)
        .arg(field)
        .arg(value)
        .arg(limits.session_subscriptions)
        .arg(counted.map_or_else(String::new, |bytes| bytes.to_string()))
        .arg(FIELD_BYTES);
    Call::script(&CHANGE_SESSION, call)
}

/// Ends a session of `subject`.
pub(crate) fn end_session(
    keys: &Keys,
    limits: &BusLimits,
    id: &SessionId,
    subject: &str,
) -> Call<Option<Vec<(String, String)>>> {
    let names = [
        keys.session(id),
        keys.session_calls(id),
        keys.session_state(id),
        keys.ended_session(id),
    ];
    let mut call = END_SESSION.with_keys(&names);
    call.arg(subject).arg(millis(limits.session_idle));
    Call::script(&END_SESSION, call)
}

/// Notes where a call of a session lies in the queue.
pub(crate) fn place_call(keys: &Keys, id: &SessionId, call: &CallRef) -> Call<i64> {
    let mut place = PLACE_CALL.with_keys(&[keys.session(id), keys.session_calls(id)]);
    place.arg(call.stream.to_string()).arg(call.entry.as_str());
    Call::script(&PLACE_CALL, place)
}

/// Finds the running calls of a request id: streams, and entries as far as they are known.
pub(crate) fn cancel_calls(
    keys: &Keys,
    id: &SessionId,
    request_id: &str,
) -> Call<Vec<(String, String)>> {
    let mut call = CANCEL_CALLS.with_keys(&[keys.session(id), keys.session_calls(id)]);
    call.arg(request_id);
    Call::script(&CANCEL_CALLS, call)
}

/// Logs a change, encoded as `line`, and publishes it.
pub(crate) fn publish_change(keys: &Keys, limits: &BusLimits, line: &str) -> Call<String> {
    let mut call = PUBLISH_CHANGE.with_keys(&[keys.feed_epoch(), keys.feed()]);
    call.arg(fresh_epoch())
        .arg(line)
        .arg(limits.feed.saturating_add(1))
        .arg(keys.feed_channel());
    Call::script(&PUBLISH_CHANGE, call)
}

/// Replaces the catalog and publishes the change, encoded as `line`, when it is one.
pub(crate) fn announce_catalog(
    keys: &Keys,
    limits: &BusLimits,
    catalog: &str,
    line: &str,
) -> Call<bool> {
    let mut call = ANNOUNCE_CATALOG.with_keys(&[keys.catalog(), keys.feed_epoch(), keys.feed()]);
    call.arg(catalog)
        .arg(fresh_epoch())
        .arg(line)
        .arg(limits.feed.saturating_add(1))
        .arg(keys.feed_channel());
    Call::script(&ANNOUNCE_CATALOG, call)
}

/// Names the position of the newest change.
pub(crate) fn newest_change(keys: &Keys) -> Call<String> {
    let mut call = NEWEST_CHANGE.with_keys(&[keys.feed_epoch(), keys.feed()]);
    call.arg(fresh_epoch());
    Call::script(&NEWEST_CHANGE, call)
}

/// Reads the changes after a position.
pub(crate) fn read_changes(
    keys: &Keys,
    limits: &BusLimits,
    after: &FeedPosition,
    max: usize,
) -> Call<Vec<String>> {
    let mut call = READ_CHANGES.with_keys(&[keys.feed_epoch(), keys.feed()]);
    call.arg(fresh_epoch())
        .arg(&*after.epoch)
        .arg(after.major)
        // Redis refuses to read after the last of all positions; clients may name it.
        .arg(after.minor.min(u64::MAX - 1))
        .arg(max)
        .arg(limits.feed);
    Call::script(&READ_CHANGES, call)
}

/// Adds to the whole number under a key of its own; `answered` is where the operation's answer is kept.
pub(crate) fn increment_state(
    key: &str,
    answered: &str,
    by: i64,
    ttl: Option<Duration>,
) -> Call<i64> {
    let mut call = INCREMENT_STATE.with_keys(&[key, answered]);
    call.arg(by).arg(lifetime(ttl)).arg(millis(REMEMBERED));
    Call::script(&INCREMENT_STATE, call)
}

/// Removes the value under a key of its own; `answered` is where the operation's answer is kept.
pub(crate) fn remove_state(key: &str, answered: &str) -> Call<bool> {
    let mut call = REMOVE_STATE.with_keys(&[key, answered]);
    call.arg(millis(REMEMBERED));
    Call::script(&REMOVE_STATE, call)
}

/// Reads a value of so many bytes at most: its size, and the value unless it has more.
pub(crate) fn read_value(key: &str, most: usize) -> Call<Option<(usize, Option<String>)>> {
    let mut call = READ_VALUE.with_keys(&[key]);
    call.arg(most);
    Call::script(&READ_VALUE, call).expecting(most)
}

/// Reads or changes a value of a session: 0 when the session has ended; 1 and the value; 2 and the size of a value
/// that has too many bytes.
pub(crate) fn session_state(
    keys: &Keys,
    id: &SessionId,
    key: &str,
    step: &StateStep<'_>,
) -> Call<(u8, Option<String>)> {
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
    let mut call = SESSION_STATE.with_keys(&[keys.session(id), values, answered]);
    call.arg(verb)
        .arg(key)
        .arg(&*value)
        .arg(lifetime(ttl))
        .arg(millis(REMEMBERED));
    Call::script(&SESSION_STATE, call).expecting(answer)
}

/// In milliseconds; empty for ever.
fn lifetime(ttl: Option<Duration>) -> String {
    ttl.map_or_else(String::new, |ttl| millis(ttl).to_string())
}

/// A name for a life of the feed that may be beginning.
fn fresh_epoch() -> String {
    let mut epoch = Uuid::new_v4().simple().to_string();
    epoch.truncate(12);
    epoch
}
