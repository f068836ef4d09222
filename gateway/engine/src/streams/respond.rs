//! Answers: one JSON body, or a stream of events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use prynai_bus::SessionStore;
use prynai_bus::ids::SessionId;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::session::Session;
use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::time::Instant;

use crate::admission::Permit;
use crate::refusal::{RequestError, status_of_modern_error};
use crate::streams::canceller::CancelOnDrop;
use crate::streams::event_id::EventId;
use crate::streams::hub::{Broken, HeldStream};
use crate::streams::lifetime::Lifetime;
use crate::streams::sse;

/// Silence after which a comment is sent on an event stream; below every known proxy's limit.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it resumes a stream that we closed, in milliseconds.
pub(crate) const RETRY_MS: u64 = 500;

/// The events of one call, on their way to the client.
pub(crate) struct CallStream {
    pub(crate) held: HeldStream,
    lifetime: Lifetime,
    /// The client's request id, when it is known (a resumed stream does not name it).
    pub(crate) request_id: Option<RawJson>,
    /// Modern only.
    cancel: Option<CancelOnDrop>,
    era: Era,
    /// The client has an event id to resume from.
    pub(crate) resumable: bool,
    /// Legacy only: an open stream is use of its session.
    session: Option<SessionUse>,
    /// The caller's, until the last event is delivered or the client is gone.
    _permit: Permit,
}

/// Keeps a session from falling idle while one of its streams is open.
pub(crate) struct SessionUse {
    bus: Arc<dyn SessionStore>,
    session: SessionId,
    principal: Principal,
    touch_every: Duration,
    touched: Instant,
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
    ) -> Self {
        Self {
            held,
            lifetime,
            request_id,
            cancel,
            era: Era::Modern,
            resumable: false,
            session: None,
            _permit: permit,
        }
    }

    /// The answer to a request of a session, to the connection that brought it.
    pub(crate) fn legacy(
        held: HeldStream,
        lifetime: Lifetime,
        permit: Permit,
        request_id: RawJson,
        session: SessionUse,
    ) -> Self {
        Self {
            held,
            lifetime,
            request_id: Some(request_id),
            cancel: None,
            era: Era::Legacy,
            resumable: false,
            session: Some(session),
            _permit: permit,
        }
    }

    /// The rest of such an answer, to a client that has come back for it.
    pub(crate) fn resumed(
        held: HeldStream,
        lifetime: Lifetime,
        permit: Permit,
        session: SessionUse,
    ) -> Self {
        Self {
            held,
            lifetime,
            request_id: None,
            cancel: None,
            era: Era::Legacy,
            resumable: true,
            session: Some(session),
            _permit: permit,
        }
    }

    /// The stream as server-sent events, after the frames in `first`.
    pub(crate) fn into_sse(self, first: Vec<Bytes>) -> Response {
        sse_response(futures::stream::unfold(
            (self, first.into_iter(), false),
            |(mut stream, mut first, ended)| async move {
                if let Some(frame) = first.next() {
                    return Some((frame, (stream, first, ended)));
                }
                if ended {
                    return None;
                }
                let (frame, ends) = stream.next_frame().await?;
                Some((frame, (stream, first, ends)))
            },
        ))
    }

    /// The stream as server-sent events, after the frames in `opening`, when its `first` event has
    /// come already.
    pub(crate) fn into_sse_from(
        mut self,
        mut opening: Vec<Bytes>,
        first: &StreamEvent,
    ) -> Response {
        let framed = self.frame(first);
        let ends = framed.as_ref().is_none_or(|(_, ends)| *ends);
        opening.extend(framed.map(|(frame, _)| frame));
        if ends {
            sse_response(futures::stream::iter(opening))
        } else {
            self.into_sse(opening)
        }
    }

    /// The next frame, and whether it is the last one.
    async fn next_frame(&mut self) -> Option<(Bytes, bool)> {
        let quiet = self.quiet().await;
        // Before 2025-11-25 a stream should stay open until its response (Transports, Sending Messages,
        // point 6), and clients that know no better wait for ever for one that ends before.
        let may_age = self.resumable && self.held.client_comes_back();
        let stepped = tokio::select! {
            stepped = self.held.next() => stepped,
            () = tokio::time::sleep(quiet) => return Some((sse::KEEP_ALIVE, false)),
            () = self.lifetime.stopping(), if self.resumable => {
                return Some((sse::retry(RETRY_MS), true));
            }
            () = self.lifetime.aged(), if may_age => return Some((sse::retry(RETRY_MS), true)),
            () = self.lifetime.shutdown.hard().cancelled() => return None,
        };
        match stepped? {
            Ok(event) => self.frame(&event),
            Err(Broken::Replaced) => None,
            Err(Broken::Lost) => {
                let id = self.request_id.as_ref()?;
                let text = RequestError::AnswerLost.to_json_rpc(Some(id));
                Some((sse::event(None, None, &text), true))
            }
        }
    }

    /// The final response as one JSON body, for a client that takes no event stream: it hears nothing of what comes
    /// before, and a question that it cannot hear ends the wait.
    pub(crate) async fn into_json_alone(
        mut self,
        first: Option<StreamEvent>,
    ) -> Result<Response, RequestError> {
        let mut next = first;
        loop {
            match next.take() {
                Some(event) if event.kind == EventKind::Cancelled => {
                    self.into_json(&event);
                    return Ok(accepted());
                }
                Some(event) if event.ends_stream() => return Ok(self.into_json(&event)),
                Some(event) if is_question(&event) => {
                    return Err(RequestError::NotAcceptable(
                        "text/event-stream, since this call asks its client something",
                    ));
                }
                _ => {}
            }
            let quiet = self.quiet().await;
            tokio::select! {
                stepped = self.held.next() => match stepped {
                    Some(Ok(event)) => next = Some(event),
                    Some(Err(_)) | None => return Err(RequestError::AnswerLost),
                },
                () = tokio::time::sleep(quiet) => {}
                () = self.lifetime.shutdown.hard().cancelled() => return Err(RequestError::AnswerLost),
            }
        }
    }

    /// The session that it is use of.
    pub(crate) fn session_id(&self) -> Option<SessionId> {
        self.session.as_ref().map(|session| session.session.clone())
    }

    /// How long there may be silence before something is done about it.
    async fn quiet(&mut self) -> Duration {
        match &mut self.session {
            Some(session) => {
                session.note().await;
                session.touch_every.min(KEEP_ALIVE)
            }
            None => KEEP_ALIVE,
        }
    }

    /// The frame of an event; `None` ends the stream without one.
    pub(crate) fn frame(&mut self, event: &StreamEvent) -> Option<(Bytes, bool)> {
        if event.kind == EventKind::Pause {
            return Some((sse::retry(RETRY_MS), true));
        }
        let ends = event.ends_stream();
        if ends {
            self.delivered();
        }
        let message = event.message.as_ref()?;
        let id = (self.era == Era::Legacy).then(|| event_id(event).to_string());
        self.resumable |= id.is_some();
        Some((sse::event(id.as_deref(), None, message.as_str()), ends))
    }

    /// The answer has left: nothing to cancel, and in the modern era nothing to keep.
    fn delivered(&mut self) {
        if let Some(cancel) = &mut self.cancel {
            cancel.disarm();
        }
        match self.era {
            Era::Modern => self.held.release(),
            Era::Legacy => self.held.forget_call(),
        }
    }

    /// The final event as one JSON body. The client cannot resume it, so its log is released.
    pub(crate) fn into_json(mut self, event: &StreamEvent) -> Response {
        self.delivered();
        if self.era == Era::Legacy {
            self.held.release();
        }
        match (event.kind, &event.message) {
            (EventKind::Final, Some(message)) => {
                let status = match self.era {
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

// === impl SessionUse ===

impl SessionUse {
    /// `touch_every`: see [`touch_every`].
    pub(crate) fn new(
        bus: Arc<dyn SessionStore>,
        session: &Session,
        touch_every: Duration,
    ) -> Self {
        Self {
            bus,
            session: session.id.clone(),
            principal: session.principal.clone(),
            touch_every,
            touched: Instant::now(),
        }
    }

    async fn note(&mut self) {
        if self.touched.elapsed() >= self.touch_every {
            self.touched = Instant::now();
            let (session, principal) = (&self.session, &self.principal);
            if let Err(error) = self.bus.keep_session(session, principal).await {
                tracing::debug!(%error, "a session in use cannot be touched now");
            }
        }
    }
}

/// How often a session's idle time is restarted while one of its streams is open; after `session_idle` it would be
/// over.
pub(crate) fn touch_every(session_idle: Duration) -> Duration {
    (session_idle / 3).min(Duration::from_secs(60))
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
    #[derive(Deserialize)]
    struct Response {
        error: Option<Error>,
    }
    #[derive(Deserialize)]
    struct Error {
        code: i64,
    }
    match message.read::<Response>() {
        Ok(Response { error: Some(error) }) => status_of_modern_error(error.code),
        _ => StatusCode::OK,
    }
}

/// A JSON body.
pub(crate) fn json_response(status: StatusCode, body: String) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    response.headers_mut().insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("application/json"),
    );
    response
}

/// A stream of events.
pub(crate) fn sse_response(frames: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    use futures::StreamExt;
    let mut response = Response::new(Body::from_stream(frames.map(Ok::<_, Infallible>)));
    let headers = response.headers_mut();
    headers.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static("text/event-stream"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("no-cache, no-transform"),
    );
    // Asks nginx and its kin not to buffer (2026-07-28, Receiving Messages).
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// 202 with no body: a notification or an answer was accepted.
pub(crate) fn accepted() -> Response {
    let mut response = Response::new(Body::empty());
    *response.status_mut() = StatusCode::ACCEPTED;
    response
}
