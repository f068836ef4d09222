//! Scripts of what clients say to the workers that run their calls.

use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, Ownership};

use super::request_queue::HANDED_BACK;
use super::{lua, millis};
use crate::connection::command::Command;
use crate::wire::keys::{GROUP, Keys};
use crate::wire::lines::LineWithoutOffset;

lua!(
    CANCEL_CALL,
    "parts/told_task.lua",
    "signal_channel/cancel_call.lua"
);
lua!(POST_MAIL, "signal_channel/post_mail.lua");
lua!(TAKE_MAIL, "signal_channel/take_mail.lua");

/// What a cancel says to the holder and to the worker.
pub(crate) struct CancelLines {
    pub(crate) event: LineWithoutOffset,
    pub(crate) signal: String,
}

/// Who cancels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Canceller {
    /// Its client or an operator, also if the call has become a task.
    Person,
    /// Nobody waits for the answer of a call any more. One that has become a task goes on.
    ConnectionEnd,
}

/// Marks a call as cancelled and tells everybody: what became of it, and the record of what has ended, or ''.
pub(crate) fn cancel_call(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    entry: Option<&EntryId>,
    era: Era,
    said: &CancelLines,
    by: Canceller,
) -> Command<(i64, String)> {
    let mut command = CANCEL_CALL.with_keys(&[
        keys.log(stream),
        keys.mailbox(stream),
        keys.unfinished(),
        keys.cancelled(),
        keys.queue(),
        keys.audit(),
        keys.asking(),
    ]);
    command
        .arg(GROUP)
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
        .arg(era.as_str())
        .arg(match by {
            Canceller::Person => "task",
            Canceller::ConnectionEnd => "",
        });
    Command::script(&CANCEL_CALL, command)
}

/// Puts a message into the mailbox of a call.
pub(crate) fn post_mail(
    keys: &Keys,
    limits: &BusLimits,
    stream: &StreamId,
    session: &SessionId,
    mail: &str,
    signal: &str,
) -> Command<i64> {
    let mut command = POST_MAIL.with_keys(&[keys.log(stream), keys.mailbox(stream)]);
    command
        .arg(session.as_str())
        .arg(mail)
        .arg(limits.mailbox)
        .arg(millis(limits.open_retention))
        .arg(keys.worker_channels())
        .arg(signal);
    Command::script(&POST_MAIL, command)
}

/// Reads messages of `bytes` at most in the mailbox of a call, for its owner: the number to name next, the size of the
/// first message that does not fit or 0, then the messages.
pub(crate) fn take_mail(
    keys: &Keys,
    owner: &Ownership,
    received: u64,
    bytes: usize,
) -> Command<Vec<String>> {
    let stream = &owner.stream;
    let mut command = TAKE_MAIL.with_keys(&[keys.log(stream), keys.mailbox(stream)]);
    command.arg(owner.token()).arg(received).arg(bytes);
    Command::script(&TAKE_MAIL, command).expecting(bytes)
}
