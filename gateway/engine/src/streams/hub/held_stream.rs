//! One stream, read in order and without holes, however its news arrives.

use std::borrow::Cow;
use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{EntryId, GatewayId, SessionId, StreamId};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::{BusError, LogPage, LogState};
use prynai_process::mutation::Mutation;
use serde::Deserialize;
use tokio_util::task::AbortOnDropHandle;

use crate::metrics::metrics;
use crate::metrics::open::Open;

use super::registry::{Inbox, Registry, Wake};

/// After this silence the log is read, should news have been lost without notice.
pub(super) const PROBE: Duration = Duration::from_secs(10);

/// Pause before the log is read again after the bus was away.
const RETRY: Duration = Duration::from_millis(500);

/// Bytes of a response that names a task, at most: an id of a request, and what is the same in all of them.
const LONGEST_HANDLE: usize = 4096;

/// One stream, read in order and without holes.
pub(crate) struct HeldStream {
    registry: Arc<Registry>,
    stream: StreamId,
    session: Option<SessionId>,
    inbox: Arc<Inbox>,
    pub(super) ready: VecDeque<StreamEvent>,
    delivered: u64,
    /// Pauses after this offset close the connection; those before closed an earlier one. Without it none does.
    closes_at_pauses_after: Option<u64>,
    log_seen: bool,
    /// Where the request lies in the queue, if it was queued here.
    entry: Option<EntryId>,
    must_read: bool,
    ended: bool,
    /// The response may name a task, whichever way.
    takes_task: bool,
    /// The task that the next event names is being looked after until its client may be told of it.
    settling: Option<AbortOnDropHandle<Result<bool, BusError>>>,
    _open: Open,
}

/// Why a stream has no more events before its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Broken {
    /// Events or the whole log are gone: the outcome is unknown.
    Lost,
    /// Another connection reads the stream now.
    Replaced,
    /// Nobody can promise that the task will be there that the next event names: the client is not to hear of it.
    TaskNotSettled,
}

impl HeldStream {
    pub(super) fn new(
        registry: Arc<Registry>,
        stream: StreamId,
        session: Option<SessionId>,
        inbox: Arc<Inbox>,
    ) -> Self {
        Self {
            registry,
            stream,
            session,
            inbox,
            ready: VecDeque::new(),
            delivered: 0,
            closes_at_pauses_after: None,
            log_seen: false,
            entry: None,
            must_read: false,
            ended: false,
            takes_task: false,
            settling: None,
            _open: Open::new(&metrics().calls),
        }
    }

    /// Goes on after an event that was delivered elsewhere; `newest` is the newest one in the log.
    pub(super) async fn resume(
        &mut self,
        after: u64,
        newest: u64,
    ) -> Result<Result<(), Broken>, BusError> {
        self.delivered = after;
        self.log_seen = true;
        self.closes_at_pauses_after = Some(newest);
        self.read_log().await
    }

    /// Whether the client has heard all that there ever will be. A pause that does not close its connection says
    /// nothing to it.
    pub(super) fn is_over(&self) -> bool {
        let cancelled = |last: &StreamEvent| last.kind == EventKind::Cancelled;
        let untold = |event: &StreamEvent| event.message.is_none();
        self.ended || (self.ready.back().is_some_and(cancelled) && self.ready.iter().all(untold))
    }

    /// The stream's name.
    pub(crate) fn id(&self) -> StreamId {
        self.stream
    }

    /// The request is in the queue: from now on it is noticed when it is lost there.
    pub(crate) fn queued_as(&mut self, entry: EntryId) {
        self.entry = Some(entry);
    }

    /// The client takes a task in place of the response.
    pub(crate) fn takes_task(&mut self) {
        self.takes_task = true;
    }

    /// Lets pauses through, for a client that comes back when its connection is closed.
    pub(crate) fn close_at_pauses(&mut self) {
        self.closes_at_pauses_after.get_or_insert(0);
    }

    /// Whether the client comes back when its connection is closed.
    pub(crate) fn client_comes_back(&self) -> bool {
        self.closes_at_pauses_after.is_some()
    }

    fn closes_at(&self, pause: &StreamEvent) -> bool {
        self.closes_at_pauses_after
            .is_some_and(|after| pause.offset > after)
    }

    /// Makes the log exist, so that a client may resume from here and a lost log is noticed.
    pub(crate) async fn open_log(&mut self, era: Era) -> Result<(), BusError> {
        if !self.log_seen {
            self.registry
                .log
                .open_log(
                    &self.stream,
                    &self.registry.gateway,
                    self.session.as_ref(),
                    era,
                )
                .await?;
            self.log_seen = true;
        }
        Ok(())
    }

    /// The next event; `None` after the one that ends the stream. May be dropped and called again
    /// without loss.
    pub(crate) async fn next(&mut self) -> Option<Result<StreamEvent, Broken>> {
        while !self.ended {
            if let Some(name) = self.unsettled() {
                if let Err(broken) = self.settle(name).await {
                    self.ended = true;
                    return Some(Err(broken));
                }
                self.takes_task = false;
            }
            if let Some(event) = self.take_ready() {
                return Some(Ok(event));
            }
            let heard = if self.must_read {
                self.catch_up().await
            } else {
                self.hear().await
            };
            if let Err(broken) = heard {
                self.ended = true;
                return Some(Err(broken));
            }
        }
        None
    }

    /// The next event, if it is here already.
    pub(crate) fn next_now(&mut self) -> Option<StreamEvent> {
        while !self.ended {
            if self.unsettled().is_some() {
                break;
            }
            if let Some(event) = self.take_ready() {
                return Some(event);
            }
            if self.must_read {
                break;
            }
            let wake = self.inbox.next_now()?;
            self.hear_of(wake);
        }
        None
    }

    /// The task that the next event names, if it is here and its client may not be told of it yet.
    fn unsettled(&self) -> Option<StreamId> {
        let event = self.ready.front().filter(|_| self.takes_task)?;
        match event.kind {
            EventKind::Task => Some(event.stream),
            EventKind::Final => event.message.as_ref().and_then(named_task),
            _ => None,
        }
    }

    /// Waits until the client may be told of a task. May be dropped and called again.
    async fn settle(&mut self, name: StreamId) -> Result<(), Broken> {
        let tasks = &self.registry.tasks;
        let settling = self.settling.get_or_insert_with(|| {
            let tasks = tasks.clone();
            AbortOnDropHandle::new(tokio::spawn(async move { tasks.settle(&name).await }))
        });
        let settled = settling.await;
        self.settling = None;
        let error = match settled {
            Ok(Ok(true)) => return Ok(()),
            Ok(Ok(false)) => "it is gone".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        };
        tracing::warn!(stream = %name, error, "a task is not certain to be there, so its client is not told of it");
        Err(Broken::TaskNotSettled)
    }

    fn take_ready(&mut self) -> Option<StreamEvent> {
        while let Some(event) = self.ready.pop_front() {
            self.delivered = event.offset;
            self.ended = event.ends_stream();
            if event.kind != EventKind::Pause || self.closes_at(&event) {
                return Some(event);
            }
        }
        None
    }

    fn hear_of(&mut self, wake: Wake) {
        match wake {
            Wake::Event(event) if event.offset == self.delivered + 1 => self.ready.push_back(event),
            Wake::Event(event) if event.offset <= self.delivered => {}
            Wake::Event(_) | Wake::ReadLog => self.must_read = !Mutation::LogRead.is_planted(),
        }
    }

    /// Waits for news, or for the time to look without any.
    async fn hear(&mut self) -> Result<(), Broken> {
        match tokio::time::timeout(PROBE, self.inbox.next()).await {
            Ok(Some(wake)) => self.hear_of(wake),
            Err(_) => self.hear_of(Wake::ReadLog),
            Ok(None) => return Err(Broken::Replaced),
        }
        Ok(())
    }

    /// Reads the log; waits a little when the bus is away.
    async fn catch_up(&mut self) -> Result<(), Broken> {
        let registry = self.registry.clone();
        // Nobody closes the semaphore.
        let look = registry.looks.acquire().await;
        let read = self.read_log().await;
        drop(look);
        match read {
            Ok(read) => read,
            Err(error) => {
                tracing::debug!(stream = %self.stream, %error, "cannot read the log of a stream; trying again");
                tokio::time::sleep(RETRY).await;
                Ok(())
            }
        }
    }

    /// The client has the whole answer and will not come back for it: its log is not needed.
    pub(crate) fn release(&self) {
        if self.registry.delivered.try_send(self.stream).is_err() {
            tracing::debug!(stream = %self.stream, "too many calls ended at once; what is left of this one expires by itself");
        }
    }

    async fn read_log(&mut self) -> Result<Result<(), Broken>, BusError> {
        let mut page = self.log_page().await?;
        self.must_read = false;
        if self.has_no_news(page.as_ref()) && !self.is_pending().await? {
            // Answered between the two looks, or lost with the queue.
            page = self.log_page().await?;
            if self.has_no_news(page.as_ref()) {
                return Ok(Err(Broken::Lost));
            }
        }
        Ok(match page {
            Some(page) => self.take(page),
            None if self.may_have_no_log() => Ok(()),
            None => Err(Broken::Lost),
        })
    }

    fn has_no_news(&self, page: Option<&LogPage>) -> bool {
        match page {
            Some(page) => page.state == LogState::Open && page.events.is_empty(),
            None => self.may_have_no_log(),
        }
    }

    /// As a rule nothing was written yet.
    fn may_have_no_log(&self) -> bool {
        !self.log_seen && self.delivered == 0
    }

    async fn log_page(&self) -> Result<Option<LogPage>, BusError> {
        let session = self.session.as_ref();
        let log = &self.registry.log;
        log.read_log(&self.stream, session, self.delivered).await
    }

    /// Whether somebody will write more, as far as it is known here.
    async fn is_pending(&self) -> Result<bool, BusError> {
        match &self.entry {
            Some(entry) => self.registry.requests.is_pending(entry).await,
            None => Ok(true),
        }
    }

    fn take(&mut self, page: LogPage) -> Result<(), Broken> {
        self.log_seen = true;
        let elsewhere = |holder: &GatewayId| *holder != self.registry.gateway;
        if page.holder.as_ref().is_some_and(elsewhere) {
            return Err(Broken::Replaced);
        }
        // A log that is shorter than what was delivered lost its end, or a client made up where it was.
        if page.newest < self.delivered {
            return Err(Broken::Lost);
        }
        let consecutive = page
            .events
            .iter()
            .zip(self.delivered + 1..)
            .all(|(event, offset)| event.offset == offset);
        let last = page.events.last().map_or(self.delivered, |e| e.offset);
        let is_hole = match page.has_more {
            true => page.events.is_empty(),
            false => last != page.newest,
        };
        if !consecutive || is_hole {
            return Err(Broken::Lost);
        }
        self.ready = page.events.into();
        if page.has_more {
            self.must_read = true;
            return Ok(());
        }
        let end_is_ready = self.ready.back().is_some_and(StreamEvent::ends_stream);
        match page.state {
            LogState::Cancelled if !end_is_ready => {
                self.ready
                    .push_back(StreamEvent::cancelled(self.stream, last + 1));
            }
            // Everything up to the response was delivered before.
            LogState::Finished if self.ready.is_empty() => self.ended = true,
            _ => {}
        }
        Ok(())
    }
}

/// The task that a response names.
fn named_task(response: &RawJson) -> Option<StreamId> {
    #[derive(Deserialize)]
    struct Response<'a> {
        #[serde(borrow)]
        result: Named<'a>,
    }
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Named<'a> {
        #[serde(borrow)]
        result_type: Cow<'a, str>,
        #[serde(borrow)]
        task_id: Cow<'a, str>,
    }
    let is_short = response.as_str().len() <= LONGEST_HANDLE;
    let response = is_short.then(|| response.read::<Response<'_>>().ok())??;
    let is_task = response.result.result_type == "task";
    is_task.then(|| response.result.task_id.parse().ok())?
}

impl Drop for HeldStream {
    fn drop(&mut self) {
        self.registry.unregister(&self.stream, &self.inbox);
    }
}
