//! What must be done to its end although its client is gone: cancels above all.

use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{CallRef, Era};
use prynai_bus::wire::session::Session;
use prynai_bus::{BusError, SessionStore, SignalChannel};
use prynai_process::backoff::Backoff;
use tokio::sync::Semaphore;
use tokio_util::task::TaskTracker;

use crate::refusal::RequestError;

/// How long a cancel is tried while the bus is away.
const PATIENCE: Duration = Duration::from_secs(30);

/// How long a client waits for what is done to its end in any case. Longer than one call of the bus, so that it hears
/// of a second attempt.
const WAITED_FOR: Duration = Duration::from_secs(2);

/// Steps taken on the bus at a time, so that each ends before its deadline when a thousand clients are lost at once.
const AT_A_TIME: usize = 128;

/// Cancels calls in tasks of their own, which a stopping gateway waits for. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Canceller {
    sessions: Arc<dyn SessionStore>,
    signals: Arc<dyn SignalChannel>,
    tasks: TaskTracker,
    at_bus: Arc<Semaphore>,
}

/// Cancels a modern call when it is dropped before the answer was delivered: the broken connection is
/// the cancel (2026-07-28, Streamable HTTP, Cancellation).
pub(crate) struct CancelOnDrop {
    canceller: Canceller,
    call: Option<CallRef>,
}

impl Canceller {
    pub(crate) fn new(sessions: Arc<dyn SessionStore>, signals: Arc<dyn SignalChannel>) -> Self {
        Self {
            sessions,
            signals,
            tasks: TaskTracker::new(),
            at_bus: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// Tasks that go on when their client is gone.
    pub(crate) fn tasks(&self) -> &TaskTracker {
        &self.tasks
    }

    /// Cancels a modern call unless it is disarmed.
    pub(crate) fn on_drop(self, call: CallRef) -> CancelOnDrop {
        CancelOnDrop {
            canceller: self,
            call: Some(call),
        }
    }

    /// Cancels a call whose client is gone, also while the bus is away; one that has become a task needs none. Without
    /// its `entry` nobody knows whether it was queued: its client was refused and will send it again.
    pub(crate) fn cancel(&self, stream: StreamId, entry: Option<EntryId>, era: Era) {
        let otherwise = "could not cancel a call, so it runs to its end";
        let signals = self.signals.clone();
        self.keep_trying(stream, otherwise, move || {
            let (signals, entry) = (signals.clone(), entry.clone());
            async move { signals.abandon_call(&stream, entry.as_ref(), era).await }
        });
    }

    /// Cancels the calls of a legacy session that have this request id. An unknown request may just have ended: nothing
    /// to do (2025-11-25, Cancellation).
    ///
    /// # Errors
    ///
    /// As [`Canceller::complete`].
    pub(crate) async fn cancel_request(
        &self,
        session: SessionId,
        request_id: RawJson,
    ) -> Result<(), RequestError> {
        let (sessions, signals) = (self.sessions.clone(), self.signals.clone());
        let cancelled = self.complete(move || {
            let (sessions, signals) = (sessions.clone(), signals.clone());
            let (session, request_id) = (session.clone(), request_id.clone());
            async move {
                for call in sessions.find_calls(&session, &request_id).await? {
                    let (stream, entry) = (&call.stream, Some(&call.entry));
                    signals.cancel_call(stream, entry, Era::Legacy).await?;
                }
                Ok(())
            }
        });
        cancelled.await
    }

    /// Ends a session that may have been opened although its client was refused.
    pub(crate) fn take_back(&self, session: Session) {
        let otherwise =
            "could not end a session whose initialize was refused; it ends when it has been idle";
        let sessions = self.sessions.clone();
        self.keep_trying(session.id.clone(), otherwise, move || {
            let (sessions, session) = (sessions.clone(), session.clone());
            async move {
                if sessions
                    .end_session(&session.id, &session.principal)
                    .await?
                    .is_some()
                {
                    sessions.forget_session(&session.id).await?;
                }
                Ok(())
            }
        });
    }

    /// Does something to its end, also when its client does not wait for it: while the bus is away it is tried
    /// again from its beginning. Every step must be one that may be repeated. The caller waits for a moment only.
    ///
    /// # Errors
    ///
    /// Those of the steps; while the bus is away for longer, that it is.
    pub(crate) async fn complete<T, F>(
        &self,
        steps: impl Fn() -> F + Send + 'static,
    ) -> Result<T, RequestError>
    where
        T: Send + 'static,
        F: Future<Output = Result<T, RequestError>> + Send,
    {
        let done = self.tasks.spawn(async move {
            let mut backoff = Backoff::for_at_most(PATIENCE);
            loop {
                match steps().await {
                    Err(RequestError::Bus(error)) if error.is_passing() => {
                        if !backoff.pause().await {
                            return Err(error.into());
                        }
                    }
                    decided => return decided,
                }
            }
        });
        match tokio::time::timeout(WAITED_FOR, done).await {
            Ok(done) => done.unwrap_or(Err(RequestError::AnswerLost)),
            Err(_) => Err(BusError::Unavailable("no answer in time".to_owned()).into()),
        }
    }

    /// Tries again while the bus is away. When that is for too long, the log says what of what was not done.
    fn keep_trying<F>(
        &self,
        of: impl Display + Send + 'static,
        otherwise: &'static str,
        step: impl Fn() -> F + Send + 'static,
    ) where
        F: Future<Output = Result<(), BusError>> + Send,
    {
        let at_bus = self.at_bus.clone();
        self.tasks.spawn(async move {
            let mut backoff = Backoff::for_at_most(PATIENCE);
            loop {
                // Nobody closes the semaphore.
                let turn = at_bus.acquire().await;
                let stepped = step().await;
                drop(turn);
                let Err(error) = stepped else { break };
                if !backoff.pause().await {
                    tracing::warn!(%error, %of, "{otherwise}");
                    break;
                }
            }
        });
    }
}

impl CancelOnDrop {
    /// Cancels the call at once, although it has become a task: its client will not hear of that.
    pub(crate) fn cancel_task(&mut self) {
        if let Some(CallRef { stream, entry }) = self.call.take() {
            let otherwise =
                "could not cancel a task that its client was not told of, so it runs to its end";
            let signals = self.canceller.signals.clone();
            self.canceller.keep_trying(stream, otherwise, move || {
                let (signals, entry) = (signals.clone(), entry.clone());
                async move {
                    signals
                        .cancel_call(&stream, Some(&entry), Era::Modern)
                        .await
                }
            });
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
            self.canceller
                .cancel(call.stream, Some(call.entry), Era::Modern);
        }
    }
}
