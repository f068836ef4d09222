//! One call in a session: a quick answer as JSON, any other as an event stream that can be resumed.

use std::time::Duration;

use axum::response::Response;
use bytes::Bytes;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::session::Session;
use tokio::time::error::Elapsed;

use super::enqueue::{Call, CallParts, enqueue};
use super::{prefers_events, takes_events};
use crate::admission::Permit;
use crate::admission::turns::Turn;
use crate::message::envelope::Request;
use crate::message::request_head::RequestHead;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::call_stream::CallStream;
use crate::streams::hub::Broken;
use crate::streams::sse;
use crate::versions;

/// How long an answer may take to be sent as one JSON body; after it the client gets an event
/// stream it can resume.
const GRACE: Duration = Duration::from_millis(30);

/// What a call has said within [`GRACE`].
type First = Result<Option<Result<StreamEvent, Broken>>, Elapsed>;

/// Queues the request and begins the answer.
pub(super) async fn call(
    state: AppState,
    head: RequestHead<'_>,
    request: Request,
    session: Session,
    (turn, permit): (Turn, Permit),
) -> Result<Response, RequestError> {
    let request_id = request.id.clone();
    head.operation.speaks(&session.protocol_version);
    let in_use = state.use_of(&session);
    let alone = !takes_events(head.headers);
    let polls = !alone && versions::understands_priming(&session.protocol_version);
    let parts = parts(request, session)?;
    let Call { mut held, .. } = enqueue(&state, head, parts, turn).await?;
    if polls {
        held.close_at_pauses();
    }
    let first = tokio::time::timeout(GRACE, held.next()).await;
    let lifetime = state.lifetime(head.caller);
    let operation = head.operation.hand_over(false);
    let stream = CallStream::legacy(held, lifetime, permit, request_id, in_use, operation);
    if alone {
        return answer_alone(&state, stream, first).await;
    }
    answer(stream, first, polls, prefers_events(head.headers)).await
}

fn parts(request: Request, session: Session) -> Result<CallParts, RequestError> {
    let params = request.params.view()?;
    params.check(&request.method)?;
    Ok(CallParts {
        stream: StreamId::generate(),
        era: Era::Legacy,
        protocol_version: session.protocol_version.clone(),
        target: params.target(&request.method)?,
        timeout: params.timeout()?,
        request_id: Some(request.id),
        method: request.method,
        message: request.raw,
        session: Some(session),
        takes_task: false,
    })
}

/// The answer to a client that takes nothing but one JSON body.
async fn answer_alone(
    state: &AppState,
    stream: CallStream,
    first: First,
) -> Result<Response, RequestError> {
    let first = match first {
        Ok(Some(Ok(event))) => Some(event),
        Ok(Some(Err(_)) | None) => return Err(stream.refused(RequestError::AnswerLost)),
        Err(_) => None,
    };
    let (session, request_id) = (stream.session_id(), stream.request_id());
    let answered = stream.into_json_alone(first).await;
    let unheard = matches!(answered, Err(RequestError::NotAcceptable(_)));
    if let (true, Some(session), Some(id)) = (unheard, session, request_id) {
        // Nobody will ever answer what it asks.
        state.canceller.cancel_request(session, id).await?;
    }
    answered
}

/// The answer to a client that takes event streams.
async fn answer(
    mut stream: CallStream,
    first: First,
    polls: bool,
    prefers_events: bool,
) -> Result<Response, RequestError> {
    match first {
        Ok(Some(Ok(event))) if event.ends_stream() && !prefers_events => {
            Ok(stream.into_json(&event))
        }
        Ok(Some(Ok(event))) => {
            let frames = opening(&mut stream, polls);
            Ok(stream.into_sse_from(frames, &event))
        }
        Ok(Some(Err(Broken::Lost | Broken::TaskNotSettled)) | None) => {
            Err(stream.refused(RequestError::AnswerLost))
        }
        Ok(Some(Err(Broken::Replaced))) | Err(_) => Ok(begin_unheard(stream, polls).await),
    }
}

/// The answer of a call that has not said anything yet.
async fn begin_unheard(mut stream: CallStream, polls: bool) -> Response {
    let frames = match stream.open_log().await {
        Ok(()) => opening(&mut stream, polls),
        Err(error) => {
            tracing::debug!(%error, "could not open the log of a stream; its client cannot resume it before the first event");
            vec![sse::KEEP_ALIVE]
        }
    };
    stream.into_sse(frames)
}

/// The priming event, or a comment for clients that do not know such events.
fn opening(stream: &mut CallStream, polls: bool) -> Vec<Bytes> {
    vec![match polls {
        true => stream.priming_event(),
        false => sse::KEEP_ALIVE,
    }]
}
