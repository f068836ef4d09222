//! Putting requests on the bus.

use axum::http::HeaderMap;
use prynai_shared::bus::{Bus, BusError, LogState};
use prynai_shared::clock::unix_millis;
use prynai_shared::ids::{SessionId, StreamId};
use prynai_shared::wire::message::RawJson;
use prynai_shared::wire::request::{CallRef, Era, Principal, RequestEnvelope};
use prynai_shared::wire::session::Session;
use tokio::sync::oneshot;

use crate::canceller::CancelOnDrop;
use crate::envelope::{Notification, headers_for_handler};
use crate::hub::HeldStream;
use crate::state::AppState;

/// A call on the bus, and the stream of its events.
pub(super) struct Call {
    pub(super) held: HeldStream,
    pub(super) reference: CallRef,
    /// Modern only.
    pub(super) cancel: Option<CancelOnDrop>,
    /// Legacy only: whether a cancel will find the call; `false` when the session has ended.
    pub(super) recorded: oneshot::Receiver<Result<bool, BusError>>,
}

/// What a call is made of.
pub(super) struct CallParts {
    pub(super) era: Era,
    pub(super) protocol_version: String,
    pub(super) target: Option<String>,
    pub(super) request_id: Option<RawJson>,
    pub(super) method: String,
    pub(super) message: RawJson,
    pub(super) session: Option<Session>,
}

/// Holds the stream, then queues the request: no event can be missed. The client may go away at any
/// time, so the rest is not left to the task that answers it: a modern request is cancelled once it
/// is queued, a legacy one is recorded so that it can be.
pub(super) async fn enqueue(
    state: &AppState,
    headers: &HeaderMap,
    parts: CallParts,
) -> Result<Call, BusError> {
    let stream = StreamId::generate();
    let session = parts.session.as_ref().map(|session| session.id.clone());
    let held = state.hub.hold(stream, session.clone());
    let envelope = envelope(state, stream, headers, parts);
    let (queued, outcome) = oneshot::channel();
    let (noted, recorded) = oneshot::channel();
    let canceller = state.canceller.clone();
    let bus = state.bus.clone();
    state.canceller.tasks().spawn(async move {
        let entry = match bus.enqueue(&envelope).await {
            Ok(entry) => entry,
            Err(error) => {
                if matches!(error, BusError::Unavailable(_)) {
                    canceller.withdraw(stream, envelope.era);
                }
                return drop(queued.send(Err(error)));
            }
        };
        let reference = CallRef { stream, entry };
        let modern = envelope.era == Era::Modern;
        let cancel = modern.then(|| canceller.clone().on_drop(reference.clone()));
        // When nobody waits any more this drops what was to be sent, and thereby cancels.
        drop(queued.send(Ok((reference.clone(), cancel))));
        if let (Some(session), Some(request_id)) = (session, &envelope.request_id) {
            let done = bus.record_call(&session, request_id, &reference).await;
            if matches!(done, Ok(false)) {
                // Its session ended meanwhile without knowing of it: nobody else cancels it.
                canceller.cancel(reference, envelope.era);
            }
            if noted.send(done).is_err() {
                forget_if_over(bus.as_ref(), &session, &stream).await;
            }
        }
    });
    let lost = |_| BusError::Unexpected("the request was not queued".to_owned());
    let (reference, cancel) = outcome.await.map_err(lost)??;
    Ok(Call {
        held,
        reference,
        cancel,
        recorded,
    })
}

/// A call may be over before it is recorded; then its worker has forgotten it already. As a rule the
/// task that answers the client notes the end, but here there is none any more.
async fn forget_if_over(bus: &dyn Bus, session: &SessionId, stream: &StreamId) {
    let over = match bus.read_log(stream, Some(session), 0).await {
        Ok(log) => log.is_some_and(|log| log.state != LogState::Open),
        Err(_) => false,
    };
    if over && let Err(error) = bus.forget_call(session, stream).await {
        tracing::debug!(%error, "an ended call stays in its session's books");
    }
}

/// Queues a notification, which nobody answers; in the legacy era it has a session.
pub(super) async fn enqueue_notification(
    state: &AppState,
    headers: &HeaderMap,
    protocol_version: String,
    session: Option<Session>,
    notification: &Notification,
) -> Result<(), BusError> {
    let parts = CallParts {
        era: session.as_ref().map_or(Era::Modern, |_| Era::Legacy),
        protocol_version,
        target: None,
        request_id: None,
        method: notification.method.clone(),
        message: notification.raw.clone(),
        session,
    };
    let envelope = envelope(state, StreamId::generate(), headers, parts);
    state.bus.enqueue(&envelope).await.map(drop)
}

fn envelope(
    state: &AppState,
    stream: StreamId,
    headers: &HeaderMap,
    parts: CallParts,
) -> RequestEnvelope {
    let CallParts {
        era,
        protocol_version,
        target,
        request_id,
        method,
        message,
        session,
    } = parts;
    RequestEnvelope {
        stream,
        holder: state.hub.gateway().clone(),
        era,
        protocol_version,
        method,
        name: target,
        request_id,
        principal: Principal::anonymous(),
        session: session.map(|session| Session {
            subscriptions: Default::default(),
            ..session
        }),
        headers: headers_for_handler(headers),
        queued_at_ms: unix_millis(),
        deadline_ms: None,
        message,
    }
}
