//! The session that a request of the legacy era names, and the revision.

use axum::http::{HeaderMap, HeaderName};
use prynai_bus::ids::SessionId;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::session::Session;

use crate::admission::Permit;
use crate::admission::turns::Turn;
use crate::message::request_head::RequestHead;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::versions;

/// The header that names the session.
pub(super) static SESSION_ID: HeaderName = HeaderName::from_static("mcp-session-id");

/// The session named in the headers, for its own principal. To any other it is unknown, like one that
/// never was.
pub(super) async fn session(
    state: &AppState,
    head: RequestHead<'_>,
) -> Result<Session, RequestError> {
    let id = session_id(head.headers)?;
    let turn = state.turns.take().await?;
    let touch = || state.bus.touch_session(&id, &head.caller.principal);
    let session = turn.step(touch).await?;
    session.ok_or(RequestError::SessionUnknown)
}

/// The id of the session named in the headers, for its own principal, of which nothing is read. What is asked of it
/// takes a place in the caller's share.
pub(super) async fn kept(
    state: &AppState,
    head: RequestHead<'_>,
) -> Result<(SessionId, Permit), RequestError> {
    let id = session_id(head.headers)?;
    let permit = state.admission.errand(head.share(Some(&id)))?;
    if !state.bus.keep_session(&id, &head.caller.principal).await? {
        return Err(RequestError::SessionUnknown);
    }
    Ok((id, permit))
}

/// The session of this id, for its own principal and a call that is queued in the same turn, which finds out whether it
/// lives.
pub(super) async fn recalled(
    state: &AppState,
    head: RequestHead<'_>,
    id: &SessionId,
    turn: &Turn,
) -> Result<Session, RequestError> {
    let recall = || state.bus.recall_session(id, &head.caller.principal);
    let session = turn.step(recall).await?;
    session.ok_or(RequestError::SessionUnknown)
}

/// The id of the session named in the headers.
pub(super) fn session_id(headers: &HeaderMap) -> Result<SessionId, RequestError> {
    let id = headers
        .get(&SESSION_ID)
        .ok_or(RequestError::SessionMissing)?;
    let id = id.to_str().ok().and_then(|id| id.parse().ok());
    id.ok_or(RequestError::SessionUnknown)
}

/// Any revision of this era may be named, also another than the negotiated one: real clients do.
pub(super) fn check_version(headers: &HeaderMap) -> Result<(), RequestError> {
    match versions::in_header(headers) {
        Some(version) if !versions::is_served(version, Era::Legacy) => {
            Err(RequestError::unsupported_version(version))
        }
        _ => Ok(()),
    }
}
