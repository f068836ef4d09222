//! Putting requests on the bus.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{CallRef, Era, RequestEnvelope};
use prynai_bus::wire::session::Session;
use prynai_bus::{BusError, RequestQueue};
use prynai_process::backoff::Backoff;

use crate::admission::Permit;
use crate::admission::turns::Turn;
use crate::message::envelope::Notification;
use crate::message::handler_headers::headers_for_handler;
use crate::message::request_head::RequestHead;
use crate::metrics::metrics;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::canceller::CancelOnDrop;
use crate::streams::detach_on_drop::DetachOnDrop;
use crate::streams::hub::HeldStream;

/// Bytes of a notification that the bound of the queue is enough for.
const SMALL_NOTIFICATION: usize = 4 * 1024;

/// A call on the bus, and the stream of its events.
pub(super) struct Call {
    pub(super) held: HeldStream,
    /// Modern only.
    pub(super) cancel: Option<CancelOnDrop>,
}

/// What a call is made of.
pub(super) struct CallParts {
    pub(super) stream: StreamId,
    pub(super) era: Era,
    pub(super) protocol_version: String,
    pub(super) target: Option<String>,
    /// How long the client lets it wait, if it says so.
    pub(super) timeout: Option<Duration>,
    pub(super) request_id: Option<RawJson>,
    pub(super) method: String,
    pub(super) message: RawJson,
    pub(super) session: Option<Session>,
    /// The client takes a task in place of the answer.
    pub(super) takes_task: bool,
}

/// Holds the stream, then queues the request: no event can be missed. The client may go away at any
/// time: a modern request is then cancelled once it is queued. A legacy one is found by its session as
/// soon as it is queued.
pub(super) async fn enqueue(
    state: &AppState,
    head: RequestHead<'_>,
    parts: CallParts,
    turn: Turn,
) -> Result<Call, RequestError> {
    let session = parts.session.as_ref().map(|session| session.id.clone());
    let mut held = state.hub.hold(parts.stream, session);
    if parts.takes_task {
        held.takes_task();
    }
    let envelope = envelope(state, head, parts);
    let state = state.clone();
    let tasks = state.canceller.tasks().clone();
    let queueing = async move {
        let (canceller, bus) = (&state.canceller, &state.bus);
        let RequestEnvelope { stream, era, .. } = envelope;
        let queued = match era {
            Era::Modern => bus.enqueue(&envelope).await,
            Era::Legacy => bus.enqueue_call(&envelope).await,
        };
        drop(turn);
        let entry = match queued {
            Ok(entry) => entry,
            Err(error) => {
                if matches!(error, BusError::Unanswered(_)) {
                    canceller.cancel(stream, None, era);
                }
                return Err(error);
            }
        };
        // When nobody waits any more this is dropped, and thereby cancels.
        let cancel = (era == Era::Modern).then(|| {
            let entry = entry.clone();
            canceller.clone().on_drop(CallRef { stream, entry })
        });
        Ok((entry, cancel))
    };
    let queued = DetachOnDrop::new(queueing, &tasks).await;
    let (entry, cancel) = queued.map_err(|error| match error {
        BusError::SessionEnded => RequestError::SessionUnknown,
        BusError::Full { .. } => RequestError::SessionBusy,
        error => error.into(),
    })?;
    held.queued_as(entry);
    head.operation.queued_as(held.id());
    let admitted = head.operation.began().elapsed();
    metrics().admission.observe(admitted.as_secs_f64());
    Ok(Call { held, cancel })
}

/// Queues a notification, which nobody answers; in the legacy era it has a session.
pub(super) async fn enqueue_notification(
    state: &AppState,
    head: RequestHead<'_>,
    protocol_version: String,
    session: Option<Session>,
    notification: &Notification,
) -> Result<(), RequestError> {
    let _turn = state.turns.take().await?;
    let parts = CallParts {
        stream: StreamId::generate(),
        era: session.as_ref().map_or(Era::Modern, |_| Era::Legacy),
        protocol_version,
        target: None,
        timeout: None,
        request_id: None,
        method: notification.method.clone(),
        message: notification.raw.clone(),
        session,
        takes_task: false,
    };
    let envelope = envelope(state, head, parts);
    let bytes = envelope.message.as_str().len();
    let permit = match bytes > SMALL_NOTIFICATION {
        true => Some(state.admission.bytes(head.share(None), bytes)?),
        false => None,
    };
    let queued = state.bus.enqueue(&envelope).await;
    if matches!(queued, Err(BusError::Unanswered(_))) {
        state.canceller.cancel(envelope.stream, None, envelope.era);
    }
    let entry = queued?;
    if let Some(permit) = permit {
        tokio::spawn(hold_while_pending(state.bus.clone(), entry, permit));
    }
    Ok(())
}

/// Keeps what a notification takes of its caller's share until it has left the queue. Nobody is told when
/// that is, so it asks.
async fn hold_while_pending(queue: Arc<dyn RequestQueue>, entry: EntryId, permit: Permit) {
    let mut backoff = Backoff::endless();
    while !matches!(queue.is_pending(&entry).await, Ok(false)) {
        backoff.pause().await;
    }
    drop(permit);
}

fn envelope(state: &AppState, head: RequestHead<'_>, parts: CallParts) -> RequestEnvelope {
    let CallParts {
        stream,
        era,
        protocol_version,
        target,
        timeout,
        request_id,
        method,
        message,
        session,
        takes_task,
    } = parts;
    let now = state.bus.now_ms();
    let most = state.settings.limits.request_timeout;
    let timeout = timeout.map_or(most, |timeout| timeout.min(most));
    let principal = &head.caller.principal;
    RequestEnvelope {
        stream,
        holder: state.hub.gateway().clone(),
        era,
        protocol_version,
        visible: state.policy.visible(principal, &method),
        method,
        name: target,
        request_id,
        principal: principal.clone(),
        session: session.map(|session| Session {
            // As this request's token describes the caller: the stored one may be out of date.
            principal: head.caller.principal.clone(),
            ..session
        }),
        headers: headers_for_handler(head.headers),
        queued_at_ms: now,
        deadline_ms: Some(now.saturating_add(millis(timeout))),
        trace: head.operation.trace(),
        trace_state: head.operation.trace_state().cloned(),
        rule: head.operation.rule().map(str::to_owned),
        takes_task,
        again: false,
        message,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
