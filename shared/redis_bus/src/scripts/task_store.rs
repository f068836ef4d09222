//! Scripts of calls that become tasks.

use prynai_bus::Ownership;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::task::Promotion;

use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::keys::{GROUP, Keys};

lua!(PROMOTE, "task_store/promote.lua");
lua!(NOTE_STATUS, "task_store/note_status.lua");
lua!(TASK, "task_store/task.lua");

/// Makes a task of a call: a [`WriteCode`](super::WriteCode). `task` and `event` are what lies in Redis.
pub(crate) fn promote(
    keys: &Keys,
    owner: &Ownership,
    promotion: &Promotion,
    task: &str,
    event: &str,
) -> Command<i64> {
    let names = [keys.log(&owner.stream), keys.unfinished(), keys.queue()];
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
        .arg(millis(promotion.kept));
    Command::script(&PROMOTE, command)
}

/// Notes what a task says of itself: a [`WriteCode`](super::WriteCode).
pub(crate) fn note_status(
    keys: &Keys,
    owner: &Ownership,
    message: &str,
    now_ms: u64,
) -> Command<i64> {
    let mut command = NOTE_STATUS.with_keys(&[keys.log(&owner.stream)]);
    command
        .arg(owner.entry.as_str())
        .arg(owner.token())
        .arg(message)
        .arg(now_ms);
    Command::script(&NOTE_STATUS, command)
}

/// What there is to say of a task of `principal`, with a response of `bytes` at most.
pub(crate) fn task(
    keys: &Keys,
    name: &StreamId,
    principal: &str,
    bytes: usize,
) -> Command<Option<Vec<String>>> {
    let mut command = TASK.with_keys(&[keys.log(name)]);
    command.arg(principal).arg(bytes);
    Command::script(&TASK, command).expecting(bytes)
}
