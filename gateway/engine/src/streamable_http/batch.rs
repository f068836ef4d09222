//! Several messages in one body: JSON-RPC batches, which 2025-03-26 alone knows (Transports, Sending
//! Messages: servers must accept them).

use axum::body::Bytes;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::future::join_all;
use futures::stream::{self, BoxStream, StreamExt};
use http_body_util::BodyExt;
use prynai_bus::wire::request::Era;

use super::{legacy, name, named_session, outcome};
use crate::message::envelope::Message;
use crate::message::era;
use crate::message::request_head::RequestHead;
use crate::operation::Operation;
use crate::refusal::{Refused, RequestError};
use crate::state::AppState;
use crate::streams::respond::{accepted, json_response, sse_response};
use crate::streams::sse;

/// The one revision with batches.
const REVISION: &str = "2025-03-26";

/// Most messages of one batch.
const MOST_MESSAGES: usize = 64;

/// Serves all messages of a batch at once. The answers come as one JSON array when all are quick, else
/// as one stream of all their events.
pub(super) async fn post(
    state: AppState,
    head: RequestHead<'_>,
    messages: Vec<Result<Message, Refused>>,
) -> Result<Response, Refused> {
    if messages.is_empty() || messages.len() > MOST_MESSAGES {
        let reason = format!("a batch has 1 to {MOST_MESSAGES} messages");
        return Err(RequestError::NotJsonRpc(reason).into());
    }
    let no_batch = || {
        let reason = format!("send one message per request; only {REVISION} has batches");
        RequestError::NotJsonRpc(reason)
    };
    if era::of_headers(head.headers) == Era::Modern {
        return Err(no_batch().into());
    }
    named_session::check_version(head.headers)?;
    let session = named_session::session(&state, head).await?;
    if session.protocol_version != REVISION {
        return Err(no_batch().into());
    }
    head.operation.is_told_in_parts();
    let served = messages
        .into_iter()
        .map(|message| serve(&state, head, message));
    let answers: Vec<Response> = join_all(served).await.into_iter().flatten().collect();
    if answers.is_empty() {
        return Ok(accepted());
    }
    if answers.iter().any(is_event_stream) {
        let streams = join_all(answers.into_iter().map(frames)).await;
        return Ok(sse_response(stream::select_all(streams)));
    }
    let bodies = join_all(answers.into_iter().map(text)).await;
    let array = format!("[{}]", bodies.join(","));
    Ok(json_response(StatusCode::OK, array))
}

/// The answer to one message, if it has one.
async fn serve(
    state: &AppState,
    head: RequestHead<'_>,
    message: Result<Message, Refused>,
) -> Option<Response> {
    let wants_answer = !matches!(message, Ok(Message::Notification(_) | Message::Response(_)));
    let operation = &Operation::of_batch(head.operation);
    let head = RequestHead { operation, ..head };
    let served = match message {
        Ok(Message::Request(request)) if request.method == "initialize" => {
            let reason = "initialize must not be part of a batch".to_owned();
            Err(RequestError::NotJsonRpc(reason).answering(&request.id))
        }
        Ok(message) => {
            name(head, &message);
            let served = legacy::post(state.clone(), head, message).await;
            operation.end(outcome(&served));
            served
        }
        Err(refused) => Err(refused),
    };
    if let Err(refused) = &served {
        state.refused(head, &refused.error);
    }
    match served {
        // A cancelled request has no answer either.
        Ok(response) if response.status() == StatusCode::ACCEPTED => None,
        Ok(response) => wants_answer.then_some(response),
        Err(refused) => Some(refused.into_response()),
    }
}

fn is_event_stream(response: &Response) -> bool {
    let media = response.headers().get(header::CONTENT_TYPE);
    media.is_some_and(|media| media == "text/event-stream")
}

/// The events of an answer.
async fn frames(answer: Response) -> BoxStream<'static, Bytes> {
    if is_event_stream(&answer) {
        let body = answer.into_body().into_data_stream();
        return body.filter_map(|chunk| async { chunk.ok() }).boxed();
    }
    let event = sse::event(None, None, &text(answer).await);
    stream::once(async { event }).boxed()
}

/// An answer that is one JSON body, and therefore in memory.
async fn text(answer: Response) -> String {
    let collected = answer.into_body().collect().await;
    let bytes = collected.map(|body| body.to_bytes()).unwrap_or_default();
    String::from_utf8_lossy(&bytes).into_owned()
}
