//! What is written into Redis, as single lines: `PUBLISH` joins several with a line feed.

use std::borrow::Cow;

use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::WireError;
use prynai_bus::wire::change::ChangeEntry;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::{BusError, Ownership, PositionedChange};

use crate::connection::budget::LARGE;

/// The field of an entry of the audit that has its records, a line each.
pub(crate) const RECORDS: &str = "records";

/// An event, cut where its offset goes: only the script knows that.
pub(crate) struct LineWithoutOffset {
    pub(crate) before_offset: String,
    pub(crate) after_offset: String,
}

pub(crate) fn event(event: &StreamEvent) -> Result<String, WireError> {
    Ok(single(event.to_line()?))
}

/// What is published instead of events of `stream` that have so many bytes: nothing, unless these are many.
pub(crate) fn news(stream: StreamId, bytes: usize) -> Result<Option<String>, WireError> {
    if bytes <= LARGE {
        return Ok(None);
    }
    StreamEvent::see_log(stream).to_line().map(Some)
}

/// A message is kept byte for byte and may be spread over lines. In JSON a bare line feed is white
/// space between tokens, so a space says the same.
fn single(json: String) -> String {
    if json.contains('\n') {
        return json.replace('\n', " ");
    }
    json
}

pub(crate) fn cancelled(stream: StreamId) -> Result<LineWithoutOffset, BusError> {
    without_offset(&StreamEvent::cancelled(stream, 0))
}

/// An event whose offset is 0, as its line without that.
pub(crate) fn without_offset(event: &StreamEvent) -> Result<LineWithoutOffset, BusError> {
    const OFFSET: &str = r#""offset":"#;
    let line = self::event(event)?;
    let mark = format!("{OFFSET}0");
    let Some((before, after)) = line.split_once(&mark) else {
        return Err(BusError::Unexpected(
            "an event without an offset".to_owned(),
        ));
    };
    Ok(LineWithoutOffset {
        before_offset: format!("{before}{OFFSET}"),
        after_offset: after.to_owned(),
    })
}

/// A call among those of all sessions. Sorted, those of one session stand together.
pub(crate) fn call(
    session: &SessionId,
    entry: &EntryId,
    stream: &StreamId,
    request_id: &RawJson,
) -> String {
    let request_id = request_id.as_str();
    format!("{session}:{entry}:{stream}:{request_id}")
}

/// The call of an entry, if it is one: what is finished need not be.
pub(crate) fn call_of(owner: &Ownership) -> Option<String> {
    let (session, request_id) = (owner.session.as_ref()?, owner.request_id.as_ref()?);
    Some(call(session, &owner.entry, &owner.stream, request_id))
}

/// Reads the news of a change: its position, a space, the change.
pub(crate) fn read_change(line: &str) -> Result<PositionedChange, WireError> {
    let (position, change) = line.split_once(' ').ok_or(WireError::Missing("position"))?;
    Ok(PositionedChange {
        position: position.parse().map_err(|_| WireError::Invalid {
            field: "position",
            reason: "not a position of the feed".to_owned(),
        })?,
        change: ChangeEntry::from_line(change)?.change,
    })
}

/// Text of a published message; what is not UTF-8 is not ours and will not be read.
pub(crate) fn text(payload: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(payload)
}

#[cfg(test)]
mod tests {
    use super::*;
    use prynai_bus::wire::event::EventKind;
    use prynai_bus::wire::message::RawJson;

    #[test]
    fn a_message_over_several_lines_is_one_line() {
        let message = RawJson::parse("{\n  \"text\": \"a\\nb\"\n}").unwrap();
        let spread = StreamEvent::new(StreamId::generate(), 1, EventKind::Final, message);
        let line = event(&spread).unwrap();
        assert!(!line.contains('\n'));
        let value: serde_json::Value = StreamEvent::from_line(&line)
            .unwrap()
            .message
            .unwrap()
            .read()
            .unwrap();
        assert_eq!(value["text"], "a\nb");
    }

    #[test]
    fn a_cancelled_event_is_put_together_again() {
        let stream = StreamId::generate();
        let line = cancelled(stream).unwrap();
        let event = format!("{}17{}", line.before_offset, line.after_offset);
        assert_eq!(
            StreamEvent::from_line(&event).unwrap(),
            StreamEvent::cancelled(stream, 17),
        );
    }
}
