//! The only writer to one stream.

use std::sync::Arc;

use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::{Refusal, TakeOver};

use crate::call::call_bus::CallBus;
use crate::call::event_shares::CallEvents;
use crate::call::running::Stop;

/// Numbers the events of one stream and appends them, one at a time.
pub(crate) struct EventWriter {
    bus: CallBus,
    /// What the caller may still have; without a bound when there is none.
    events: Option<Arc<CallEvents>>,
    next: u64,
    full: bool,
}

impl EventWriter {
    /// A writer that has written nothing yet.
    pub(crate) fn new(bus: CallBus) -> Self {
        Self {
            bus,
            events: None,
            next: 1,
            full: false,
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

    /// Makes a redelivered claim the owner of its stream.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn take_over(&mut self) -> Result<(), Stop> {
        match self.bus.take_over().await? {
            TakeOver::Taken { newest } => self.next = newest + 1,
            // Either way the entry is removed without a word: that is what a cancel does.
            TakeOver::Refused(Refusal::Cancelled | Refusal::Finished) => {
                return Err(Stop::Cancelled);
            }
            TakeOver::Refused(Refusal::LostOwnership | Refusal::LogFull) => {
                return Err(Stop::Lost);
            }
        }
        Ok(())
    }

    /// Whether the stream holds events, of this attempt or an earlier one.
    pub(crate) fn has_written(&self) -> bool {
        self.next > 1
    }

    /// Writes a notification or a question; `false` when the log takes no more of them.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn append(&mut self, message: RawJson) -> Result<bool, Stop> {
        let stream = self.bus.ownership().stream;
        self.write(StreamEvent::new(
            stream,
            self.next,
            EventKind::Message,
            message,
        ))
        .await
    }

    /// Lets the client's connection be closed.
    ///
    /// # Errors
    ///
    /// Why the call must end.
    pub(crate) async fn pause(&mut self) -> Result<bool, Stop> {
        let pause = StreamEvent::pause(self.bus.ownership().stream, self.next);
        self.write(pause).await
    }

    async fn write(&mut self, event: StreamEvent) -> Result<bool, Stop> {
        if self.full {
            return Ok(false);
        }
        let stream = self.bus.ownership().stream;
        let bytes = event.message.as_ref().map_or(0, |m| m.as_str().len());
        if self
            .events
            .as_ref()
            .is_some_and(|events| !events.take(bytes))
        {
            tracing::warn!(
                %stream,
                events = self.next - 1,
                "the calls of this caller have as many bytes of events as --caller-kept allows; further notifications \
                 of this call are dropped, its response is not"
            );
            self.full = true;
            return Ok(false);
        }
        match self.bus.append(&event).await? {
            Ok(()) => self.next += 1,
            Err(Refusal::LogFull) => {
                tracing::warn!(
                    %stream,
                    events = self.next - 1,
                    "the event log of this call is full; its further notifications are dropped, its response is not"
                );
                self.full = true;
            }
            Err(Refusal::Cancelled) => return Err(Stop::Cancelled),
            Err(Refusal::LostOwnership | Refusal::Finished) => return Err(Stop::Lost),
        }
        Ok(!self.full)
    }

    /// The event that ends the stream; the finisher writes it.
    pub(crate) fn final_event(&self, message: RawJson) -> StreamEvent {
        StreamEvent::new(
            self.bus.ownership().stream,
            self.next,
            EventKind::Final,
            message,
        )
    }
}
