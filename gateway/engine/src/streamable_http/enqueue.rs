//! Putting requests on the bus.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{CallRef, Era, RequestEnvelope};
use prynai_bus::wire::session::Session;
use prynai_bus::{BusError, Placed, RequestQueue, SessionStore};
use prynai_process::backoff::Backoff;
use tokio::sync::oneshot;

use crate::admission::Permit;
use crate::message::envelope::Notification;
use crate::message::handler_headers::headers_for_handler;
use crate::message::request_head::RequestHead;
use crate::metrics::metrics;
use crate::refusal::RequestError;
use crate::state::AppState;
use crate::streams::canceller::{CancelOnDrop, Canceller, ForgetOnDrop};
use crate::streams::detach_on_drop::DetachOnDrop;
use crate::streams::hub::HeldStream;

/// How long the session is tried to be told where its call lies.
const PLACING: Duration = Duration::from_secs(30);

/// Bytes of a notification that the bound of the queue is enough for.
const SMALL_NOTIFICATION: usize = 4 * 1024;

/// A call on the bus, and the stream of its events.
pub(super) struct Call {
    pub(super) held: HeldStream,
    /// Modern only.
    pub(super) cancel: Option<CancelOnDrop>,
    /// Legacy only: what happened to the call while it was being queued.
    pub(super) placed: Option<oneshot::Receiver<Placed>>,
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
}

/// Holds the stream, then queues the request: no event can be missed. The client may go away at any
/// time, so what is begun is ended without it: a modern request is cancelled once it is queued, a
/// legacy one is placed so that it can be. `begun` is what its session knows of it.
pub(super) async fn enqueue(
    state: &AppState,
    head: RequestHead<'_>,
    parts: CallParts,
    begun: Option<ForgetOnDrop>,
) -> Result<Call, RequestError> {
    let turn = state.turns.take().await?;
    let session = parts.session.as_ref().map(|session| session.id.clone());
    let mut held = state.hub.hold(parts.stream, session.clone());
    let envelope = envelope(state, head, parts);
    let state = state.clone();
    let tasks = state.canceller.tasks().clone();
    let queueing = async move {
        let (canceller, bus) = (&state.canceller, &state.bus);
        let RequestEnvelope { stream, era, .. } = envelope;
        let queued = bus.enqueue(&envelope).await;
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
        if let Some(mut begun) = begun {
            begun.disarm();
        }
        let call = CallRef { stream, entry };
        let entry = call.entry.clone();
        Ok(match session {
            // When nobody waits any more this is dropped, and thereby cancels.
            None => (entry, Some(canceller.clone().on_drop(call)), None),
            Some(session) => (entry, None, Some(place(state, session, call))),
        })
    };
    let (entry, cancel, placed) = DetachOnDrop::new(queueing, &tasks).await?;
    held.queued_as(entry);
    let admitted = head.operation.began().elapsed();
    metrics().admission.observe(admitted.as_secs_f64());
    Ok(Call {
        held,
        cancel,
        placed,
    })
}

/// Tells the session where its call lies, in a task of its own: the call may run meanwhile.
fn place(state: AppState, session: SessionId, call: CallRef) -> oneshot::Receiver<Placed> {
    let (tell, placed) = oneshot::channel();
    let tasks = state.canceller.tasks().clone();
    tasks.spawn(async move {
        let outcome = place_call(state.bus.as_ref(), &state.canceller, &session, call).await;
        // The client may be gone.
        let _: Result<(), Placed> = tell.send(outcome);
    });
    placed
}

/// Tells the session where its call lies, and wakes the worker if it was cancelled before that.
async fn place_call(
    sessions: &dyn SessionStore,
    canceller: &Canceller,
    session: &SessionId,
    call: CallRef,
) -> Placed {
    let mut backoff = Backoff::for_at_most(PLACING);
    loop {
        match sessions.place_call(session, &call).await {
            Ok(Placed::Running) => return Placed::Running,
            Ok(placed) => {
                canceller.cancel(call.stream, Some(call.entry), Era::Legacy);
                return placed;
            }
            // It may have run: to refuse it now would invite a second one.
            Err(error) if !backoff.pause().await => {
                tracing::warn!(%error, "could not note in a session where its call is queued; a cancel of this call will not wake its worker");
                return Placed::Running;
            }
            Err(_) => {}
        }
    }
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
        message,
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use prynai_bus::ids::{GatewayId, WorkerId};
    use prynai_bus::testing::{legacy_request, session};
    use prynai_bus::wire::principal::Principal;
    use prynai_bus::wire::signal::{Signal, SignalKind};
    use prynai_bus::{BeginCall, BegunCall, Bus, BusLimits, News, NewsReceiver};
    use prynai_memory_bus::MemoryBus;
    use tokio_util::sync::CancellationToken;

    use super::*;

    const LONG: Duration = Duration::from_secs(30);

    /// A call that a worker runs and whose place is not noted yet.
    struct Scene {
        bus: Arc<dyn Bus>,
        canceller: Canceller,
        session: SessionId,
        call: CallRef,
        signals: NewsReceiver<Signal>,
    }

    impl Scene {
        async fn new() -> Self {
            let bus: Arc<dyn Bus> = MemoryBus::new(BusLimits::default());
            let session = session(&SessionId::generate());
            bus.create_session(&session).await.unwrap();
            let begin = BeginCall {
                stream: StreamId::generate(),
                request_id: RawJson::parse("1").unwrap(),
            };
            let touched = bus.touch_session(&session.id, &session.principal, Some(&begin));
            let touched = touched.await;
            assert!(touched.unwrap().is_some_and(|touched| touched.has_room));

            let worker = WorkerId::generate();
            let signals = bus.signal_news(&worker).await.unwrap();
            let request = RequestEnvelope {
                stream: begin.stream,
                queued_at_ms: bus.now_ms(),
                ..legacy_request(&GatewayId::generate(), &session.id)
            };
            let entry = bus.enqueue(&request).await.unwrap();
            let never = CancellationToken::new();
            let claimed = bus.claim(&worker, 1, LONG, &never).await.unwrap();
            assert_eq!(claimed.len(), 1);
            Self {
                canceller: Canceller::new(bus.clone(), bus.clone()),
                bus,
                session: session.id,
                call: CallRef {
                    stream: begin.stream,
                    entry,
                },
                signals,
            }
        }

        async fn place(&self) -> Placed {
            let (bus, call) = (self.bus.as_ref(), self.call.clone());
            place_call(bus, &self.canceller, &self.session, call).await
        }

        async fn cancel(&self, call: &BegunCall) {
            let (stream, entry) = (&call.stream, call.entry.as_ref());
            let cancelled = self.bus.cancel_call(stream, entry, Era::Legacy).await;
            cancelled.unwrap();
        }

        async fn worker_is_told(&mut self) {
            let cancel = Signal::new(self.call.stream, SignalKind::Cancel);
            let told =
                async { while self.signals.recv().await != Some(News::Item(cancel.clone())) {} };
            let told = tokio::time::timeout(LONG, told).await;
            told.expect("the worker was not woken");
        }
    }

    #[tokio::test]
    async fn a_cancel_that_overtakes_the_queueing_reaches_the_worker() {
        let mut scene = Scene::new().await;
        let id = RawJson::parse("1").unwrap();
        let calls = scene.bus.note_cancel(&scene.session, &id).await.unwrap();
        for call in calls {
            scene.cancel(&call).await;
        }
        assert_eq!(scene.place().await, Placed::Cancelled);
        scene.worker_is_told().await;
    }

    #[tokio::test]
    async fn a_session_that_ends_during_the_queueing_cancels_the_call() {
        let mut scene = Scene::new().await;
        let calls = scene
            .bus
            .end_session(&scene.session, &Principal::anonymous())
            .await
            .unwrap();
        for call in calls.unwrap() {
            scene.cancel(&call).await;
        }
        assert_eq!(scene.place().await, Placed::SessionEnded);
        scene.worker_is_told().await;
    }

    #[tokio::test]
    async fn a_refused_call_is_forgotten() {
        let scene = Scene::new().await;
        let stream = scene.call.stream;
        drop(
            scene
                .canceller
                .forget_on_drop(scene.session.clone(), stream),
        );
        scene.canceller.tasks().close();
        scene.canceller.tasks().wait().await;
        let id = RawJson::parse("1").unwrap();
        let calls = scene.bus.note_cancel(&scene.session, &id).await.unwrap();
        assert_eq!(calls, []);
    }
}
