//! The tasks that a subscription hears of: each state once and in order, as far as it was there to be seen.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::task::{TaskNews, TaskSight};
use prynai_bus::{BusError, News, NewsReceiver, TaskStore, TaskWatch};
use tokio::time::{Instant, sleep, sleep_until};

/// After this time all are looked at, should news have been lost without notice, or a task be gone.
const PROBE: Duration = Duration::from_secs(60);

/// Pause before a task is read again after the bus was away.
const RETRY: Duration = Duration::from_millis(500);

/// The tasks that a subscription hears of.
pub(super) struct ListenedTasks {
    store: Arc<dyn TaskStore>,
    principal: String,
    news: NewsReceiver<TaskNews>,
    /// Those that may still change, with the version that was told last.
    told: HashMap<StreamId, Option<u64>>,
    /// Those of them that must be looked at.
    unread: VecDeque<StreamId>,
    probe_at: Instant,
}

impl ListenedTasks {
    /// Those of these that are the principal's, and their names. Every later change is sure to be heard, and what each
    /// is now is told first.
    pub(super) async fn of(
        store: Arc<dyn TaskStore>,
        names: &[StreamId],
        principal: &str,
    ) -> Result<(Self, Vec<StreamId>), BusError> {
        let TaskWatch { names, news } = store.watch(names, principal).await?;
        let tasks = Self {
            store,
            principal: principal.to_owned(),
            news,
            told: names.iter().map(|name| (*name, None)).collect(),
            unread: names.iter().copied().collect(),
            probe_at: Instant::now() + PROBE,
        };
        Ok((tasks, names))
    }

    /// What a task is now, if that has not been told. May be dropped and called again without loss.
    pub(super) async fn next(&mut self) -> (StreamId, TaskSight) {
        loop {
            while let Some(&name) = self.unread.front() {
                match self.store.task(&name, &self.principal).await {
                    Ok(Some(task)) => {
                        self.unread.pop_front();
                        if self.is_new(&name, &task) {
                            return (name, task);
                        }
                    }
                    // Its time is over.
                    Ok(None) => {
                        self.unread.pop_front();
                        self.told.remove(&name);
                    }
                    Err(error) if error.is_passing() => {
                        tracing::debug!(stream = %name, %error, "cannot read a task; trying again");
                        sleep(RETRY).await;
                    }
                    // The others shall not suffer for it. It is looked at again with all of them.
                    Err(error) => {
                        self.unread.pop_front();
                        tracing::warn!(
                            stream = %name,
                            %error,
                            "cannot read a task that a client listens to; it is told nothing of it for now"
                        );
                    }
                }
            }
            if self.told.is_empty() {
                // All have ended, or there were none.
                std::future::pending::<()>().await;
            }
            tokio::select! {
                news = self.news.recv() => match news {
                    Some(News::Item(TaskNews { name, sight: Some(task) })) => {
                        if self.is_new(&name, &task) {
                            return (name, task);
                        }
                    }
                    Some(News::Item(TaskNews { name, sight: None })) => self.look_at(name),
                    Some(News::Gap) => self.look_at_all(),
                    // The bus is gone, and with it this process.
                    None => std::future::pending().await,
                },
                () = sleep_until(self.probe_at) => self.look_at_all(),
            }
        }
    }

    /// Whether it has not been told; it counts as told then.
    fn is_new(&mut self, name: &StreamId, task: &TaskSight) -> bool {
        let Some(told) = self.told.get_mut(name) else {
            return false;
        };
        // A Redis that lost its newest writes may count anew. What has ended is told once in any case.
        if !task.has_ended() && told.is_some_and(|told| told >= task.version) {
            return false;
        }
        *told = Some(task.version);
        if task.has_ended() {
            self.told.remove(name);
        }
        true
    }

    fn look_at(&mut self, name: StreamId) {
        if self.told.contains_key(&name) && !self.unread.contains(&name) {
            self.unread.push_back(name);
        }
    }

    fn look_at_all(&mut self) {
        self.probe_at = Instant::now() + PROBE;
        self.unread = self.told.keys().copied().collect();
    }
}
