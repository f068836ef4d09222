//! Scripts of the stream logs and the signals about them.

use super::queue::HANDED_BACK;
use super::{Call, lua, millis};
use prynai_bus::ids::{EntryId, GatewayId, SessionId, StreamId};
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, Ownership};

use crate::keys::{GROUP, Keys};
use crate::lines::CancelledLine;

lua!(APPEND_EVENT, "append_event.lua");
lua!(TAKE_OVER, "take_over.lua");
lua!(OPEN_LOG, "open_log.lua");
lua!(FOLLOW, "follow.lua");
lua!(READ_LOG, "read_log.lua");
lua!(RELEASE, "release.lua");
lua!(CANCEL_CALL, "cancel_call.lua");
lua!(POST_MAIL, "post_mail.lua");
lua!(TAKE_MAIL, "take_mail.lua");
lua!(KEEP_BRIEFLY, "keep_briefly.lua");

/// Logs an event, encoded as `line`, and publishes it, or `news` of it if there is any.
pub(crate) fn append_event(
    keys: &Keys,
    limits: &BusLimits,
    owner: &Ownership,
    offset: u64,
    line: &str,
    news: Option<&str>,
) -> Call<i64> {
    let names = [keys.log(&owner.stream), keys.unfinished(), keys.queue()];
    let mut call = APPEND_EVENT.with_keys(&names);
    call.arg(owner.stream.to_string())
        .arg(GROUP)
        .arg(owner.entry.as_str())
        .arg(owner.token())
        .arg(owner.delivery)
        .arg(owner.holder.as_str())
        .arg(text(owner.session.as_ref()))
        .arg(owner.era.as_str())
        .arg(offset)
        .arg(line)
        .arg(limits.log_events)
        .arg(millis(limits.open_retention))
        .arg(keys.gateway_channels())
        .arg(limits.log_bytes)
        .arg(news.unwrap_or_default());
    Call::script(&APPEND_EVENT, call)
}

/// Makes a redelivered claim the owner.
pub(crate) fn take_over(keys: &Keys, limits: &BusLimits, owner: &Ownership) -> Call<i64> {
    let names = [keys.log(&owner.stream), keys.unfinished(), keys.queue()];
    let mut call = TAKE_OVER.with_keys(&names);
    call.arg(owner.stream.to_string())
        .arg(GROUP)
        .arg(owner.entry.as_str())
        .arg(owner.worker.as_str())
        .arg(owner.delivery)
        .arg(owner.holder.as_str())
        .arg(text(owner.session.as_ref()))
        .arg(owner.era.as_str())
        .arg(millis(limits.open_retention));
    Call::script(&TAKE_OVER, call)
}

/// Makes the log before its first event.
pub(crate) fn open_log(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    holder: &GatewayId,
    session: Option<&SessionId>,
    era: Era,
) -> Call<i64> {
    let mut call = OPEN_LOG.with_keys(&[keys.log(stream), keys.unfinished()]);
    call.arg(stream.to_string())
        .arg(holder.as_str())
        .arg(text(session))
        .arg(era.as_str())
        .arg(millis(limits.open_retention));
    Call::script(&OPEN_LOG, call)
}

/// Makes `holder` the holder, and says the newest offset.
pub(crate) fn follow(
    keys: &Keys,
    stream: &StreamId,
    holder: &GatewayId,
    session: Option<&SessionId>,
) -> Call<Option<u64>> {
    let mut call = FOLLOW.with_keys(&[keys.log(stream)]);
    call.arg(holder.as_str()).arg(text(session));
    Call::script(&FOLLOW, call)
}

/// Reads events of `bytes` at most.
pub(crate) fn read_log(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    session: Option<&SessionId>,
    after: u64,
    bytes: usize,
) -> Call<Option<Vec<String>>> {
    let mut call = READ_LOG.with_keys(&[keys.log(stream)]);
    call.arg(text(session))
        .arg(after)
        .arg(limits.page_events)
        .arg(bytes);
    Call::script(&READ_LOG, call).expecting(bytes)
}

/// Deletes the logs of finished streams.
pub(crate) fn release(keys: &Keys, streams: &[StreamId]) -> Call<u64> {
    let mut names = vec![keys.unfinished()];
    names.extend(streams.iter().map(|stream| keys.log(stream)));
    let mut call = RELEASE.with_keys(&names);
    for stream in streams {
        call.arg(stream.to_string());
    }
    Call::script(&RELEASE, call)
}

/// What a cancel says to the holder and to the worker.
pub(crate) struct CancelLines {
    pub(crate) event: CancelledLine,
    pub(crate) signal: String,
}

/// Marks a call as cancelled and tells everybody.
pub(crate) fn cancel_call(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    entry: Option<&EntryId>,
    era: Era,
    said: &CancelLines,
) -> Call<i64> {
    let mut call = CANCEL_CALL.with_keys(&[
        keys.log(stream),
        keys.mailbox(stream),
        keys.unfinished(),
        keys.cancelled(),
        keys.queue(),
    ]);
    call.arg(GROUP)
        .arg(stream.to_string())
        .arg(entry.map_or("", EntryId::as_str))
        .arg(&said.event.before_offset)
        .arg(&said.event.after_offset)
        .arg(&said.signal)
        .arg(keys.gateway_channels())
        .arg(keys.worker_channels())
        .arg(millis(limits.open_retention))
        .arg(millis(limits.retention(era)))
        .arg(limits.queue)
        .arg(millis(HANDED_BACK))
        .arg(era.as_str());
    Call::script(&CANCEL_CALL, call)
}

/// Puts a message into the mailbox of a call.
pub(crate) fn post_mail(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    session: &SessionId,
    mail: &str,
    signal: &str,
) -> Call<i64> {
    let mut call = POST_MAIL.with_keys(&[keys.log(stream), keys.mailbox(stream)]);
    call.arg(session.as_str())
        .arg(mail)
        .arg(limits.mailbox)
        .arg(millis(limits.open_retention))
        .arg(keys.worker_channels())
        .arg(signal);
    Call::script(&POST_MAIL, call)
}

/// Lets the log of a finished stream end earlier.
pub(crate) fn keep_briefly(keys: &Keys, limits: &BusLimits, stream: &StreamId) -> Call<bool> {
    let mut call = KEEP_BRIEFLY.with_keys(&[keys.log(stream)]);
    call.arg(millis(limits.brief_retention));
    Call::script(&KEEP_BRIEFLY, call)
}

/// Reads messages of `bytes` at most in the mailbox of a call, for its owner: the number to name next, the size of the
/// first message that does not fit or 0, then the messages.
pub(crate) fn take_mail(
    keys: &Keys,
    owner: &Ownership,
    received: u64,
    bytes: usize,
) -> Call<Vec<String>> {
    let stream = &owner.stream;
    let mut call = TAKE_MAIL.with_keys(&[keys.log(stream), keys.mailbox(stream)]);
    call.arg(owner.token()).arg(received).arg(bytes);
    Call::script(&TAKE_MAIL, call).expecting(bytes)
}

fn text(session: Option<&SessionId>) -> &str {
    session.map_or("", SessionId::as_str)
}
