//! Scripts of calls that become tasks.

use std::borrow::Cow;
use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::task::{Parking, Promotion, TaskFailure};
use prynai_bus::{BusLimits, Ownership};

use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::keys::{GROUP, Keys};
use crate::wire::lines::LineWithoutOffset;

lua!(PROMOTE, "task_store/promote.lua");
lua!(
    NOTE_STATUS,
    "parts/told_task.lua",
    "task_store/note_status.lua"
);
lua!(PARK, "parts/told_task.lua", "task_store/park.lua");
lua!(TASK_ROOM, "task_store/task_room.lua");
lua!(OWN_TASKS, "task_store/own_tasks.lua");
lua!(INPUTS, "task_store/inputs.lua");
lua!(ANSWER, "parts/told_task.lua", "task_store/answer.lua");
lua!(TASK, "parts/told_task.lua", "task_store/task.lua");
lua!(END_TASK, "parts/told_task.lua", "task_store/end_task.lua");
lua!(COUNT_TASKS, "task_store/count_tasks.lua");

/// A lease that is not renewed for so long may be that of an entry that was deleted.
const UNRENEWED: Duration = Duration::from_secs(60);

/// Whether there is room for one more task of a share: 0 if so, 1 if its share has none, 2 if there is none.
pub(crate) fn task_room(
    keys: &Keys,
    limits: &BusLimits,
    share: &Share,
    now_ms: u64,
) -> Command<i64> {
    let mut command = TASK_ROOM.with_keys(&[keys.tasks(), keys.tasks_of(share)]);
    command
        .arg(now_ms)
        .arg(limits.tasks)
        .arg(limits.caller_tasks);
    Command::script(&TASK_ROOM, command)
}

/// Makes a task of a call: a [`WriteCode`](super::WriteCode). `task` and `event` are what lies in Redis.
pub(crate) fn promote(
    keys: &Keys,
    limits: &BusLimits,
    owner: &Ownership,
    promotion: &Promotion,
    task: &str,
    event: &str,
) -> Command<i64> {
    let names = [
        keys.log(&owner.stream),
        keys.unfinished(),
        keys.queue(),
        keys.tasks(),
        keys.tasks_of(&promotion.share),
    ];
    let mut command = PROMOTE.with_keys(&names);
    command
        .arg(GROUP)
        .arg(owner.stream.to_string())
        .arg(owner.entry.as_str())
        .arg(owner.worker.as_str())
        .arg(owner.delivery)
        .arg(owner.holder.as_str())
        .arg(owner.era.as_str())
        .arg(keys.gateway_channels())
        .arg(promotion.event.offset)
        .arg(event)
        .arg(task)
        .arg(&promotion.principal)
        .arg(promotion.birth.created_ms)
        .arg(millis(promotion.ttl))
        .arg(millis(promotion.kept))
        .arg(millis(promotion.spare()))
        .arg(limits.tasks)
        .arg(limits.caller_tasks)
        .arg(limits.audit);
    Command::script(&PROMOTE, command)
}

/// Notes what a task says of itself: a [`WriteCode`](super::WriteCode).
pub(crate) fn note_status(keys: &Keys, owner: &Ownership, message: &str) -> Command<i64> {
    let mut command = NOTE_STATUS.with_keys(&[keys.log(&owner.stream)]);
    command
        .arg(owner.entry.as_str())
        .arg(owner.token())
        .arg(message);
    Command::script(&NOTE_STATUS, command)
}

/// Lets a task wait for its client: a [`WriteCode`](super::WriteCode).
pub(crate) fn park(
    keys: &Keys,
    limits: &BusLimits,
    owner: &Ownership,
    parking: &Parking,
) -> Command<i64> {
    let names = [
        keys.log(&owner.stream),
        keys.unfinished(),
        keys.queue(),
        keys.asking(),
    ];
    let mut command = PARK.with_keys(&names);
    let record = parking.record.as_ref();
    command
        .arg(GROUP)
        .arg(owner.stream.to_string())
        .arg(owner.entry.as_str())
        .arg(owner.token())
        .arg(parking.left.as_deref().unwrap_or_default())
        .arg(record.map_or("", |record| record.as_str()))
        .arg(limits.task_input);
    for question in &parking.questions {
        command
            .arg(&question.key)
            .arg(&question.name)
            .arg(question.request.as_str());
    }
    Command::script(&PARK, command)
}

/// What the client of a task has answered, as text.
pub(crate) fn inputs(keys: &Keys, limits: &BusLimits, owner: &Ownership) -> Command<Vec<String>> {
    let mut command = INPUTS.with_keys(&[keys.log(&owner.stream)]);
    command.arg(owner.entry.as_str()).arg(owner.token());
    Command::script(&INPUTS, command).expecting(limits.task_input)
}

/// Keeps sealed answers, by key, for a task of `principal`.
pub(crate) fn answer<'a>(
    keys: &Keys,
    limits: &BusLimits,
    name: &StreamId,
    principal: &str,
    answers: impl IntoIterator<Item = (&'a str, Cow<'a, str>)>,
) -> Command<Option<i64>> {
    let names = [
        keys.log(name),
        keys.unfinished(),
        keys.queue(),
        keys.asking(),
    ];
    let mut command = ANSWER.with_keys(&names);
    command
        .arg(principal)
        .arg(name.to_string())
        .arg(limits.task_input)
        .arg(limits.queue);
    for (key, answer) in answers {
        command.arg(key).arg(&*answer);
    }
    Command::script(&ANSWER, command)
}

/// What there is to say of a task of `principal`, with a response of `bytes` at most.
pub(crate) fn task(
    keys: &Keys,
    name: &StreamId,
    principal: &str,
    bytes: usize,
) -> Command<Option<Vec<String>>> {
    let mut command = TASK.with_keys(&[keys.log(name), keys.queue()]);
    command.arg(principal).arg(bytes);
    command.arg(GROUP).arg(millis(UNRENEWED));
    Command::script(&TASK, command).expecting(bytes)
}

/// Ends a task that nobody else will end, with `end` as its response and `record` for the audit; 0 when it goes on.
pub(crate) fn end_task(
    keys: &Keys,
    limits: &BusLimits,
    name: &StreamId,
    failure: TaskFailure,
    end: &LineWithoutOffset,
    record: Option<&AuditLine>,
) -> Command<i64> {
    let names = [
        keys.log(name),
        keys.unfinished(),
        keys.queue(),
        keys.asking(),
        keys.audit(),
    ];
    let mut command = END_TASK.with_keys(&names);
    let record = record.filter(|_| limits.audit > 0);
    command
        .arg(name.to_string())
        .arg(failure.as_str())
        .arg(&end.before_offset)
        .arg(&end.after_offset)
        .arg(record.map_or("", |record| record.as_str()))
        .arg(limits.audit)
        .arg(millis(limits.entry_missed));
    Command::script(&END_TASK, command)
}

/// How many tasks there are: those that wait for a worker or run, those that wait for their clients, and all.
pub(crate) fn count_tasks(keys: &Keys) -> Command<(u64, u64, u64)> {
    Command::script(&COUNT_TASKS, COUNT_TASKS.with_keys(&counted(keys)))
}

/// The same, for a user who may only read.
pub(crate) fn count_tasks_as_reader(keys: &Keys) -> Command<(u64, u64, u64)> {
    Command::script(&COUNT_TASKS, COUNT_TASKS.reading_keys(&counted(keys)))
}

fn counted(keys: &Keys) -> [String; 3] {
    [keys.tasks(), keys.unfinished(), keys.asking()]
}

/// Of each of these, whether it is a task of `principal`: 1 or 0.
pub(crate) fn own_tasks(keys: &Keys, names: &[StreamId], principal: &str) -> Command<Vec<u8>> {
    let logs: Vec<_> = names.iter().map(|name| keys.log(name)).collect();
    let mut command = OWN_TASKS.with_keys(&logs);
    command.arg(principal);
    Command::script(&OWN_TASKS, command)
}
