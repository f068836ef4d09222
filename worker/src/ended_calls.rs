//! Takes ended calls out of their sessions' books, so that only calls that run count there.

use std::sync::Arc;

use futures::future::join_all;
use prynai_shared::bus::Bus;
use prynai_shared::ids::{SessionId, StreamId};
use tokio::sync::mpsc;

use crate::finisher::Ending;

/// Ended calls that wait to be forgotten. Beyond it they stay in the books until their session ends.
const WAITING: usize = 4096;

/// Ended calls forgotten at once.
const BATCH: usize = 64;

/// Where the finisher notes ended calls; it never waits for this.
#[derive(Debug, Clone)]
pub(crate) struct EndedCalls(mpsc::Sender<(SessionId, StreamId)>);

/// Forgets ended calls.
pub(crate) struct Forgetter {
    bus: Arc<dyn Bus>,
    ended: mpsc::Receiver<(SessionId, StreamId)>,
}

impl EndedCalls {
    /// A list and the role that works it off.
    pub(crate) fn new(bus: Arc<dyn Bus>) -> (Self, Forgetter) {
        let (sender, ended) = mpsc::channel(WAITING);
        (Self(sender), Forgetter { bus, ended })
    }

    /// Notes calls that ended; those of the modern era belong to no session.
    pub(crate) fn note(&self, endings: impl IntoIterator<Item = Ending>) {
        for ending in endings {
            let owner = ending.finish.ownership;
            if let Some(session) = owner.session
                && self.0.try_send((session, owner.stream)).is_err()
            {
                tracing::debug!("an ended call stays in its session's books");
            }
        }
    }
}

impl Forgetter {
    /// Runs until the finisher has ended.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.ended.recv_many(&mut batch, BATCH).await > 0 {
            let forgotten = join_all(batch.drain(..).map(|(session, stream)| {
                let bus = Arc::clone(&self.bus);
                async move { bus.forget_call(&session, &stream).await }
            }));
            for error in forgotten.await.into_iter().filter_map(Result::err) {
                tracing::debug!(%error, "an ended call stays in its session's books");
            }
        }
    }
}
