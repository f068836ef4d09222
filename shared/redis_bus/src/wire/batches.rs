//! Writes to streams in groups that one run of a script carries: Redis serves nobody else meanwhile.

use prynai_bus::ids::StreamId;
use prynai_bus::wire::WireError;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{Append, Finish};

use crate::connection::budget::LARGE;
use crate::wire::lines;

/// Streams that one run of a script writes to at most.
const STREAMS: usize = 64;

/// Bytes of events that it carries; a stream with more of them has a run of its own.
const BYTES: usize = LARGE / 2;

/// What is written to one stream.
pub(crate) trait StreamWrite {
    /// The stream.
    fn stream(&self) -> StreamId;

    /// What is written, in order.
    fn events(&self) -> impl Iterator<Item = &StreamEvent> + Clone;
}

/// Writes that go together.
pub(crate) struct Batch<'a, W> {
    pub(crate) writes: &'a [W],
    /// Of each event of each write, its line.
    pub(crate) lines: Vec<String>,
    bytes: usize,
}

/// Cuts writes into groups, in their order.
pub(crate) struct Batches<'a, W> {
    writes: &'a [W],
    /// The lines of the first write, which had no room in the group before.
    next: Vec<String>,
}

impl StreamWrite for Append {
    fn stream(&self) -> StreamId {
        self.ownership.stream
    }

    fn events(&self) -> impl Iterator<Item = &StreamEvent> + Clone {
        self.events.iter()
    }
}

impl StreamWrite for Finish {
    fn stream(&self) -> StreamId {
        self.ownership.stream
    }

    fn events(&self) -> impl Iterator<Item = &StreamEvent> + Clone {
        self.earlier.iter().chain(&self.event)
    }
}

impl<'a, W: StreamWrite> Batches<'a, W> {
    /// The groups of `writes`.
    pub(crate) fn of(writes: &'a [W]) -> Self {
        let next = Vec::new();
        Self { writes, next }
    }

    /// The next group; `None` when there is none.
    ///
    /// # Errors
    ///
    /// When an event cannot be written as JSON.
    pub(crate) fn next(&mut self) -> Result<Option<Batch<'a, W>>, WireError> {
        let mut lines = std::mem::take(&mut self.next);
        let mut bytes = size(&lines);
        let mut count = usize::from(!lines.is_empty());
        while count < self.writes.len().min(STREAMS) {
            let known = lines.len();
            for event in self.writes[count].events() {
                lines.push(lines::event(event)?);
            }
            let more = size(&lines[known..]);
            if count > 0 && bytes + more > BYTES {
                self.next = lines.split_off(known);
                break;
            }
            bytes += more;
            count += 1;
        }
        let (writes, rest) = self.writes.split_at(count);
        self.writes = rest;
        Ok((count > 0).then_some(Batch {
            writes,
            lines,
            bytes,
        }))
    }
}

impl<W: StreamWrite> Batch<'_, W> {
    /// What is published instead of the events.
    pub(crate) fn news(&self) -> Result<Option<String>, WireError> {
        match self.writes {
            [only] => lines::news(only.stream(), self.bytes),
            _ => Ok(None),
        }
    }
}

fn size(lines: &[String]) -> usize {
    lines.iter().map(String::len).sum()
}

#[cfg(test)]
mod tests {
    use prynai_bus::Ownership;
    use prynai_bus::ids::{GatewayId, WorkerId};
    use prynai_bus::wire::event::EventKind;
    use prynai_bus::wire::message::RawJson;
    use prynai_bus::wire::request::Era;

    use super::*;

    /// Of a stream of its own, events of so many bytes.
    fn append(sizes: &[usize]) -> Append {
        let stream = StreamId::generate();
        let event = |(offset, size): (u64, &usize)| {
            let text = RawJson::from_value(&"x".repeat(*size)).unwrap();
            StreamEvent::new(stream, offset, EventKind::Message, text)
        };
        Append {
            events: (1..).zip(sizes).map(event).collect(),
            ownership: Ownership {
                request_id: None,
                stream,
                entry: "1-1".into(),
                worker: WorkerId::generate(),
                delivery: 1,
                holder: GatewayId::generate(),
                session: None,
                era: Era::Modern,
            },
        }
    }

    /// Writes and lines of each group, and whether only news of it are published.
    fn groups(writes: &[Append]) -> Vec<(usize, usize, bool)> {
        let mut batches = Batches::of(writes);
        let mut groups = Vec::new();
        while let Some(batch) = batches.next().unwrap() {
            let expected = batch.writes.iter().flat_map(|write| write.events());
            let expected: Vec<_> = expected.map(|e| lines::event(e).unwrap()).collect();
            assert_eq!(batch.lines, expected);
            let is_news = batch.news().unwrap().is_some();
            groups.push((batch.writes.len(), batch.lines.len(), is_news));
        }
        groups
    }

    #[test]
    fn a_group_has_a_bound_and_what_is_large_is_alone() {
        assert_eq!(groups(&[]), []);
        let many: Vec<_> = (0..STREAMS + 1).map(|_| append(&[1, 1])).collect();
        assert_eq!(
            groups(&many),
            [(STREAMS, 2 * STREAMS, false), (1, 2, false)]
        );
        let line = lines::event(&append(&[1]).events[0]).unwrap().len();
        // With two small ones as much as goes together.
        let most = BYTES - 3 * line;
        let writes = [
            [1].as_slice(),
            &[most, 2],
            &[3],
            &[most],
            &[LARGE],
            &[4],
            &[5],
        ];
        let expected = [(2, 3, false), (2, 2, false), (1, 1, true), (2, 2, false)];
        assert_eq!(groups(&writes.map(append)), expected);
    }
}
