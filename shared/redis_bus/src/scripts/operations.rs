//! Scripts of what operators see, which only read, and of what they change.

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{CallName, Shelf};

use super::lua;
use crate::connection::command::Command;
use crate::wire::keys::{GROUP, Keys};

lua!(LIST_ENTRIES, "operations/list_entries.lua");
lua!(REPLAY, "operations/replay.lua");
lua!(LOOK_AT_SESSIONS, "operations/look_at_sessions.lua");
lua!(LOOK_AT_TASKS, "operations/look_at_tasks.lua");

/// Bytes of entries after which a run of the script looks at no further one: Redis serves nobody else meanwhile.
const LOOKED_AT_ONCE: usize = 1024 * 1024;

/// Bytes of a field that are told.
const LONGEST: usize = 300;

/// An entry as `list_entries.lua` tells it: its id, its size, its fields with their values, and who has it.
pub(crate) type ListedEntry = (String, u64, Vec<Vec<u8>>, Vec<String>);

/// Reads entries after one of them, `most` at most.
pub(crate) fn list_entries(
    keys: &Keys,
    shelf: Shelf,
    after: Option<&EntryId>,
    of: Option<&CallName>,
    most: usize,
) -> Command<(String, Vec<ListedEntry>)> {
    let begin = match (after, shelf) {
        (Some(after), _) => format!("({after}"),
        (None, Shelf::Queue) => "-".to_owned(),
        (None, Shelf::DeadLetters) => "+".to_owned(),
    };
    entries(keys, shelf, &begin, of, most)
}

/// Reads the one entry of this name, if it lies there.
pub(crate) fn find_entry(
    keys: &Keys,
    shelf: Shelf,
    entry: &EntryId,
) -> Command<(String, Vec<ListedEntry>)> {
    let of = CallName::Entry(entry.clone());
    entries(keys, shelf, entry.as_str(), Some(&of), 1)
}

/// Queues the request of a dead letter once more, as these fields, and removes the letter.
pub(crate) fn replay<V: AsRef<str>>(
    keys: &Keys,
    letter: &EntryId,
    fields: &[(&'static str, V)],
) -> Command<Option<String>> {
    let places = [keys.queue(), keys.shelf(Shelf::DeadLetters)];
    let mut command = REPLAY.with_keys(&places);
    command.arg(letter.as_str());
    for (field, value) in fields {
        command.arg(*field).arg(value.as_ref());
    }
    Command::script(&REPLAY, command)
}

fn entries(
    keys: &Keys,
    shelf: Shelf,
    begin: &str,
    of: Option<&CallName>,
    most: usize,
) -> Command<(String, Vec<ListedEntry>)> {
    let group = match shelf {
        Shelf::Queue => GROUP,
        Shelf::DeadLetters => "",
    };
    let mut command = LIST_ENTRIES.reading_keys(&[keys.shelf(shelf)]);
    command
        .arg(group)
        .arg(u8::from(shelf == Shelf::DeadLetters))
        .arg(begin)
        .arg(most)
        .arg(LOOKED_AT_ONCE)
        .arg(LONGEST)
        .arg(of.map(CallName::to_string).unwrap_or_default());
    Command::script(&LIST_ENTRIES, command)
}

/// Reads sessions by their names.
pub(crate) fn look_at_sessions(keys: &Keys, sessions: &[&str]) -> Command<Vec<Vec<Vec<u8>>>> {
    let mut names = vec![keys.calls()];
    names.extend(sessions.iter().map(|session| keys.session_named(session)));
    let mut command = LOOK_AT_SESSIONS.reading_keys(&names);
    command.arg(LONGEST);
    for session in sessions {
        command.arg(*session);
    }
    Command::script(&LOOK_AT_SESSIONS, command)
}

/// Reads tasks by their names, the first of them: their responses are searched, and Redis serves nobody else meanwhile.
/// So many keys of questions are told of each.
pub(crate) fn look_at_tasks(
    keys: &Keys,
    tasks: &[StreamId],
    questions: usize,
) -> Command<Vec<Vec<Vec<u8>>>> {
    let logs: Vec<_> = tasks.iter().map(|task| keys.log(task)).collect();
    let mut command = LOOK_AT_TASKS.reading_keys(&logs);
    command.arg(LOOKED_AT_ONCE).arg(LONGEST).arg(questions);
    Command::script(&LOOK_AT_TASKS, command)
}
