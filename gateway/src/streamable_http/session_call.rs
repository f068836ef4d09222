//! One call in a session: a quick answer as JSON, any other as an event stream that can be resumed.

use std::time::Duration;

use axum::http::HeaderMap;
use axum::response::Response;
use bytes::Bytes;
use prynai_shared::wire::request::Era;
use prynai_shared::wire::session::Session;

use super::enqueue::{Call, CallParts, enqueue};
use super::prefers_events;
use crate::envelope::Request;
use crate::error::RequestError;
use crate::event_id::EventId;
use crate::hub::Broken;
use crate::respond::{CallStream, RETRY_MS, SessionUse};
use crate::sse;
use crate::state::AppState;
use crate::versions;

/// How long an answer may take to be sent as one JSON body; after it the client gets an event
/// stream it can resume.
const GRACE: Duration = Duration::from_millis(30);

/// Queues the request and begins the answer.
pub(super) async fn call(
    state: AppState,
    headers: &HeaderMap,
    session: Session,
    request: Request,
) -> Result<Response, RequestError> {
    let request_id = request.id.clone();
    let session_id = session.id.clone();
    request.params.view()?.check(&request.method)?;
    let polls = versions::understands_priming(&session.protocol_version);
    let parts = CallParts {
        era: Era::Legacy,
        protocol_version: session.protocol_version.clone(),
        target: request.params.view()?.target(&request.method)?,
        request_id: Some(request.id),
        method: request.method,
        message: request.raw,
        session: Some(session),
    };
    let Call {
        mut held,
        reference,
        recorded,
        ..
    } = enqueue(&state, headers, parts).await?;
    if polls {
        held.heed_pauses();
    }
    let (recorded, first) = tokio::join!(recorded, tokio::time::timeout(GRACE, held.next()));
    match recorded {
        Ok(Ok(true)) => {}
        Ok(Ok(false)) => {
            state.canceller.cancel(reference, Era::Legacy);
            return Err(RequestError::SessionUnknown);
        }
        // The call is queued and may have run: to refuse it now would invite a second one.
        Ok(Err(error)) => tracing::warn!(%error, "a cancel will not find this call"),
        Err(_) => {}
    }
    let mut stream = CallStream {
        held,
        shutdown: state.shutdown,
        request_id: Some(request_id),
        cancel: None,
        era: Era::Legacy,
        resumable: false,
        session: Some(SessionUse::new(state.bus, session_id)),
    };
    match first {
        Ok(Some(Ok(event))) if event.ends_stream() && !prefers_events(headers) => {
            Ok(stream.into_json(&event))
        }
        Ok(Some(Ok(event))) => {
            let frames = opening(&mut stream, polls);
            Ok(stream.into_sse_from(frames, &event))
        }
        Ok(Some(Err(Broken::Lost)) | None) => Err(RequestError::AnswerLost),
        Ok(Some(Err(Broken::Replaced))) | Err(_) => Ok(begin_unheard(stream, polls).await),
    }
}

/// The answer of a call that has not said anything yet.
async fn begin_unheard(mut stream: CallStream, polls: bool) -> Response {
    let frames = match stream.held.open_log(Era::Legacy).await {
        Ok(()) => opening(&mut stream, polls),
        Err(error) => {
            tracing::debug!(%error, "this stream cannot be resumed before its first event");
            vec![sse::KEEP_ALIVE]
        }
    };
    stream.into_sse(frames)
}

/// The empty event from which a client may resume before there was any other (2025-11-25,
/// Transports, Sending Messages, point 6); for clients that do not know it, a comment.
fn opening(stream: &mut CallStream, polls: bool) -> Vec<Bytes> {
    if polls {
        stream.resumable = true;
        let id = EventId::Call {
            stream: stream.held.id(),
            offset: 0,
        };
        vec![sse::event(Some(&id.to_string()), Some(RETRY_MS), "")]
    } else {
        vec![sse::KEEP_ALIVE]
    }
}
