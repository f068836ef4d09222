//! Scripts of the request queue.

use std::time::Duration;

use prynai_bus::ids::{EntryId, StreamId, WorkerId};
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, Finish};
use redis::{FromRedisValue, ParsingError, Value, from_redis_value};

use super::event_log::add_events;
use super::{lua, millis};
use crate::connection::command::Command;
use crate::server::demoted_master::FinalOffset;
use crate::wire::batches::Batch;
use crate::wire::keys::{GROUP, Keys, NOBODY};
use crate::wire::lines;

lua!(MAKE_GROUP, "request_queue/make_group.lua");
lua!(KNOCK, "request_queue/knock.lua");
lua!(FINISH, "parts/told_task.lua", "request_queue/finish.lua");
lua!(RECLAIM, "request_queue/reclaim.lua");
lua!(RENEW, "request_queue/renew.lua");
lua!(HAND_BACK, "request_queue/hand_back.lua");
lua!(DEAD_LETTER, "request_queue/dead_letter.lua");
lua!(SWEEP, "request_queue/sweep.lua");
lua!(IS_QUEUED, "request_queue/is_queued.lua");
lua!(BACKLOG, "request_queue/backlog.lua");
lua!(UNRECEIVED, "request_queue/unreceived.lua");
lua!(FIND_OR_WITHDRAW, "request_queue/find_or_withdraw.lua");

/// Records that share an entry of the audit, as finish.lua has it.
const RECORDS_AN_ENTRY: usize = 8;

/// From this idle time on a lease was handed back: that is written as a delivery in 1970.
pub(crate) const HANDED_BACK: Duration = Duration::from_secs(10 * 365 * 24 * 3600);

/// A consumer that had nothing to do with Redis for so long is a worker that died.
const ABANDONED: Duration = Duration::from_secs(3600);

/// Workers look for lost requests twice a second. When none was answered for longer than this, the time does not count
/// against those who have some: Redis stood still, or could not be reached.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// How long workers may take to come back after that: their longest pause between two attempts, and an attempt.
const COMING_BACK: Duration = Duration::from_secs(2);

/// Silences remembered, far more than there are within a lease; those before them count as time in which Redis
/// answered.
const SILENCES: usize = 32;

/// Entries of one worker: those that it runs, that wait for their clients, and that it just claimed.
const MOST_OF_A_WORKER: usize = 20_000;

/// Fields of a dead entry that are kept: ours has fewer, another's may have more than a script can take.
const NOTED_FIELDS: usize = 64;

/// How long it is remembered what a worker was given last, and which entries are noted as dead: longer than anybody
/// repeats what had no answer.
const REMEMBERED: Duration = Duration::from_secs(600);

/// How much older than its own attempt the entry of a request may look, since clocks and connections differ.
const SLACK: Duration = Duration::from_secs(1);

/// Entries among which the one of a request is looked for.
const LOOKED_THROUGH: usize = 5_000;

/// Calls of sessions one sweep looks at.
const SWEPT_CALLS: usize = 1000;

/// How long a task may run (`--task-timeout`), and a day more for its end.
const LONGEST_TASK: Duration = Duration::from_secs(31 * 24 * 3600);

/// Consumers one sweep removes.
const SWEPT_CONSUMERS: usize = 64;

/// What was found when the group was made.
pub(crate) struct GroupMade {
    /// Requests that count as running since then.
    pub(crate) running: u64,
    /// There was a group before, and it was gone.
    pub(crate) was_gone: bool,
    /// This is another Redis than the one written to before, or it was restarted, and may lack the last writes.
    pub(crate) is_successor: bool,
    /// Whether Redis says under which id it writes.
    pub(crate) is_known: bool,
}

/// An entry that becomes a dead letter.
pub(crate) struct DeadEntry<'a> {
    pub(crate) entry: &'a EntryId,
    pub(crate) delivery: u32,
    pub(crate) reason: &'a str,
    /// Not always known of an entry that cannot be read.
    pub(crate) stream: Option<StreamId>,
    pub(crate) era: Era,
    /// As [`lines::call`] writes it, if it is known to be one.
    pub(crate) call: Option<String>,
}

/// Makes the consumer group and its stream, and looks whether this Redis may lack the last writes. `keeps_all`: it has
/// every write on disk before it answers; `demoted`: how far the master before had come.
pub(crate) fn make_group(
    keys: &Keys,
    keeps_all: bool,
    demoted: Option<&FinalOffset>,
) -> Command<GroupMade> {
    let mut command = MAKE_GROUP.with_keys(&[keys.queue(), keys.group_made(), keys.history()]);
    command.arg(GROUP).arg(NOBODY).arg(u8::from(keeps_all));
    match demoted {
        Some(demoted) => command.arg(&demoted.replication).arg(demoted.offset),
        None => command.arg("").arg(0),
    };
    Command::script(&MAKE_GROUP, command)
}

impl FromRedisValue for GroupMade {
    fn from_redis_value(value: Value) -> Result<Self, ParsingError> {
        let (running, was_gone, is_successor, is_known) = from_redis_value(value)?;
        Ok(Self {
            running,
            was_gone,
            is_successor,
            is_known,
        })
    }
}

/// Adds an entry to an empty queue. Tells for how long the oldest entry has been there, in milliseconds.
pub(crate) fn knock<V: AsRef<str>>(keys: &Keys, fields: &[(&str, V)]) -> Command<u64> {
    let mut command = KNOCK.with_keys(&[keys.queue()]);
    for (field, value) in fields {
        command.arg(*field).arg(value.as_ref());
    }
    Command::script(&KNOCK, command)
}

/// Ends requests. `news`, if there is any, is published instead of their events.
pub(crate) fn finish(
    keys: &Keys,
    limits: &BusLimits,
    requests: &Batch<'_, Finish>,
    news: Option<&str>,
) -> Command<Vec<i64>> {
    let mut names = vec![
        keys.queue(),
        keys.unfinished(),
        keys.cancelled(),
        keys.calls(),
        keys.audit(),
    ];
    for request in requests.writes {
        let stream = &request.ownership.stream;
        names.extend([keys.log(stream), keys.mailbox(stream)]);
    }
    let mut command = FINISH.with_keys(&names);
    command
        .arg(GROUP)
        .arg(keys.gateway_channels())
        .arg(news.unwrap_or_default())
        .arg(limits.audit);
    let mut lines = requests.lines.iter();
    for request in requests.writes {
        let owner = &request.ownership;
        command
            .arg(owner.stream.to_string())
            .arg(owner.entry.as_str())
            .arg(owner.worker.as_str())
            .arg(owner.delivery)
            .arg(owner.holder.as_str())
            .arg(
                owner
                    .session
                    .as_ref()
                    .map_or("", |session| session.as_str()),
            )
            .arg(millis(limits.retention(owner.era)))
            .arg(lines::call_of(owner).unwrap_or_default())
            .arg(record(request, limits).map_or("", |_| "1"));
        add_events(&mut command, request, &mut lines);
    }
    let records = requests.writes.iter();
    let records: Vec<&str> = records
        .filter_map(|request| record(request, limits))
        .collect();
    for entry in records.chunks(RECORDS_AN_ENTRY) {
        command.arg(entry.join("\n"));
    }
    Command::script(&FINISH, command)
}

/// What the audit keeps of a request.
fn record<'a>(request: &'a Finish, limits: &BusLimits) -> Option<&'a str> {
    let record = request.record.as_ref().filter(|_| limits.audit > 0);
    record.map(AuditLine::as_str)
}

/// Whether an entry is in the queue.
pub(crate) fn is_queued(keys: &Keys, entry: &EntryId) -> Command<bool> {
    let mut command = IS_QUEUED.with_keys(&[keys.queue()]);
    command.arg(entry.as_str());
    Command::script(&IS_QUEUED, command)
}

/// Takes entries of `bytes` at most whose lease ended. Tells Redis' time in Unix milliseconds and the size of the first
/// entry that does not fit, 0 if all do. The entries are raw: one that is malformed must not spoil the rest.
pub(crate) fn reclaim(
    keys: &Keys,
    worker: &WorkerId,
    lease: Duration,
    max: usize,
    number: u64,
    bytes: usize,
) -> Command<(u64, usize, Value)> {
    let names = [
        keys.queue(),
        keys.leases(),
        keys.looked(),
        keys.silences(),
        keys.reclaimed(worker),
    ];
    let mut command = RECLAIM.with_keys(&names);
    command
        .arg(GROUP)
        .arg(worker.as_str())
        .arg(lease_millis(lease))
        .arg(max)
        .arg(NOBODY)
        .arg(millis(LONGEST_PAUSE))
        .arg(millis(COMING_BACK))
        .arg(SILENCES)
        .arg(number)
        .arg(millis(REMEMBERED))
        .arg(bytes);
    Command::script(&RECLAIM, command).expecting(bytes)
}

/// Gives the entries after `received`, of `bytes` at most, that a worker was handed out and has not received. The
/// answer is that of [`reclaim`], without a time.
pub(crate) fn unreceived(
    keys: &Keys,
    worker: &WorkerId,
    received: (u64, u64),
    max: usize,
    bytes: usize,
) -> Command<(usize, Value)> {
    let mut command = UNRECEIVED.with_keys(&[keys.queue(), keys.reclaimed(worker)]);
    command
        .arg(GROUP)
        .arg(worker.as_str())
        .arg(format!("{}-{}", received.0, received.1))
        .arg(max)
        .arg(millis(HANDED_BACK))
        .arg(bytes);
    Command::script(&UNRECEIVED, command).expecting(bytes)
}

/// Finds the entry of a request that was sent `ago`, or marks it as cancelled.
pub(crate) fn find_or_withdraw(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    era: Era,
    ago: Duration,
) -> Command<Option<String>> {
    let mut command = FIND_OR_WITHDRAW.with_keys(&[
        keys.queue(),
        keys.log(stream),
        keys.unfinished(),
        keys.cancelled(),
    ]);
    command
        .arg(stream.to_string())
        .arg(millis(ago.saturating_add(SLACK)))
        .arg(LOOKED_THROUGH)
        .arg(era.as_str())
        .arg(millis(limits.open_retention))
        .arg(limits.queue);
    Command::script(&FIND_OR_WITHDRAW, command)
}

/// Notes how long a worker's leases last, and lets some start anew; all of its own without `entries`.
pub(crate) fn renew(
    keys: &Keys,
    worker: &WorkerId,
    lease: Duration,
    entries: Option<&[EntryId]>,
) -> Command<u64> {
    let mut command = RENEW.with_keys(&[keys.queue(), keys.leases()]);
    command
        .arg(GROUP)
        .arg(worker.as_str())
        .arg(lease_millis(lease))
        .arg(millis(HANDED_BACK))
        .arg(NOBODY);
    match entries {
        Some(_) => command.arg(""),
        None => command.arg(MOST_OF_A_WORKER),
    };
    for entry in entries.unwrap_or_default() {
        command.arg(entry.as_str());
    }
    Command::script(&RENEW, command)
}

/// Ends leases at once.
pub(crate) fn hand_back(
    keys: &Keys,
    worker: &WorkerId,
    entries: &[EntryId],
    begun: bool,
) -> Command<u64> {
    let mut command = HAND_BACK.with_keys(&[keys.queue()]);
    command
        .arg(GROUP)
        .arg(worker.as_str())
        .arg(millis(HANDED_BACK))
        .arg(u8::from(begun));
    for entry in entries {
        command.arg(entry.as_str());
    }
    Command::script(&HAND_BACK, command)
}

/// Moves an entry to the dead letters.
pub(crate) fn dead_letter<F: AsRef<[u8]>, V: AsRef<[u8]>>(
    keys: &Keys,
    limits: &BusLimits,
    dead: &DeadEntry<'_>,
    fields: &[(F, V)],
) -> Command<u64> {
    let mut names = vec![
        keys.queue(),
        keys.dead_letters(),
        keys.cancelled(),
        keys.unfinished(),
        keys.noted(dead.entry),
        keys.calls(),
    ];
    names.extend(dead.stream.as_ref().map(|stream| keys.log(stream)));
    let stream = dead.stream.map(|stream| stream.to_string());
    let mut command = DEAD_LETTER.with_keys(&names);
    command
        .arg(GROUP)
        .arg(dead.entry.as_str())
        .arg(dead.delivery)
        .arg(dead.reason)
        .arg(limits.dead_letters)
        .arg(stream.unwrap_or_default())
        .arg(millis(limits.retention(dead.era)))
        .arg(millis(REMEMBERED))
        .arg(dead.call.as_deref().unwrap_or_default());
    for (field, value) in fields.iter().take(NOTED_FIELDS) {
        command.arg(field.as_ref()).arg(value.as_ref());
    }
    Command::script(&DEAD_LETTER, command)
}

/// Removes what dead processes left behind.
pub(crate) fn sweep(keys: &Keys, limits: &BusLimits) -> Command<u64> {
    let names = [
        keys.queue(),
        keys.unfinished(),
        keys.cancelled(),
        keys.leases(),
        keys.calls(),
        keys.sessions(),
    ];
    let mut command = SWEEP.with_keys(&names);
    let life = limits.open_retention;
    // A log lives on while events come, what notes it as unfinished does not: so that gets time to
    // spare. To a cancelled log no more events come.
    command
        .arg(GROUP)
        .arg(millis(ABANDONED))
        .arg(millis(life.saturating_mul(7).max(LONGEST_TASK)))
        .arg(millis(life))
        .arg(SWEPT_CONSUMERS)
        .arg(SWEPT_CALLS);
    Command::script(&SWEEP, command)
}

/// What the queue holds: entries that wait, entries that run, for how long the oldest waits, in milliseconds, and dead
/// letters.
pub(crate) fn backlog(keys: &Keys) -> Command<(u64, u64, u64, u64)> {
    let mut command = BACKLOG.with_keys(&[keys.queue(), keys.dead_letters()]);
    command.arg(GROUP);
    Command::script(&BACKLOG, command)
}

/// A lease of 0 ends at once.
fn lease_millis(lease: Duration) -> u64 {
    match lease.is_zero() {
        true => 0,
        false => millis(lease),
    }
}
