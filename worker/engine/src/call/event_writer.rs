//! The only writer to one stream.

use std::sync::Arc;

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::{Promotion, TaskBirth};
use prynai_bus::{Refusal, TakeOver, TaskPart};

use crate::call::call_bus::CallBus;
use crate::call::ending::LARGE;
use crate::call::event_queue::{Writing, Written, fit, has_room, together};
use crate::call::event_shares::CallEvents;
use crate::call::running::Stop;

/// Bytes of events that a task does not count: there are only as many tasks as there may be.
const SMALL: usize = 4 * 1024;

/// Numbers the events of one stream. Those that are ready together are written together, one write after the other.
pub(crate) struct EventWriter {
    bus: CallBus,
    /// What the caller may still have; without a bound when there is none.
    events: Option<Arc<CallEvents>>,
    next: u64,
    /// The stream is that of a task.
    is_task: bool,
    full: bool,
    /// Bytes of the events.
    bytes: usize,
    /// Events that are not on their way yet.
    ready: Vec<StreamEvent>,
    writing: Option<Writing>,
}

/// What ends a stream.
pub(crate) struct LastEvents {
    /// Events right before the final one that are not in the log yet.
    pub(crate) earlier: Vec<StreamEvent>,
    pub(crate) event: StreamEvent,
    /// They end a task.
    pub(crate) of_task: bool,
}

impl LastEvents {
    /// The response that it ends with, if it has one.
    pub(crate) fn response(&self) -> Option<&RawJson> {
        self.event.message.as_ref()
    }
}

impl EventWriter {
    /// A writer that has written nothing yet.
    pub(crate) fn new(bus: CallBus) -> Self {
        Self {
            bus,
            events: None,
            next: 1,
            is_task: false,
            full: false,
            bytes: 0,
            ready: Vec::new(),
            writing: None,
        }
    }

    /// The writer, which drops notifications that the caller's share has no room for.
    pub(crate) fn within(self, events: Arc<CallEvents>) -> Self {
        Self {
            events: Some(events),
            ..self
        }
    }

    /// The bus that it writes to.
    pub(crate) fn bus(&self) -> &CallBus {
        &self.bus
    }

    /// Makes a redelivered claim the owner of its stream, and says what is known of the task if the call is one.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn take_over(&mut self) -> Result<Option<TaskBirth>, Stop> {
        match self.bus.take_over().await? {
            TakeOver::Taken { newest, task } => {
                self.next = newest + 1;
                self.is_task = task.is_some();
                Ok(task)
            }
            // Either way the entry is removed without a word: that is what a cancel does.
            TakeOver::Refused(Refusal::Cancelled | Refusal::Finished) => Err(Stop::Cancelled),
            TakeOver::Refused(Refusal::LostOwnership | Refusal::LogFull) => Err(Stop::Lost),
        }
    }

    /// Whether the stream holds events, of this attempt or an earlier one.
    pub(crate) fn has_written(&self) -> bool {
        self.next > 1
    }

    /// Whether it takes another event now. If not, it does once something is written.
    pub(crate) fn has_room(&self) -> bool {
        has_room(&self.ready) && self.writing.as_ref().is_none_or(Writing::has_room)
    }

    /// Takes a notification or a question, for [`EventWriter::write`] to send on its way.
    pub(crate) fn put(&mut self, message: RawJson) {
        let stream = self.bus.ownership().stream;
        let kind = EventKind::Message;
        self.take(StreamEvent::new(stream, self.next, kind, message));
    }

    /// Lets the client's connection be closed, once everything before that is written.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn pause(&mut self) -> Result<(), Stop> {
        self.take(StreamEvent::pause(self.bus.ownership().stream, self.next));
        self.flush().await.map(drop)
    }

    /// Makes a task of the call, with the next event as the response that names it: after all that was said before.
    /// `None` when it becomes none. The message of its request has so many bytes.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn promote(
        &mut self,
        request_bytes: usize,
        promotion: impl FnOnce(u64) -> Option<Promotion>,
    ) -> Result<Option<TaskBirth>, Stop> {
        self.flush().await?;
        let Some(promotion) = promotion(self.next) else {
            return Ok(None);
        };
        let (share, stream) = (&promotion.share, promotion.event.stream);
        if !self.has_room_for(&promotion, request_bytes).await? {
            tracing::warn!(
                %stream,
                "as many bytes are kept for this caller as --caller-kept allows, so this call does not become a task"
            );
            return Ok(None);
        }
        match self.bus.promote(&promotion).await? {
            Ok(()) => {
                if self.bus.tasks_full().clear() {
                    tracing::info!("calls become tasks again");
                }
                self.next += 1;
                self.is_task = true;
                Ok(Some(promotion.birth))
            }
            Err(Refusal::Cancelled) => {
                self.bus.ports().forget_task(share, &stream).await;
                Err(Stop::Cancelled)
            }
            Err(Refusal::LostOwnership | Refusal::Finished) => Err(Stop::Lost),
            Err(Refusal::LogFull) => {
                self.bus.ports().forget_task(share, &stream).await;
                if self.bus.tasks_full().raise() {
                    tracing::warn!(%stream, "there are as many tasks as there may be, so this call and others do not become any");
                }
                Ok(None)
            }
        }
    }

    /// Counts what the call keeps as a task; `false` if there is no room for that.
    async fn has_room_for(
        &self,
        promotion: &Promotion,
        request_bytes: usize,
    ) -> Result<bool, Stop> {
        let (share, life) = (&promotion.share, promotion.life());
        let keep = |part, bytes| self.bus.keep(share, part, bytes, life);
        if self.bytes > SMALL && !keep(TaskPart::Events, self.bytes).await? {
            return Ok(false);
        }
        keep(TaskPart::Body, request_bytes).await
    }

    fn take(&mut self, event: StreamEvent) {
        if self.full {
            return;
        }
        let bytes = event.message.as_ref().map_or(0, |m| m.as_str().len());
        if self
            .events
            .as_ref()
            .is_some_and(|events| !events.take(bytes))
        {
            tracing::warn!(
                stream = %event.stream,
                events = self.next - 1,
                "the calls of this caller have as many bytes of events as --caller-kept allows; further notifications \
                 of this call are dropped, its response is not"
            );
            self.full = true;
            return;
        }
        self.bytes += bytes;
        self.ready.push(event);
        self.next += 1;
    }

    /// Sends what is ready on its way, if it can go now.
    pub(crate) fn send(&mut self) {
        if self.ready.is_empty() {
            return;
        }
        if let Some(writing) = &self.writing {
            return writing.join(&mut self.ready);
        }
        let rest = self.ready.split_off(together(&self.ready));
        let events = std::mem::replace(&mut self.ready, rest);
        self.writing = Some(self.bus.begin_append(events));
    }

    /// Sends what is ready on its way, and waits for the end of the write that is under way, for ever if none is:
    /// [`EventWriter::settle`] has to hear of it. May be dropped and called again without loss.
    pub(crate) async fn write(&mut self) -> Written {
        self.send();
        match &mut self.writing {
            Some(writing) => writing.written().await,
            None => std::future::pending().await,
        }
    }

    /// Notes what became of a write, and repeats it if the bus was away.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn settle(&mut self, written: Written) -> Result<(), Stop> {
        self.writing = None;
        let Written { events, outcome } = written;
        let appended = match outcome {
            Ok(appended) => appended,
            Err(_) => self.bus.append(&events).await?,
        };
        match appended {
            Err(Refusal::LogFull) if events.len() > 1 => {
                // There may be room for some of them.
                for event in &events {
                    let alone = self.bus.append(std::slice::from_ref(event)).await?;
                    self.note(event.offset, alone)?;
                    if alone.is_err() {
                        break;
                    }
                }
                Ok(())
            }
            appended => self.note(events.first().map_or(self.next, |e| e.offset), appended),
        }
    }

    fn note(&mut self, first: u64, appended: Result<(), Refusal>) -> Result<(), Stop> {
        match appended {
            Ok(()) => Ok(()),
            Err(Refusal::LogFull) => {
                tracing::warn!(
                    stream = %self.bus.ownership().stream,
                    events = first - 1,
                    "the event log of this call is full; its further notifications are dropped, its response is not"
                );
                self.full = true;
                self.next = first;
                self.ready.clear();
                Ok(())
            }
            Err(Refusal::Cancelled) => Err(Stop::Cancelled),
            Err(Refusal::LostOwnership | Refusal::Finished) => Err(Stop::Lost),
        }
    }

    /// Writes all that is ready; `false` when the log takes no more events.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn flush(&mut self) -> Result<bool, Stop> {
        while self.writing.is_some() || !self.ready.is_empty() {
            self.await_write().await?;
        }
        Ok(!self.full)
    }

    async fn await_write(&mut self) -> Result<(), Stop> {
        let controls = self.bus.controls().clone();
        let written = tokio::select! {
            biased;
            reason = controls.stopped() => return Err(reason),
            written = self.write() => written,
        };
        self.settle(written).await
    }

    /// The events that end the stream; the finisher writes them together.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn end(&mut self, message: RawJson) -> Result<LastEvents, Stop> {
        if let Some(mut events) = self.writing.as_ref().and_then(Writing::take_back) {
            events.append(&mut self.ready);
            self.ready = events;
            self.writing = None;
        }
        if self.writing.is_some() {
            self.await_write().await?;
        }
        // A large response takes its time; they shall not wait for it.
        if message.as_str().len() > LARGE || !fit(&self.ready) {
            self.flush().await?;
        }
        Ok(LastEvents {
            earlier: std::mem::take(&mut self.ready),
            event: self.final_event(message),
            of_task: self.is_task,
        })
    }

    /// Whether the stream is that of a task.
    pub(crate) fn is_task(&self) -> bool {
        self.is_task
    }

    /// The event that ends a stream to which nothing else is to be written.
    pub(crate) fn final_event(&self, message: RawJson) -> StreamEvent {
        StreamEvent::new(
            self.bus.ownership().stream,
            self.next,
            EventKind::Final,
            message,
        )
    }
}
