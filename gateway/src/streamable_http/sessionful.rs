//! The legacy era (2025-03-26 … 2025-11-25): sessions, resumable streams, questions to clients.

use std::sync::atomic::{AtomicBool, Ordering};

use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use futures::future::try_join_all;
use prynai_shared::bus::{BeginCall, BusError, Posted, Touched};
use prynai_shared::ids::{QuestionId, SessionId, StreamId};
use prynai_shared::wire::change::Change;
use prynai_shared::wire::message::RawJson;
use prynai_shared::wire::request::Era;
use prynai_shared::wire::session::{Session, SessionChange};
use serde::Deserialize;

use super::enqueue::enqueue_notification;
use super::{check_accept, check_room, session_call};
use crate::admission::Permit;
use crate::edge;
use crate::envelope::{ClientResponse, Message, Notification, Request};
use crate::error::{Refused, RequestError};
use crate::event_id::EventId;
use crate::field_bounds::{MAX_CLIENT_BYTES, MAX_SUBSCRIBED_URI_BYTES, too_large};
use crate::head::Head;
use crate::mirrored;
use crate::policy;
use crate::respond::{CallStream, SessionUse, accepted, json_response};
use crate::session_stream;
use crate::sse;
use crate::state::AppState;
use crate::versions;

const SESSION_ID: &str = "mcp-session-id";
const LAST_EVENT_ID: &str = "last-event-id";

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
    head: Head<'_>,
    message: Message,
) -> Result<Response, Refused> {
    match message {
        Message::Request(request) => {
            let id = request.id.clone();
            serve(state, head, request)
                .await
                .map_err(|error| error.answering(&id))
        }
        Message::Notification(notification) => notified(&state, head, &notification).await,
        Message::Response(response) => answered(&state, head, &response).await,
    }
}

async fn serve(
    state: AppState,
    head: Head<'_>,
    request: Request,
) -> Result<Response, RequestError> {
    check_version(head.headers)?;
    if request.method == "initialize" {
        return initialize(&state, head, &request).await;
    }
    let principal = &head.sender.principal;
    policy::check(&state, principal, &request.method, &request.params).await?;
    match request.method.as_str() {
        "ping" => drop(kept(&state, head).await?),
        "logging/setLevel" => {
            let (session, _permit) = kept(&state, head).await?;
            let edge::SetLevelParams { level } = request.params.read()?;
            change(&state, &session, SessionChange::LogLevel(level)).await?;
        }
        "resources/subscribe" => {
            let (session, _permit) = kept(&state, head).await?;
            let edge::ResourceParams { uri } = request.params.read()?;
            if uri.len() > MAX_SUBSCRIBED_URI_BYTES {
                return Err(too_large("uri", uri.len(), MAX_SUBSCRIBED_URI_BYTES));
            }
            change(&state, &session, SessionChange::Subscribe(uri)).await?;
        }
        "resources/unsubscribe" => {
            let (session, _permit) = kept(&state, head).await?;
            let edge::ResourceParams { uri } = request.params.read()?;
            change(&state, &session, SessionChange::Unsubscribe(uri)).await?;
        }
        _ => return begin_call(state, head, request).await,
    }
    let body = edge::response(&request.id, "{}");
    Ok(json_response(StatusCode::OK, body))
}

/// A call for a worker; its session knows of it before it is queued.
async fn begin_call(
    state: AppState,
    head: Head<'_>,
    request: Request,
) -> Result<Response, RequestError> {
    let id = session_id(head.headers)?;
    let (caller, sender) = (head.caller(Some(&id)), head.caller(None));
    let bytes = request.raw.as_str().len();
    let mut permit = state.admission.call(caller, sender, bytes).await?;
    check_room(&state, head, &request.method, &request.params.view()?).await?;
    let begin = BeginCall {
        stream: StreamId::generate(),
        request_id: request.id.clone(),
    };
    let begun = state.canceller.forget_on_drop(id.clone(), begin.stream);
    let Touched { session, has_room } = touched(&state, head, &id, Some(&begin)).await?;
    if !has_room {
        return Err(RequestError::SessionBusy);
    }
    // What the client said of itself is queued with each of its calls.
    let told = session.client_info.as_str().len() + session.capabilities.as_str().len();
    if told > SMALL_CLIENT_BYTES {
        permit.add(state.admission.bytes(head.caller(None), told)?);
    }
    session_call::call(state, head, session, request, begun, permit).await
}

/// Opens a session (2025-11-25, Lifecycle, Initialization).
async fn initialize(
    state: &AppState,
    head: Head<'_>,
    request: &Request,
) -> Result<Response, RequestError> {
    let params: edge::InitializeParams = request.params.read()?;
    let kept = [&params.client_info, &params.capabilities].map(|object| object.0.as_str().len());
    let kept = kept.iter().sum::<usize>();
    if kept > MAX_CLIENT_BYTES {
        let fields = "clientInfo and capabilities together";
        return Err(too_large(fields, kept, MAX_CLIENT_BYTES));
    }
    let catalog = edge::catalog(state).await?;
    let version = versions::negotiate(&params.protocol_version, &catalog.protocol_versions)
        .ok_or_else(|| RequestError::unsupported_version(&params.protocol_version))?;
    let result = edge::initialize_result(&catalog, version)?;
    let session = Session {
        id: SessionId::generate(),
        principal: head.sender.principal.clone(),
        protocol_version: version.to_owned(),
        client_info: params.client_info.0,
        capabilities: params.capabilities.0,
        log_level: None,
    };
    if let Err(error) = state.bus.create_session(&session).await {
        if matches!(error, BusError::Unavailable(_)) {
            state.canceller.take_back(session);
        }
        return Err(error.into());
    }
    let mut response = json_response(StatusCode::OK, edge::response(&request.id, &result));
    // A session id is visible ASCII by construction, so it is always a header value.
    if let Ok(id) = HeaderValue::from_str(session.id.as_str()) {
        response.headers_mut().insert(SESSION_ID, id);
    }
    Ok(response)
}

async fn change(
    state: &AppState,
    session: &SessionId,
    change: SessionChange,
) -> Result<(), RequestError> {
    let session = session.clone();
    let both_or_nothing = state.canceller.complete(move |bus| {
        let (session, change) = (session.clone(), change.clone());
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
    head: Head<'_>,
    notification: &Notification,
) -> Result<Response, Refused> {
    check_version(head.headers)?;
    match notification.method.as_str() {
        "notifications/cancelled" => {
            let (session, _permit) = kept(state, head).await?;
            let CancelledParams { request_id } = notification.params.read()?;
            let cancelled = state.canceller.complete(move |bus| {
                let (session, request_id) = (session.clone(), request_id.clone());
                async move {
                    // An unknown request may just have ended: nothing to do (2025-11-25, Cancellation).
                    for call in bus.cancel_calls(&session, &request_id).await? {
                        let (stream, entry) = (&call.stream, call.entry.as_ref());
                        bus.cancel_call(stream, entry, Era::Legacy).await?;
                    }
                    Ok(())
                }
            });
            cancelled.await?;
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
            let principal = &head.sender.principal;
            policy::check(state, principal, method, &notification.params).await?;
            state.admission.notification().await?;
            let version = session.protocol_version.clone();
            enqueue_notification(state, head, version, Some(session), notification).await?;
        }
    }
    Ok(accepted())
}

/// An answer to a question of a handler; it may arrive at any gateway.
async fn answered(
    state: &AppState,
    head: Head<'_>,
    response: &ClientResponse,
) -> Result<Response, Refused> {
    check_version(head.headers)?;
    let (session, _permit) = kept(state, head).await?;
    let posted = match question(&response.id) {
        Some(question) => {
            let (stream, raw) = (question.stream, response.raw.clone());
            let posted_before = AtomicBool::default();
            // A person may have answered, and will not be asked again.
            let posted = state.canceller.complete(move |bus| {
                let (session, raw) = (session.clone(), raw.clone());
                let before = posted_before.swap(true, Ordering::Relaxed);
                async move {
                    Ok(match bus.post_mail(&stream, &session, &raw).await? {
                        // The call may have ended with it.
                        Posted::NoSuchCall if before => Posted::Accepted,
                        posted => posted,
                    })
                }
            });
            posted.await?
        }
        None => Posted::NoSuchCall,
    };
    let refused = |reason: &str| Err(RequestError::NotAccepted(reason.to_owned()).into());
    match posted {
        Posted::Accepted => Ok(accepted()),
        Posted::NoSuchCall => refused("no running request of this session asked this question"),
        Posted::Full => refused("too many answers wait for this request"),
    }
}

fn question(id: &RawJson) -> Option<QuestionId> {
    id.read::<String>().ok()?.parse().ok()
}

/// Opens the session's stream of change notifications, or resumes any stream of the session.
pub(super) async fn get(state: AppState, head: Head<'_>) -> Result<Response, Refused> {
    check_accept(head.headers, &["text/event-stream"], "text/event-stream")?;
    check_version(head.headers)?;
    let id = session_id(head.headers)?;
    let permit = state.admission.stream(head.caller(Some(&id)))?;
    let session = session(&state, head).await?;
    let Some(last) = head.headers.get(LAST_EVENT_ID) else {
        return Ok(session_stream::open(&state, head.sender, session, None, permit).await?);
    };
    let malformed =
        || RequestError::NotAccepted("Last-Event-ID is not an event id of this server".to_owned());
    let last: Option<EventId> = last.to_str().ok().and_then(|last| last.parse().ok());
    let (stream, offset) = match last.ok_or_else(malformed)? {
        EventId::Feed(position) => {
            return Ok(
                session_stream::open(&state, head.sender, session, Some(position), permit).await?,
            );
        }
        EventId::Call { stream, offset } => (stream, offset),
    };
    let in_use = SessionUse::new(&state, &session);
    let held = state.hub.resume(stream, session.id, offset).await?;
    let held = held.ok_or(RequestError::NotResumable(
        "the stream is unknown here or no longer kept",
    ))?;
    let resumed = CallStream {
        held,
        lifetime: state.lifetime(head.sender),
        request_id: None,
        cancel: None,
        era: Era::Legacy,
        resumable: true,
        session: Some(in_use),
        _permit: permit,
    };
    Ok(resumed.into_sse(vec![sse::KEEP_ALIVE]))
}

/// Ends a session: its calls are cancelled, its streams close on every gateway.
pub(super) async fn delete(state: AppState, head: Head<'_>) -> Result<Response, Refused> {
    check_version(head.headers)?;
    let (session, caller) = (session_id(head.headers)?, head.sender.principal.clone());
    let _permit = state.admission.errand(head.caller(Some(&session)))?;
    let ended = state.canceller.complete(move |bus| {
        let (session, caller) = (session.clone(), caller.clone());
        async move {
            let running = bus.end_session(&session, &caller).await?;
            let running = running.ok_or(RequestError::SessionUnknown)?;
            let cancels = running.iter().map(|call| {
                let (stream, entry) = (&call.stream, call.entry.as_ref());
                bus.cancel_call(stream, entry, Era::Legacy)
            });
            try_join_all(cancels).await?;
            let ended = Change::SessionEnded {
                session: session.clone(),
            };
            bus.publish_change(&ended).await?;
            if let Err(error) = bus.forget_session(&session).await {
                tracing::debug!(%error, "what an ended session leaves waits for its time");
            }
            Ok(())
        }
    });
    ended.await?;
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// The session named in the headers, for its own principal. To any other it is unknown, like one that
/// never was.
pub(super) async fn session(state: &AppState, head: Head<'_>) -> Result<Session, RequestError> {
    let id = session_id(head.headers)?;
    Ok(touched(state, head, &id, None).await?.session)
}

/// The id of the session named in the headers, for its own principal, of which nothing is read. What is asked of it
/// takes a place in the caller's share.
async fn kept(state: &AppState, head: Head<'_>) -> Result<(SessionId, Permit), RequestError> {
    let id = session_id(head.headers)?;
    let permit = state.admission.errand(head.caller(Some(&id)))?;
    if !state.bus.keep_session(&id, &head.sender.principal).await? {
        return Err(RequestError::SessionUnknown);
    }
    Ok((id, permit))
}

async fn touched(
    state: &AppState,
    head: Head<'_>,
    id: &SessionId,
    begin: Option<&BeginCall>,
) -> Result<Touched, RequestError> {
    let caller = &head.sender.principal;
    let touched = state.bus.touch_session(id, caller, begin).await?;
    touched.ok_or(RequestError::SessionUnknown)
}

fn session_id(headers: &HeaderMap) -> Result<SessionId, RequestError> {
    let id = headers
        .get(SESSION_ID)
        .ok_or(RequestError::SessionMissing)?;
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    id.ok_or(RequestError::SessionUnknown)
}

/// Any revision of this era may be named, also another than the negotiated one: real clients do.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), RequestError> {
    match mirrored::protocol_version(headers) {
        Some(version) if !versions::is_served(version, Era::Legacy) => {
            Err(RequestError::unsupported_version(version))
        }
        _ => Ok(()),
    }
}
