//! How a call ended, as its last event says.

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::response::Ended;

use crate::metrics::operations::Outcome;

/// How the call ended whose last event this is.
pub(crate) fn outcome(last: &StreamEvent, is_of_tool: bool) -> Outcome {
    match (&last.message, last.kind) {
        (Some(response), _) => match Ended::of(response, is_of_tool) {
            Ended::Success => Outcome::Success,
            Ended::Error(code) => Outcome::Error(code),
            Ended::ToolError => Outcome::ToolError,
        },
        (None, EventKind::Cancelled) => Outcome::Cancelled,
        (None, _) => Outcome::Success,
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::ids::StreamId;
    use prynai_bus::wire::message::RawJson;

    use super::*;

    #[test]
    fn the_last_event_says_how_its_call_ended() {
        let error = RawJson::parse(r#"{"id":1,"error":{"code":7,"message":"no"}}"#).unwrap();
        let last = StreamEvent::new(StreamId::generate(), 1, EventKind::Final, error);
        assert_eq!(outcome(&last, true), Outcome::Error(7));
        let cancelled = StreamEvent::cancelled(StreamId::generate(), 1);
        assert_eq!(outcome(&cancelled, true), Outcome::Cancelled);
    }
}
