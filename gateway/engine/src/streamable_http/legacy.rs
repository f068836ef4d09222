//! The legacy era (2025-03-26 … 2025-11-25): sessions, resumable streams, questions to clients.

use axum::http::{HeaderName, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
use prynai_bus::ids::{QuestionId, SessionId, StreamId};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::session::{Session, SessionChange};
use prynai_bus::{BusError, Posted};
use serde::Deserialize;

use super::enqueue::enqueue_notification;
use super::named_session::{SESSION_ID, check_version, kept, recalled, session, session_id};
use super::{EVENTS, check_accept, check_room, local_answers, session_call};
use crate::admission::Permit;
use crate::message::envelope::{ClientResponse, Message, Notification, Request};
use crate::message::method_params::{InitializeParams, SetLevelParams};
use crate::message::request_head::RequestHead;
use crate::message::size_limits::{MAX_CLIENT_BYTES, MAX_SUBSCRIBED_URI_BYTES, too_large};
use crate::metrics::metrics;
use crate::notifications::session_stream;
use crate::refusal::{Refused, RequestError};
use crate::state::AppState;
use crate::streams::call_stream::CallStream;
use crate::streams::event_id::EventId;
use crate::streams::event_stream::RETRY_MS;
use crate::streams::hub::Resumed;
use crate::streams::respond::{accepted, json_response};
use crate::streams::sse;
use crate::versions;

pub(super) static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// The one request that opens a session and has none yet.
const INITIALIZE: &str = "initialize";

/// Bytes of `clientInfo` and `capabilities` that the bound of calls is enough for.
const SMALL_CLIENT_BYTES: usize = 4 * 1024;

/// `params` of `notifications/cancelled`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct CancelledParams {
    request_id: RawJson,
}

/// `params` of `notifications/progress`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ProgressParams {
    progress_token: RawJson,
}

/// Serves one message.
pub(super) async fn post(
    state: AppState,
    head: RequestHead<'_>,
    message: Message,
) -> Result<Response, Refused> {
    match message {
        Message::Request(request) => {
            let id = request.id.clone();
            let opens = request.method == INITIALIZE;
            let served = serve(state, head, request).await;
            served.map_err(|error| match opens {
                true => error.answering(&id),
                false => error.answering_in_session(&id),
            })
        }
        Message::Notification(notification) => notified(&state, head, &notification).await,
        Message::Response(response) => answered(&state, head, &response).await,
    }
}

async fn serve(
    state: AppState,
    head: RequestHead<'_>,
    request: Request,
) -> Result<Response, RequestError> {
    // By its body alone, whatever the header says (2025-11-25, Lifecycle, Version Negotiation): the header is for
    // what comes after.
    if request.method == INITIALIZE {
        state
            .check_policy(head, INITIALIZE, &request.params)
            .await?;
        return initialize(&state, head, &request).await;
    }
    check_version(head.headers)?;
    state
        .check_policy(head, &request.method, &request.params)
        .await?;
    match request.method.as_str() {
        "ping" => drop(kept(&state, head).await?),
        "logging/setLevel" => {
            let (session, _permit) = kept(&state, head).await?;
            let SetLevelParams { level } = request.params.read()?;
            change(&state, &session, SessionChange::LogLevel(level)).await?;
        }
        "resources/subscribe" => {
            let (session, _permit) = kept(&state, head).await?;
            let uri = request.params.view()?.uri()?;
            if uri.len() > MAX_SUBSCRIBED_URI_BYTES {
                return Err(too_large("uri", uri.len(), MAX_SUBSCRIBED_URI_BYTES));
            }
            change(&state, &session, SessionChange::Subscribe(uri)).await?;
        }
        "resources/unsubscribe" => {
            let (session, _permit) = kept(&state, head).await?;
            let uri = request.params.view()?.uri()?;
            change(&state, &session, SessionChange::Unsubscribe(uri)).await?;
        }
        _ => return call(state, head, request).await,
    }
    let body = json_rpc::result(&request.id, "{}");
    Ok(json_response(StatusCode::OK, body))
}

/// A call for a worker.
async fn call(
    state: AppState,
    head: RequestHead<'_>,
    request: Request,
) -> Result<Response, RequestError> {
    let id = session_id(head.headers)?;
    let (calls_of, bytes_of) = (head.share(Some(&id)), head.share(None));
    let bytes = request.raw.as_str().len();
    let mut permit = state.admission.call(calls_of, bytes_of, bytes).await?;
    let view = request.params.view()?;
    check_room(&state, head, &request.method, view).await?;
    if let (Some(downstream), Some(catalog)) = (&state.downstream, state.catalog.known_record()) {
        let target = view.target(&request.method)?;
        let prepare = downstream.prepare(&catalog, head, &request.method, target.as_deref());
        Box::pin(prepare).await?;
    }
    let turn = state.turns.take().await?;
    let session = recalled(&state, head, &id, &turn).await?;
    // What the client said of itself is queued with each of its calls.
    let told = session.client_info.as_str().len() + session.capabilities.as_str().len();
    if told > SMALL_CLIENT_BYTES {
        permit.add(state.admission.bytes(head.share(None), told)?);
    }
    session_call::call(state, head, request, session, (turn, permit)).await
}

/// Opens a session (2025-11-25, Lifecycle, Initialization).
async fn initialize(
    state: &AppState,
    head: RequestHead<'_>,
    request: &Request,
) -> Result<Response, RequestError> {
    let params: InitializeParams = request.params.read()?;
    let capabilities = params.capabilities()?;
    let kept = [&params.client_info.0, &capabilities].map(|object| object.as_str().len());
    let kept = kept.iter().sum::<usize>();
    if kept > MAX_CLIENT_BYTES {
        let fields = "clientInfo and capabilities together";
        return Err(too_large(fields, kept, MAX_CLIENT_BYTES));
    }
    let bytes = request.raw.as_str().len();
    let catalog = state.served(head, bytes, None).await?;
    let turn = state.turns.take().await?;
    let version = versions::negotiate(&params.protocol_version, &catalog.protocol_versions)
        .ok_or_else(|| RequestError::unsupported_version(&params.protocol_version))?;
    head.operation.speaks(version);
    let result = local_answers::initialize_result(&catalog, version)?;
    let session = Session {
        id: SessionId::generate(),
        principal: head.caller.principal.clone(),
        protocol_version: version.to_owned(),
        client_info: params.client_info.0,
        capabilities,
        log_level: None,
    };
    if let Err(error) = turn.step(|| state.bus.create_session(&session)).await {
        if matches!(error, BusError::Unavailable(_)) {
            state.canceller.take_back(session);
        }
        return Err(error.into());
    }
    drop(turn);
    metrics().sessions_opened.inc();
    let mut response = json_response(StatusCode::OK, json_rpc::result(&request.id, &result));
    // A session id is visible ASCII by construction, so it is always a header value.
    if let Ok(id) = HeaderValue::from_str(session.id.as_str()) {
        response.headers_mut().insert(&SESSION_ID, id);
    }
    Ok(response)
}

async fn change(
    state: &AppState,
    session: &SessionId,
    change: SessionChange,
) -> Result<(), RequestError> {
    let session = session.clone();
    let _turn = state.turns.take().await?;
    let bus = state.bus.clone();
    let both_or_nothing = state.canceller.complete(move || {
        let (bus, session, change) = (bus.clone(), session.clone(), change.clone());
        async move {
            if !bus.change_session(&session, &change).await? {
                return Err(RequestError::SessionUnknown);
            }
            // The log level travels with every request, so only subscriptions concern open streams.
            if !matches!(change, SessionChange::LogLevel(_)) {
                let changed = Change::SessionChanged { session };
                bus.publish_change(&changed).await?;
            }
            Ok(())
        }
    });
    both_or_nothing.await
}

async fn notified(
    state: &AppState,
    head: RequestHead<'_>,
    notification: &Notification,
) -> Result<Response, Refused> {
    check_version(head.headers)?;
    match notification.method.as_str() {
        "notifications/cancelled" => {
            let (session, _permit) = kept(state, head).await?;
            let CancelledParams { request_id } = notification.params.read()?;
            state.canceller.cancel_request(session, request_id).await?;
        }
        "notifications/progress" => {
            let (session, _permit) = kept(state, head).await?;
            let ProgressParams { progress_token } = notification.params.read()?;
            if let Some(question) = question(&progress_token) {
                let stream = &question.stream;
                let raw = &notification.raw;
                // Progress on a question that has ended is of no use to anybody.
                let _: Posted = state.bus.post_mail(stream, &session, raw).await?;
            }
        }
        method => {
            let session = session(state, head).await?;
            state
                .check_policy(head, method, &notification.params)
                .await?;
            let version = session.protocol_version.clone();
            let queued = async {
                state.admission.notification().await?;
                enqueue_notification(state, head, version, Some(session), notification).await?;
                Ok(())
            };
            match queued.await {
                // Nobody waits for what becomes of a notification, and a client that is told of a full queue
                // here is one that cannot even say that it is there.
                Err(RequestError::Bus(BusError::QueueFull { .. })) => {
                    tracing::debug!(
                        method,
                        "dropped a notification, since the request queue is full"
                    );
                }
                queued => queued?,
            }
        }
    }
    Ok(accepted())
}

/// An answer to a question of a handler; it may arrive at any gateway.
async fn answered(
    state: &AppState,
    head: RequestHead<'_>,
    response: &ClientResponse,
) -> Result<Response, Refused> {
    check_version(head.headers)?;
    let (session, _permit) = kept(state, head).await?;
    let refused = |reason: &str| Err(RequestError::NotAccepted(reason.to_owned()).into());
    let Some(question) = question(&response.id) else {
        return refused("this server asked no question with this id");
    };
    let (stream, raw) = (question.stream, response.raw.clone());
    let bus = state.bus.clone();
    // A person may have answered, and will not be asked again.
    let posted = state.canceller.complete(move || {
        let (bus, session, raw) = (bus.clone(), session.clone(), raw.clone());
        async move { Ok(bus.post_mail(&stream, &session, &raw).await?) }
    });
    match posted.await? {
        // A person may answer when the call is over, and a client cannot know. (Or the call is another
        // session's, which nobody is told.)
        Posted::Accepted | Posted::NoSuchCall => Ok(accepted()),
        Posted::Full => refused("too many answers wait for this request"),
    }
}

/// The question that this fleet asked under an id. Its form says so: no table of questions outlives their calls.
fn question(id: &RawJson) -> Option<QuestionId> {
    let question: QuestionId = id.read::<String>().ok()?.parse().ok()?;
    question.stream.is_generated().then_some(question)
}

/// Opens the session's stream of change notifications, or resumes any stream of the session.
pub(super) async fn get(state: AppState, head: RequestHead<'_>) -> Result<Response, Refused> {
    check_accept(head.headers, EVENTS, EVENTS)?;
    check_version(head.headers)?;
    let id = session_id(head.headers)?;
    let last = head.headers.get(&LAST_EVENT_ID);
    let last: Option<Option<EventId>> =
        last.map(|last| last.to_str().ok().and_then(|last| last.parse().ok()));
    let share = head.share(Some(&id));
    let permit = match last {
        Some(Some(EventId::Call { .. })) => state.admission.resumed(share),
        _ => state.admission.stream(share),
    }?;
    let (stream, offset) = match last {
        None => return Ok(session_stream::open(&state, head.caller, id, None, permit).await?),
        Some(Some(EventId::Feed(position))) => {
            let position = Some(position);
            return Ok(session_stream::open(&state, head.caller, id, position, permit).await?);
        }
        Some(Some(EventId::Call { stream, offset })) => (stream, offset),
        Some(None) => {
            let reason = "Last-Event-ID is not an event id of this server".to_owned();
            session(&state, head).await?;
            return Err(RequestError::NotAccepted(reason).into());
        }
    };
    let session = session(&state, head).await?;
    resume(&state, head, session, (stream, offset), permit).await
}

/// Resumes the stream of a call from after an event.
async fn resume(
    state: &AppState,
    head: RequestHead<'_>,
    session: Session,
    (stream, offset): (StreamId, u64),
    permit: Permit,
) -> Result<Response, Refused> {
    let in_use = state.use_of(&session);
    // Again, for clients that forget where they were when nothing comes: from there they would go on to open
    // the stream of the session.
    let first = if versions::understands_priming(&session.protocol_version) {
        let id = EventId::Call { stream, offset }.to_string();
        sse::event(Some(&id), Some(RETRY_MS), "")
    } else {
        sse::KEEP_ALIVE
    };
    let turn = state.turns.take().await?;
    let held = turn
        .step(|| state.hub.resume(stream, session.id.clone(), offset))
        .await?;
    drop(turn);
    let held = match held {
        Resumed::Held(held) => held,
        Resumed::Over => {
            let reason = "its call was cancelled, or its answer was the last event";
            return Err(RequestError::NothingFollows(reason).into());
        }
        Resumed::Unknown => {
            let reason = "its stream is unknown here or no longer kept";
            return Err(RequestError::NothingFollows(reason).into());
        }
    };
    let resumed = CallStream::resumed(held, state.lifetime(head.caller), permit, in_use);
    Ok(resumed.into_sse(vec![first]))
}

/// Ends a session: its calls are cancelled, its streams close on every gateway.
pub(super) async fn delete(state: AppState, head: RequestHead<'_>) -> Result<Response, Refused> {
    check_version(head.headers)?;
    let (session, caller) = (session_id(head.headers)?, head.caller.principal.clone());
    let _permit = state.admission.errand(head.share(Some(&session)))?;
    let bus = state.bus.clone();
    let ended = state.canceller.complete(move || {
        let (bus, session, caller) = (bus.clone(), session.clone(), caller.clone());
        async move {
            let ended = bus.end_session(&session, &caller).await?;
            let ended = ended.ok_or(RequestError::SessionUnknown)?;
            let cancels = ended.calls.iter().map(|call| {
                let (stream, entry) = (&call.stream, Some(&call.entry));
                bus.cancel_call(stream, entry, Era::Legacy)
            });
            try_join_all(cancels).await?;
            let told = Change::SessionEnded {
                session: session.clone(),
            };
            bus.publish_change(&told).await?;
            if let Err(error) = bus.forget_session(&session).await {
                tracing::debug!(%error, "could not remove what an ended session left behind; it expires by itself");
            }
            Ok((ended.protocol_version, ended.lived))
        }
    });
    let (version, lived) = ended.await?;
    metrics().session_ended(&version, lived);
    Ok(StatusCode::NO_CONTENT.into_response())
}
