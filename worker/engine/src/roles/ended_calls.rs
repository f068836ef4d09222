//! Takes ended calls out of their session's list of calls, so that only those that run count there. Where a caller has
//! too many logs, lets them expire soon.

use std::sync::Arc;

use futures::future::join_all;
use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::{EventLog, SessionStore};
use tokio::sync::mpsc;

use crate::call::ending::Ending;

/// Ended calls that wait to be forgotten. Beyond it they stay in their session's list until the session ends.
const WAITING: usize = 4096;

/// Ended calls forgotten at once.
const BATCH: usize = 64;

/// Where the finisher notes ended calls; it never waits for this.
#[derive(Debug, Clone)]
pub(crate) struct EndedCalls(mpsc::Sender<EndedCall>);

/// A call of a session that has ended.
#[derive(Debug)]
struct EndedCall {
    session: SessionId,
    stream: StreamId,
    /// Its log ends soon.
    brief: bool,
}

/// Forgets ended calls.
pub(crate) struct Forgetter {
    logs: Arc<dyn EventLog>,
    sessions: Arc<dyn SessionStore>,
    ended: mpsc::Receiver<EndedCall>,
}

impl EndedCalls {
    /// A list and the role that works it off.
    pub(crate) fn new(
        logs: Arc<dyn EventLog>,
        sessions: Arc<dyn SessionStore>,
    ) -> (Self, Forgetter) {
        let (sender, ended) = mpsc::channel(WAITING);
        let forgetter = Forgetter {
            logs,
            sessions,
            ended,
        };
        (Self(sender), forgetter)
    }

    /// Notes calls that ended; those of the modern era belong to no session.
    pub(crate) fn note(&self, endings: impl IntoIterator<Item = Ending>) {
        for ending in endings {
            let owner = ending.finish.ownership;
            let ended = owner.session.map(|session| EndedCall {
                session,
                stream: owner.stream,
                brief: ending.brief,
            });
            if ended.is_some_and(|ended| self.0.try_send(ended).is_err()) {
                tracing::debug!(
                    "too many ended calls wait; one stays in its session's list of calls"
                );
            }
        }
    }
}

impl Forgetter {
    /// Runs until the finisher has ended.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.ended.recv_many(&mut batch, BATCH).await > 0 {
            let forgotten = join_all(batch.drain(..).map(|ended| {
                let (logs, sessions) = (Arc::clone(&self.logs), Arc::clone(&self.sessions));
                async move {
                    if ended.brief {
                        logs.keep_briefly(&ended.stream).await?;
                    }
                    sessions.forget_call(&ended.session, &ended.stream).await
                }
            }));
            for error in forgotten.await.into_iter().filter_map(Result::err) {
                tracing::debug!(%error, "an ended call stays in its session's list of calls");
            }
        }
    }
}
