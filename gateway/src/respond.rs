//! Answers: one JSON body, or a stream of events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::Response;
use bytes::Bytes;
use futures::Stream;
use prynai_shared::bus::Bus;
use prynai_shared::lifecycle::Shutdown;
use prynai_shared::wire::event::{EventKind, StreamEvent};
use prynai_shared::wire::message::RawJson;
use prynai_shared::wire::request::{CallRef, Era};
use serde::Deserialize;

use crate::error::{RequestError, status_of_modern_error};
use crate::hub::{Broken, HeldStream};
use crate::sse;

/// Silence after which a comment is sent on an event stream; below every known proxy's limit.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a client waits before it resumes a stream that we closed, in milliseconds.
pub(crate) const RETRY_MS: u64 = 500;

/// Cancels the call when it is dropped before the answer was delivered: in the modern era the
/// broken connection is the cancel (2026-07-28, Streamable HTTP, Cancellation).
pub(crate) struct CancelOnDrop {
    bus: Arc<dyn Bus>,
    call: Option<CallRef>,
}

/// The events of one call, on their way to the client.
pub(crate) struct CallStream {
    pub(crate) held: HeldStream,
    pub(crate) shutdown: Shutdown,
    /// The client's request id, when it is known (a resumed stream does not name it).
    pub(crate) request_id: Option<RawJson>,
    /// Modern only.
    pub(crate) cancel: Option<CancelOnDrop>,
    pub(crate) era: Era,
}

// === impl CancelOnDrop ===

impl CancelOnDrop {
    pub(crate) fn new(bus: Arc<dyn Bus>, call: CallRef) -> Self {
        Self {
            bus,
            call: Some(call),
        }
    }

    /// The answer is out: nothing to cancel any more.
    pub(crate) fn disarm(&mut self) {
        self.call = None;
    }
}

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let bus = self.bus.clone();
            tokio::spawn(async move { cancel(bus.as_ref(), &call, Era::Modern).await });
        }
    }
}

/// Cancels a call; when the bus is away its lease and retention end it.
pub(crate) async fn cancel(bus: &dyn Bus, call: &CallRef, era: Era) {
    if let Err(error) = bus.cancel_call(&call.stream, Some(&call.entry), era).await {
        tracing::warn!(stream = %call.stream, %error, "a cancelled call could not be stopped");
    }
}

// === impl CallStream ===

impl CallStream {
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

    /// The next frame, and whether it is the last one.
    async fn next_frame(&mut self) -> Option<(Bytes, bool)> {
        let resumable = self.era == Era::Legacy;
        let stepped = tokio::select! {
            stepped = self.held.next() => stepped,
            () = tokio::time::sleep(KEEP_ALIVE) => return Some((sse::KEEP_ALIVE, false)),
            () = self.shutdown.soft().cancelled(), if resumable => {
                return Some((sse::retry(RETRY_MS), true));
            }
            () = self.shutdown.hard().cancelled() => return None,
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
        let id = (self.era == Era::Legacy).then(|| event_id(event));
        Some((sse::event(id.as_deref(), None, message.as_str()), ends))
    }

    /// The answer has left: nothing to cancel, and in the modern era nothing to keep.
    fn delivered(&mut self) {
        if let Some(cancel) = &mut self.cancel {
            cancel.disarm();
        }
        match (self.era, &self.request_id) {
            (Era::Modern, _) => self.held.release(),
            (Era::Legacy, Some(id)) => self.held.forget_call(id),
            (Era::Legacy, None) => {}
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

    /// The refusal when the answer is gone.
    pub(crate) fn lost(mut self) -> RequestError {
        self.delivered();
        RequestError::AnswerLost
    }
}

/// The SSE event id of an event of a call; opaque to clients.
fn event_id(event: &StreamEvent) -> String {
    format!("{}-{}", event.stream, event.offset)
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
