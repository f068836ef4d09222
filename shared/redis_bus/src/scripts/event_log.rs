//! Scripts of the stream logs.

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::request::Era;
use prynai_bus::{Append, BusLimits, Ownership};
use redis::Cmd;

use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::batches::{Batch, StreamWrite};
use crate::wire::keys::{GROUP, Keys};

lua!(APPEND_EVENTS, "event_log/append_events.lua");
lua!(TAKE_OVER, "event_log/take_over.lua");
lua!(OPEN_LOG, "event_log/open_log.lua");
lua!(FOLLOW, "event_log/follow.lua");
lua!(READ_LOG, "event_log/read_log.lua");
lua!(RELEASE, "event_log/release.lua");
lua!(KEEP_BRIEFLY, "event_log/keep_briefly.lua");

/// Logs events and publishes them, or `news` of them if there is any: a [`WriteCode`](super::WriteCode) for each
/// stream.
pub(crate) fn append_events(
    keys: &Keys,
    limits: &BusLimits,
    appends: &Batch<'_, Append>,
    news: Option<&str>,
) -> Command<Vec<i64>> {
    let mut names = vec![keys.unfinished(), keys.queue()];
    let streams = appends.writes.iter().map(StreamWrite::stream);
    names.extend(streams.map(|stream| keys.log(&stream)));
    let mut command = APPEND_EVENTS.with_keys(&names);
    command
        .arg(GROUP)
        .arg(keys.gateway_channels())
        .arg(millis(limits.open_retention))
        .arg(limits.log_events)
        .arg(limits.log_bytes)
        .arg(news.unwrap_or_default());
    let mut lines = appends.lines.iter();
    for append in appends.writes {
        let owner = &append.ownership;
        command
            .arg(owner.stream.to_string())
            .arg(owner.entry.as_str())
            .arg(owner.token())
            .arg(owner.delivery)
            .arg(owner.holder.as_str())
            .arg(text(owner.session.as_ref()))
            .arg(owner.era.as_str());
        add_events(&mut command, append, &mut lines);
    }
    Command::script(&APPEND_EVENTS, command)
}

/// Adds how many events there are, and of each its offset and its line.
pub(super) fn add_events<'a>(
    command: &mut Cmd,
    write: &impl StreamWrite,
    lines: &mut impl Iterator<Item = &'a String>,
) {
    let events = write.events();
    command.arg(events.clone().count());
    for (event, line) in events.zip(lines) {
        command.arg(event.offset).arg(line);
    }
}

/// Makes a redelivered claim the owner: a [`WriteCode`](super::WriteCode), and the newest offset if it is done, with
/// what is known of the task if the call is one.
pub(crate) fn take_over(
    keys: &Keys,
    limits: &BusLimits,
    owner: &Ownership,
) -> Command<(i64, u64, String)> {
    let names = [keys.log(&owner.stream), keys.unfinished(), keys.queue()];
    let mut command = TAKE_OVER.with_keys(&names);
    command
        .arg(owner.stream.to_string())
        .arg(GROUP)
        .arg(owner.entry.as_str())
        .arg(owner.worker.as_str())
        .arg(owner.delivery)
        .arg(owner.holder.as_str())
        .arg(text(owner.session.as_ref()))
        .arg(owner.era.as_str())
        .arg(millis(limits.open_retention));
    Command::script(&TAKE_OVER, command)
}

/// Makes the log before its first event.
pub(crate) fn open_log(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    holder: &GatewayId,
    session: Option<&SessionId>,
    era: Era,
) -> Command<i64> {
    let mut command = OPEN_LOG.with_keys(&[keys.log(stream), keys.unfinished()]);
    command
        .arg(stream.to_string())
        .arg(holder.as_str())
        .arg(text(session))
        .arg(era.as_str())
        .arg(millis(limits.open_retention));
    Command::script(&OPEN_LOG, command)
}

/// Makes `holder` the holder, and says the newest offset.
pub(crate) fn follow(
    keys: &Keys,
    stream: &StreamId,
    holder: &GatewayId,
    session: Option<&SessionId>,
) -> Command<Option<u64>> {
    let mut command = FOLLOW.with_keys(&[keys.log(stream)]);
    command.arg(holder.as_str()).arg(text(session));
    Command::script(&FOLLOW, command)
}

/// Reads events of `bytes` at most.
pub(crate) fn read_log(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    session: Option<&SessionId>,
    after: u64,
    bytes: usize,
) -> Command<Option<Vec<String>>> {
    let mut command = READ_LOG.with_keys(&[keys.log(stream)]);
    command
        .arg(text(session))
        .arg(after)
        .arg(limits.page_events)
        .arg(bytes);
    Command::script(&READ_LOG, command).expecting(bytes)
}

/// Deletes the logs of finished streams.
pub(crate) fn release(keys: &Keys, streams: &[StreamId]) -> Command<u64> {
    let mut names = vec![keys.unfinished()];
    names.extend(streams.iter().map(|stream| keys.log(stream)));
    let mut command = RELEASE.with_keys(&names);
    for stream in streams {
        command.arg(stream.to_string());
    }
    Command::script(&RELEASE, command)
}

/// Lets the log of a finished stream end earlier.
pub(crate) fn keep_briefly(keys: &Keys, limits: &BusLimits, stream: &StreamId) -> Command<bool> {
    let mut command = KEEP_BRIEFLY.with_keys(&[keys.log(stream)]);
    command.arg(millis(limits.brief_retention));
    Command::script(&KEEP_BRIEFLY, command)
}

fn text(session: Option<&SessionId>) -> &str {
    session.map_or("", SessionId::as_str)
}
