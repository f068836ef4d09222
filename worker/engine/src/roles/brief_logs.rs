//! Lets the logs of ended calls expire soon where their caller has too many.

use std::sync::Arc;

use futures::future::join_all;
use prynai_bus::EventLog;
use prynai_bus::ids::StreamId;
use tokio::sync::mpsc;

use crate::call::ending::Ending;

/// Logs that wait for this. Beyond it they stay for as long as any other.
const WAITING: usize = 4096;

/// Logs seen to at once.
const BATCH: usize = 64;

/// Where the finisher notes ended calls; it never waits for this.
#[derive(Debug, Clone)]
pub(crate) struct BriefLogs(mpsc::Sender<StreamId>);

/// Lets the noted logs expire soon.
pub(crate) struct Shortener {
    logs: Arc<dyn EventLog>,
    ended: mpsc::Receiver<StreamId>,
}

impl BriefLogs {
    /// A list and the role that works it off.
    pub(crate) fn new(logs: Arc<dyn EventLog>) -> (Self, Shortener) {
        let (sender, ended) = mpsc::channel(WAITING);
        (Self(sender), Shortener { logs, ended })
    }

    /// Notes those of these ended calls whose logs are to be brief. A modern log needs no note: its gateway deletes it.
    pub(crate) fn note(&self, endings: impl IntoIterator<Item = Ending>) {
        let brief = endings.into_iter().filter(|ending| ending.brief);
        for owner in brief.map(|ending| ending.finish.ownership) {
            if owner.session.is_some() && self.0.try_send(owner.stream).is_err() {
                tracing::debug!(
                    "too many ended calls wait; the log of one stays for as long as any other"
                );
            }
        }
    }
}

impl Shortener {
    /// Runs until the finisher has ended.
    pub(crate) async fn run(mut self) {
        let mut batch = Vec::with_capacity(BATCH);
        while self.ended.recv_many(&mut batch, BATCH).await > 0 {
            let shortened = batch.iter().map(|stream| self.logs.keep_briefly(stream));
            for error in join_all(shortened)
                .await
                .into_iter()
                .filter_map(Result::err)
            {
                tracing::debug!(%error, "the log of an ended call stays for as long as any other");
            }
            batch.clear();
        }
    }
}
