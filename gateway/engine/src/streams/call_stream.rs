//! The answer to a call: one JSON body, or a stream of events.

use std::time::Duration;

use axum::http::StatusCode;
use axum::response::Response;
use bytes::Bytes;
use prynai_bus::BusError;
use prynai_bus::ids::SessionId;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::response::error_code;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::admission::Permit;
use crate::metrics::operations::Outcome;
use crate::operation::Measurement;
use crate::refusal::{RequestError, status_of_modern_error};
use crate::streams::canceller::CancelOnDrop;
use crate::streams::event_id::EventId;
use crate::streams::event_stream::{
    EventSource, RETRY_MS, Step, Wait, event_stream, last_of_stream,
};
use crate::streams::hub::{Broken, HeldStream};
use crate::streams::lifetime::{Closing, Lifetime};
use crate::streams::outcome::outcome;
use crate::streams::respond::{accepted, json_response, sse_response};
use crate::streams::session_use::SessionUse;
use crate::streams::sse;

/// Bytes of events that are sent together; the last of them may go beyond.
const TOGETHER: usize = 64 * 1024;

/// The answer to one call, on its way to the client.
pub(crate) struct CallStream {
    events: CallEvents,
    lifetime: Lifetime,
}

/// The events of one call.
struct CallEvents {
    held: HeldStream,
    /// The client's request id, when it is known (a resumed stream does not name it).
    request_id: Option<RawJson>,
    /// Modern only.
    cancel: Option<CancelOnDrop>,
    era: Era,
    /// The client has an event id to resume from.
    resumable: bool,
    /// Legacy only: an open stream is use of its session.
    session: Option<SessionUse>,
    /// How long it takes; a resumed stream does not know when its call arrived.
    operation: Option<Measurement>,
    /// The caller's, until the last event is delivered or the client is gone.
    _permit: Permit,
}

// === impl CallStream ===

impl CallStream {
    /// The answer to a request for itself: `cancel` says what a broken connection does.
    pub(crate) fn modern(
        held: HeldStream,
        lifetime: Lifetime,
        permit: Permit,
        request_id: Option<RawJson>,
        cancel: Option<CancelOnDrop>,
        operation: Measurement,
    ) -> Self {
        let events = CallEvents {
            held,
            request_id,
            cancel,
            era: Era::Modern,
            resumable: false,
            session: None,
            operation: Some(operation),
            _permit: permit,
        };
        Self { events, lifetime }
    }

    /// The answer to a request of a session, to the connection that brought it.
    pub(crate) fn legacy(
        held: HeldStream,
        lifetime: Lifetime,
        permit: Permit,
        request_id: RawJson,
        session: SessionUse,
        operation: Measurement,
    ) -> Self {
        let events = CallEvents {
            held,
            request_id: Some(request_id),
            cancel: None,
            era: Era::Legacy,
            resumable: false,
            session: Some(session),
            operation: Some(operation),
            _permit: permit,
        };
        Self { events, lifetime }
    }

    /// The rest of such an answer, to a client that has come back for it.
    pub(crate) fn resumed(
        held: HeldStream,
        lifetime: Lifetime,
        permit: Permit,
        session: SessionUse,
    ) -> Self {
        let events = CallEvents {
            held,
            request_id: None,
            cancel: None,
            era: Era::Legacy,
            resumable: true,
            session: Some(session),
            operation: None,
            _permit: permit,
        };
        Self { events, lifetime }
    }

    /// The next event, as [`HeldStream::next`].
    pub(crate) async fn next(&mut self) -> Option<Result<StreamEvent, Broken>> {
        self.events.held.next().await
    }

    /// Makes the log exist, as [`HeldStream::open_log`].
    pub(crate) async fn open_log(&mut self) -> Result<(), BusError> {
        self.events.held.open_log(self.events.era).await
    }

    /// The empty event from which a client may resume before there was any other (2025-11-25, Transports, Sending
    /// Messages, point 6).
    pub(crate) fn priming_event(&mut self) -> Bytes {
        self.events.resumable = true;
        let id = EventId::Call {
            stream: self.events.held.id(),
            offset: 0,
        };
        sse::event(Some(&id.to_string()), Some(RETRY_MS), "")
    }

    /// The longest silence.
    pub(crate) fn keep_alive(&self) -> Duration {
        self.lifetime.keep_alive()
    }

    /// The client's request id, when it is known.
    pub(crate) fn request_id(&self) -> Option<RawJson> {
        self.events.request_id.clone()
    }

    /// The session that it is use of.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        let session = self.events.session.as_ref();
        session.map(|session| session.session().clone())
    }

    /// The refusal that its client gets instead.
    pub(crate) fn refused(mut self, error: RequestError) -> RequestError {
        self.events.ended(Outcome::Error(error.code().into()));
        error
    }

    /// The same, for why it has no more events.
    pub(crate) fn broken(mut self, broken: &Broken) -> RequestError {
        self.events.broken(broken)
    }

    /// The stream as server-sent events, after the frames in `first`.
    pub(crate) fn into_sse(self, first: Vec<Bytes>) -> Response {
        event_stream(self.events, self.lifetime, first)
    }

    /// The stream as server-sent events, after the frames in `opening`, when its `first` event has
    /// come already.
    pub(crate) fn into_sse_from(
        mut self,
        mut opening: Vec<Bytes>,
        first: &StreamEvent,
    ) -> Response {
        match self.events.steps(first) {
            Step::Frame(frame) => opening.push(frame),
            Step::Frames(frames) => opening.extend(frames),
            Step::Last(frame) => {
                opening.push(frame);
                return last_of_stream(self.events, self.lifetime, opening);
            }
            Step::End => return last_of_stream(self.events, self.lifetime, opening),
        }
        self.into_sse(opening)
    }

    /// The final response as one JSON body, for a client that takes no event stream: it hears nothing of what comes
    /// before, and a question that it cannot hear ends the wait.
    pub(crate) async fn into_json_alone(
        mut self,
        first: Option<StreamEvent>,
    ) -> Result<Response, RequestError> {
        let mut next = first;
        let broken = loop {
            match next.take() {
                Some(event) if event.kind == EventKind::Cancelled => {
                    self.into_json(&event);
                    return Ok(accepted());
                }
                Some(event) if event.ends_stream() => return Ok(self.into_json(&event)),
                Some(event) if is_question(&event) => {
                    let events = "text/event-stream, since this call asks its client something";
                    return Err(self.refused(RequestError::NotAcceptable(events)));
                }
                _ => {}
            }
            let quiet = self.events.quiet(self.lifetime.keep_alive()).await;
            tokio::select! {
                next_one = self.events.held.next() => match next_one {
                    Some(Ok(event)) => next = Some(event),
                    Some(Err(broken)) => break broken,
                    None => break Broken::Lost,
                },
                () = tokio::time::sleep(quiet) => {}
                () = self.lifetime.aborted() => break Broken::Lost,
            }
        };
        Err(self.broken(&broken))
    }

    /// The final event as one JSON body. The client cannot resume it, so its log is released.
    pub(crate) fn into_json(self, event: &StreamEvent) -> Response {
        let mut events = self.events;
        events.delivered(event);
        if events.era == Era::Legacy {
            events.held.release();
        }
        match (event.kind, &event.message) {
            (EventKind::Final | EventKind::Task, Some(message)) => {
                let status = match events.era {
                    Era::Legacy => StatusCode::OK,
                    Era::Modern => modern_status(message),
                };
                json_response(status, message.as_str().to_owned())
            }
            // A cancelled request gets no response (2025-11-25, Cancellation): an empty stream.
            _ => sse_response(futures::stream::empty()),
        }
    }
}

// === impl CallEvents ===

impl EventSource for CallEvents {
    type News = Option<Result<StreamEvent, Broken>>;

    async fn prepare(&mut self, keep_alive: Duration) -> Option<Wait> {
        let quiet_until = Instant::now() + self.quiet(keep_alive).await;
        Some(Wait {
            quiet_until,
            closing: Closing {
                // Before 2025-11-25 a stream should stay open until its response (Transports, Sending Messages,
                // point 6), and clients that know no better wait for ever for one that ends before.
                by_age: self.resumable && self.held.client_comes_back(),
                // What was let in may be answered.
                by_expiry: false,
                by_stop: self.resumable,
            },
        })
    }

    async fn next(&mut self) -> Self::News {
        self.held.next().await
    }

    async fn tell(&mut self, news: Self::News) -> Step {
        match news {
            Some(Ok(event)) => self.steps(&event),
            Some(Err(Broken::Replaced)) | None => Step::End,
            Some(Err(broken @ (Broken::Lost | Broken::TaskNotSettled))) => {
                let error = self.broken(&broken);
                match &self.request_id {
                    Some(id) => Step::Last(sse::event(None, None, &error.to_json_rpc(Some(id)))),
                    None => Step::End,
                }
            }
        }
    }

    fn farewell(&mut self) -> Bytes {
        sse::retry(RETRY_MS)
    }
}

impl CallEvents {
    fn ended(&mut self, outcome: Outcome) {
        if let Some(operation) = &mut self.operation {
            operation.end(outcome);
        }
    }

    /// What its client is told when there are no more events before its end.
    fn broken(&mut self, broken: &Broken) -> RequestError {
        let error = match broken {
            Broken::TaskNotSettled => RequestError::TaskNotSettled,
            Broken::Lost | Broken::Replaced => RequestError::AnswerLost,
        };
        if let (Broken::TaskNotSettled, Some(cancel)) = (broken, &mut self.cancel) {
            cancel.cancel_task();
        }
        self.ended(Outcome::Error(error.code().into()));
        error
    }

    /// How long there may be silence before something is done about it.
    async fn quiet(&mut self, keep_alive: Duration) -> Duration {
        match &mut self.session {
            Some(session) => session.keep_up().await.min(keep_alive),
            None => keep_alive,
        }
    }

    /// What the client is told of an event, and of those after it that are here already: one frame, so that it goes
    /// out in one write.
    fn steps(&mut self, first: &StreamEvent) -> Step {
        let mut frame = String::new();
        let mut goes_on = self.tell_event(first, &mut frame);
        while goes_on && frame.len() < TOGETHER {
            match self.held.next_now() {
                Some(event) => goes_on = self.tell_event(&event, &mut frame),
                None => break,
            }
        }
        let is_empty = frame.is_empty();
        match goes_on {
            true => Step::Frame(frame.into()),
            false if is_empty => Step::End,
            false => Step::Last(frame.into()),
        }
    }

    /// Adds what the client is told of an event, and says whether more may follow.
    fn tell_event(&mut self, event: &StreamEvent, frame: &mut String) -> bool {
        if event.kind == EventKind::Pause {
            sse::push_retry(frame, RETRY_MS);
            return false;
        }
        let ends = event.ends_stream();
        if ends {
            self.delivered(event);
        }
        let Some(message) = &event.message else {
            return false;
        };
        let id = (self.era == Era::Legacy).then(|| event_id(event).to_string());
        self.resumable |= id.is_some();
        sse::push_event(frame, id.as_deref(), None, message.as_str());
        !ends
    }

    /// The answer has left with this last event: nothing to cancel, and in the modern era nothing to keep.
    fn delivered(&mut self, last: &StreamEvent) {
        let is_of_tool = self.operation.as_ref().is_some_and(Measurement::is_of_tool);
        self.ended(outcome(last, is_of_tool));
        if let Some(cancel) = &mut self.cancel {
            cancel.disarm();
        }
        // The log of a task outlives its response.
        if self.era == Era::Modern && last.kind != EventKind::Task {
            self.held.release();
        }
    }
}

fn event_id(event: &StreamEvent) -> EventId {
    EventId::Call {
        stream: event.stream,
        offset: event.offset,
    }
}

/// Whether a modern response has a status of its own, which an event stream could not carry.
pub(crate) fn is_refusal(event: &StreamEvent) -> bool {
    let status = event.message.as_ref().map(modern_status);
    status.is_some_and(|status| status != StatusCode::OK)
}

/// Whether a message asks the client something.
fn is_question(event: &StreamEvent) -> bool {
    #[derive(Deserialize)]
    struct Question<'a> {
        #[serde(borrow)]
        id: Option<&'a RawValue>,
    }
    let read =
        |message: &RawJson| matches!(message.read::<Question<'_>>(), Ok(Question { id: Some(_) }));
    event.kind == EventKind::Message && event.message.as_ref().is_some_and(read)
}

fn modern_status(message: &RawJson) -> StatusCode {
    error_code(message).map_or(StatusCode::OK, status_of_modern_error)
}
