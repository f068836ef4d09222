//! The way of log lines to their reader. Whoever logs never waits: a thread does, and when the queue before
//! it is full, lines are lost and counted.

use std::io::{self, ErrorKind, Write};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tracing_subscriber::fmt::MakeWriter;

use super::LogFormat;
use super::line::line;
use super::repeats::{Repeated, Repeats};
use crate::metrics::Counter;

/// Most bytes of lines that wait. As much again may be on its way out.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// What a line costs besides its text, in bytes.
const LINE_OVERHEAD: usize = size_of::<usize>();

/// How long a process that ends waits for the reader of its log.
const LAST_LINES: Duration = Duration::from_millis(500);

/// How long the writer rests after it has written. Under load it is then woken a hundred times a second, and not for
/// each line.
const REST: Duration = Duration::from_millis(10);

/// Bytes that are written at once, but for a line that is longer.
const TOGETHER: usize = 64 * 1024;

/// Pause before a pipe that is full, and that does not make us wait, is tried again.
const FULL_PAUSE: Duration = Duration::from_millis(20);

/// Where lines wait. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct LogQueue(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    lost: Option<Lost>,
}

/// Where lines that are lost are counted.
#[derive(Debug)]
pub(super) struct Lost {
    /// Those that found no room.
    pub(super) queue_full: Counter,
    /// Those that could not be written.
    pub(super) not_taken: Counter,
}

#[derive(Debug, Default)]
struct State {
    /// Whole lines, one after the other.
    text: Vec<u8>,
    /// Where each of them ends.
    ends: Vec<usize>,
    lost: u64,
    repeats: Repeats,
    /// The writer waits for something to write, and must be woken for it.
    idle: bool,
    /// The writer has taken lines that it has not written yet.
    writing: bool,
    /// Somebody waits until everything is written, repetitions included.
    flushing: bool,
}

/// What the writer takes at a time.
#[derive(Default)]
struct Batch {
    text: Vec<u8>,
    ends: Vec<usize>,
    lost: u64,
    repeated: Vec<Repeated>,
}

/// Takes the text of one line.
pub(super) struct OneLine<'a>(&'a LogQueue);

// === impl LogQueue ===

impl LogQueue {
    /// A queue whose lines a new thread writes to `output`.
    ///
    /// # Errors
    ///
    /// When there is no thread.
    pub(super) fn start(
        format: LogFormat,
        output: impl Write + Send + 'static,
    ) -> io::Result<Self> {
        Self::start_counting(format, output, None)
    }

    /// The same, for lines that are to be counted if they are lost.
    ///
    /// # Errors
    ///
    /// When there is no thread.
    pub(super) fn start_counting(
        format: LogFormat,
        output: impl Write + Send + 'static,
        lost: Option<Lost>,
    ) -> io::Result<Self> {
        let queue = Self(Arc::new(Shared {
            lost,
            ..Shared::default()
        }));
        let writer = queue.clone();
        // Nobody joins it: it may wait for a reader for ever.
        std::thread::Builder::new()
            .name("log".to_owned())
            .spawn(move || writer.write_to(output, format))?;
        Ok(queue)
    }

    /// Waits until everything is written, but not for long.
    pub(super) fn flush(&self) {
        let mut state = self.lock();
        state.flushing = true;
        self.0.changed.notify_all();
        let unwritten = |state: &mut State| state.writing || !state.is_written();
        let waited = self
            .0
            .changed
            .wait_timeout_while(state, LAST_LINES, unwritten);
        let (mut state, _) = waited.unwrap_or_else(PoisonError::into_inner);
        state.flushing = false;
    }

    /// Counts an event that repeats; whether it is to be written nevertheless, as the first of its kind.
    pub(super) fn is_first(&self, event: Repeated) -> bool {
        let mut state = self.lock();
        let first = state.repeats.is_first(event, Instant::now());
        if first {
            // The writer must know when to look for those that follow.
            self.0.changed.notify_all();
        }
        first
    }

    /// Adds a line that has no end yet.
    pub(super) fn push_line(&self, line: &str) {
        self.push_parts([line.as_bytes(), b"\n"]);
    }

    fn push(&self, line: &[u8]) {
        self.push_parts([line, b""]);
    }

    fn push_parts(&self, line: [&[u8]; 2]) {
        let mut state = self.lock();
        let length = line[0].len() + line[1].len();
        let bytes = state.text.len() + length + (state.ends.len() + 1) * LINE_OVERHEAD;
        if bytes > MAX_BYTES {
            state.lost += 1;
            if let Some(counted) = &self.0.lost {
                counted.queue_full.inc();
            }
        } else {
            state.text.extend_from_slice(line[0]);
            state.text.extend_from_slice(line[1]);
            let end = state.text.len();
            state.ends.push(end);
        }
        if std::mem::take(&mut state.idle) {
            self.0.changed.notify_all();
        }
    }

    fn write_to(&self, mut output: impl Write, format: LogFormat) {
        let mut lost = 0;
        let mut batch = Batch::default();
        loop {
            batch = self.take(batch);
            for (lines, count) in batch.pieces() {
                if write_all(&mut output, lines).is_err() {
                    lost += count;
                    if let Some(counted) = &self.0.lost {
                        counted.not_taken.inc_by(count);
                    }
                }
            }
            for repeated in &batch.repeated {
                let line = repeated.line(format);
                lost += u64::from(write_all(&mut output, line.as_bytes()).is_err());
            }
            lost += batch.lost;
            if lost > 0 && write_all(&mut output, lost_line(lost, format).as_bytes()).is_ok() {
                lost = 0;
            }
            self.rest();
        }
    }

    /// Lets lines gather, unless somebody waits for them.
    fn rest(&self) {
        let mut state = self.lock();
        state.writing = false;
        self.0.changed.notify_all();
        let nobody_waits = |state: &mut State| !state.flushing;
        let rested = self.0.changed.wait_timeout_while(state, REST, nobody_waits);
        drop(rested);
    }

    /// Waits for something to write. Gets the memory of what was written back.
    fn take(&self, written: Batch) -> Batch {
        let Batch {
            mut text, mut ends, ..
        } = written;
        text.clear();
        ends.clear();
        text.shrink_to(TOGETHER);
        ends.shrink_to(TOGETHER);
        let mut state = self.lock();
        loop {
            let due = state.repeats.due_in(Instant::now());
            let now = state.flushing || due.is_some_and(|due| due.is_zero());
            let repeated = if now {
                state.repeats.take()
            } else {
                Vec::new()
            };
            if !repeated.is_empty() || !state.ends.is_empty() || state.lost > 0 {
                state.writing = true;
                state.idle = false;
                return Batch {
                    text: std::mem::replace(&mut state.text, text),
                    ends: std::mem::replace(&mut state.ends, ends),
                    lost: std::mem::take(&mut state.lost),
                    repeated,
                };
            }
            let changed = &self.0.changed;
            state.idle = true;
            state = match due.filter(|_| !now) {
                Some(due) => {
                    let waited = changed.wait_timeout(state, due);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => changed.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn is_written(&self) -> bool {
        self.ends.is_empty() && self.lost == 0 && self.repeats.is_empty()
    }
}

impl Batch {
    /// Its lines in pieces that are written at once, and how many lines each has.
    fn pieces(&self) -> impl Iterator<Item = (&[u8], u64)> {
        let mut rest = &self.ends[..];
        let mut begin = 0;
        std::iter::from_fn(move || {
            let first = *rest.first()?;
            let fit = rest.partition_point(|end| *end <= begin + TOGETHER).max(1);
            let end = rest.get(fit - 1).copied().unwrap_or(first);
            let piece = (&self.text[begin..end], fit as u64);
            (begin, rest) = (end, &rest[fit..]);
            Some(piece)
        })
    }
}

impl<'a> MakeWriter<'a> for LogQueue {
    type Writer = OneLine<'a>;

    fn make_writer(&'a self) -> Self::Writer {
        OneLine(self)
    }
}

impl Write for OneLine<'_> {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.0.push(line);
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// As [`Write::write_all`], also to a pipe that another process has made non-blocking.
fn write_all(output: &mut impl Write, mut text: &[u8]) -> io::Result<()> {
    while !text.is_empty() {
        match output.write(text) {
            Ok(0) => return Err(ErrorKind::WriteZero.into()),
            Ok(written) => text = &text[written..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => std::thread::sleep(FULL_PAUSE),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

fn lost_line(lost: u64, format: LogFormat) -> String {
    let message = format!("{lost} lines lost: the log was not read as fast as it was written");
    let target = module_path!();
    line(format, "WARN", target, &message, &[("lines", lost.into())])
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

    use super::*;

    /// Blocks like a pipe that holds no byte.
    struct Pipe(SyncSender<Vec<u8>>);

    impl Write for Pipe {
        fn write(&mut self, text: &[u8]) -> io::Result<usize> {
            let sent = self.0.send(text.to_vec());
            sent.map_err(|_| ErrorKind::BrokenPipe)?;
            Ok(text.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn pipe() -> (LogQueue, Receiver<Vec<u8>>) {
        let (writer, reader) = sync_channel(0);
        let queue = LogQueue::start(LogFormat::Json, Pipe(writer)).expect("starts");
        (queue, reader)
    }

    #[test]
    fn a_reader_that_stops_holds_up_nobody_and_is_told_how_much_it_missed() {
        let (queue, reader) = pipe();
        let line = [b"x".repeat(1023), b"\n".to_vec()].concat();
        let room = MAX_BYTES / (line.len() + LINE_OVERHEAD);
        for _ in 0..3 * room {
            queue.push(&line);
        }
        queue.flush();
        let (mut read, mut lost) = (0, 0);
        while read + lost < 3 * room as u64 {
            let text = reader.recv().expect("is written");
            assert!(text.len() <= TOGETHER);
            for text in text.split_inclusive(|byte| *byte == b'\n') {
                if text == line {
                    read += 1;
                    continue;
                }
                let told: serde_json::Value = serde_json::from_slice(text).expect("is JSON");
                assert_eq!(told["level"], "WARN");
                lost += told["lines"].as_u64().expect("is a number");
            }
        }
        assert!(lost > 0 && read >= room as u64, "{read} read, {lost} lost");
        queue.push(b"and on it goes\n");
        assert_eq!(reader.recv().expect("is written"), b"and on it goes\n");
    }

    #[test]
    fn what_cannot_be_written_is_told_once_it_can() {
        struct Full(u32, SyncSender<Vec<u8>>);
        impl Write for Full {
            fn write(&mut self, text: &[u8]) -> io::Result<usize> {
                if self.0 > 0 {
                    self.0 -= 1;
                    return Err(ErrorKind::StorageFull.into());
                }
                let sent = self.1.send(text.to_vec());
                sent.map(|()| text.len())
                    .map_err(|_| ErrorKind::BrokenPipe.into())
            }
            fn flush(&mut self) -> io::Result<()> {
                Ok(())
            }
        }
        let (writer, reader) = sync_channel(9);
        // The line, and the one that would say so.
        let queue = LogQueue::start(LogFormat::Text, Full(2, writer)).expect("starts");
        queue.push(b"lost\n");
        queue.flush();
        queue.push(b"written\n");
        assert_eq!(reader.recv().expect("is written"), b"written\n");
        let told = String::from_utf8(reader.recv().expect("is written")).expect("is text");
        assert!(told.contains(" WARN 1 lines lost"), "{told}");
    }

    #[test]
    fn lines_that_gathered_are_written_together_and_none_is_torn() {
        let mut batch = Batch::default();
        let lengths = [1, TOGETHER - 1, 5, 3 * TOGETHER, 2, 2];
        for length in lengths {
            batch.text.extend(b"x".repeat(length));
            batch.ends.push(batch.text.len());
        }
        let pieces: Vec<_> = batch.pieces().map(|(text, n)| (text.len(), n)).collect();
        let expected = [(TOGETHER, 2), (5, 1), (3 * TOGETHER, 1), (4, 2)];
        assert_eq!(pieces, expected);
        assert_eq!(Batch::default().pieces().count(), 0);
    }

    #[test]
    fn what_was_logged_last_is_written_before_the_end() {
        let (queue, reader) = pipe();
        let reading = std::thread::spawn(move || reader.recv());
        queue.push(b"the last\n");
        queue.flush();
        assert!(queue.lock().is_written());
        let read = reading.join().expect("reads").expect("is written");
        assert_eq!(read, b"the last\n");
    }
}
