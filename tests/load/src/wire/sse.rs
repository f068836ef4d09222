//! Event streams (the HTML standard, Server-sent events), read as they come.

use std::collections::VecDeque;
use std::time::Duration;

use http_body_util::BodyExt;
use hyper::body::Incoming;
use memchr::memchr;

use super::failure::{Failure, broken};

/// Most bytes of one event that are kept.
const MOST: usize = 256 << 20;

/// The body of an answer, event by event.
pub(crate) struct Events {
    body: Incoming,
    parser: Parser,
    ready: VecDeque<Event>,
}

/// One event; a comment is none.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) data: Vec<u8>,
    pub(crate) retry: Option<Duration>,
}

/// Cuts bytes into events. Lines may end with CR LF or LF; a CR alone, which no server of MCP sends, ends none.
#[derive(Default)]
struct Parser {
    /// The beginning of a line whose end is still to come.
    begun: Vec<u8>,
    event: Event,
    has_fields: bool,
}

impl Events {
    pub(crate) fn of(body: Incoming) -> Self {
        Self {
            body,
            parser: Parser::default(),
            ready: VecDeque::new(),
        }
    }

    /// The next event; `None` when the stream has ended as it should.
    pub(crate) async fn next(&mut self) -> Result<Option<Event>, Failure> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Ok(Some(event));
            }
            let Some(frame) = self.body.frame().await else {
                return Ok(None);
            };
            if let Ok(data) = frame.map_err(|error| broken(&error))?.into_data() {
                self.parser.read(&data, &mut self.ready);
                if self.parser.size() > MOST {
                    return Err(Failure::Unanswered("an event is too large".into()));
                }
            }
        }
    }
}

impl Parser {
    fn read(&mut self, mut bytes: &[u8], ready: &mut VecDeque<Event>) {
        while let Some(end) = memchr(b'\n', bytes) {
            let (line, rest) = bytes.split_at(end);
            bytes = &rest[1..];
            if self.begun.is_empty() {
                self.line(line, ready);
            } else {
                let mut begun = std::mem::take(&mut self.begun);
                begun.extend_from_slice(line);
                self.line(&begun, ready);
            }
        }
        self.begun.extend_from_slice(bytes);
    }

    fn line(&mut self, line: &[u8], ready: &mut VecDeque<Event>) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if line.is_empty() {
            if std::mem::take(&mut self.has_fields) {
                ready.push_back(std::mem::take(&mut self.event));
            }
            return;
        }
        let (field, value) = match memchr(b':', line) {
            Some(colon) => (&line[..colon], &line[colon + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"data" => {
                if !self.event.data.is_empty() {
                    self.event.data.push(b'\n');
                }
                self.event.data.extend_from_slice(value);
            }
            b"id" => self.event.id = std::str::from_utf8(value).ok().map(str::to_owned),
            b"retry" => {
                let text = std::str::from_utf8(value).ok();
                let milliseconds = text.and_then(|text| text.parse().ok());
                self.event.retry = milliseconds.map(Duration::from_millis);
            }
            // Comments have an empty name; `event` says nothing that the data does not.
            _ => return,
        }
        self.has_fields = true;
    }

    fn size(&self) -> usize {
        self.begun.len() + self.event.data.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &str = ": comment\n\nid: a-0\r\nretry: 500\r\ndata: \r\n\r\nevent: message\nid:a-1\ndata: {\ndata: }\n\n\
                          data: \u{e4}\n\ndata: unfinished\n";

    fn events(pieces: impl IntoIterator<Item = Vec<u8>>) -> Vec<(Option<String>, String)> {
        let (mut parser, mut ready) = (Parser::default(), VecDeque::new());
        for piece in pieces {
            parser.read(&piece, &mut ready);
        }
        let text = |event: Event| (event.id, String::from_utf8(event.data).unwrap());
        ready.into_iter().map(text).collect()
    }

    #[test]
    fn events_are_the_same_however_the_bytes_arrive() {
        let whole = events([STREAM.as_bytes().to_vec()]);
        let expected = [
            (Some("a-0".to_owned()), String::new()),
            (Some("a-1".to_owned()), "{\n}".to_owned()),
            (None, "\u{e4}".to_owned()),
        ];
        assert_eq!(whole, expected);
        for size in 1..9 {
            let pieces = STREAM.as_bytes().chunks(size).map(<[u8]>::to_vec);
            assert_eq!(events(pieces), expected, "{size} bytes at a time");
        }
    }

    #[test]
    fn the_server_says_when_to_come_back() {
        let (mut parser, mut ready) = (Parser::default(), VecDeque::new());
        parser.read(b"retry: 1500\n\n", &mut ready);
        let event = ready.pop_front().unwrap();
        assert_eq!(event.retry, Some(Duration::from_millis(1500)));
    }
}
