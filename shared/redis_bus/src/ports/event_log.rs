//! [`EventLog`] on Redis: a hash per stream, with the events as fields named by their offsets.

use std::time::Duration;

use async_trait::async_trait;
use futures::future::try_join_all;
use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::task::TaskBirth;
use prynai_bus::{
    Append, Appended, BusError, EventLog, LogPage, LogState, NewsReceiver, Ownership, TakeOver,
};

use crate::bus::RedisBus;
use crate::scripts::{self, WriteCode};
use crate::wire::batches::Batches;

/// Logs that one run of a script deletes.
const RELEASE_AT_ONCE: usize = 256;

/// How long logs are gathered to be deleted.
const RELEASE_DELAY: Duration = Duration::from_millis(10);

#[async_trait]
impl EventLog for RedisBus {
    async fn open_log(
        &self,
        stream: &StreamId,
        holder: &GatewayId,
        session: Option<&SessionId>,
        era: Era,
    ) -> Result<(), BusError> {
        let open = scripts::open_log(&self.keys, &self.limits, stream, holder, session, era);
        self.run(&open).await?;
        Ok(())
    }

    async fn follow(
        &self,
        stream: &StreamId,
        holder: &GatewayId,
        session: Option<&SessionId>,
    ) -> Result<Option<u64>, BusError> {
        let follow = scripts::follow(&self.keys, stream, holder, session);
        Ok(self.run(&follow).await?)
    }

    async fn read_log(
        &self,
        stream: &StreamId,
        session: Option<&SessionId>,
        after: u64,
    ) -> Result<Option<LogPage>, BusError> {
        let (keys, limits) = (&self.keys, &self.limits);
        let read = |bytes| scripts::read_log(keys, limits, stream, session, after, bytes);
        let mut answer = self.run(&read(limits.page_bytes)).await?;
        // An event that is larger than a page is read by itself, now that it is known how long that may take.
        if let Some(bytes) = answer.as_deref().and_then(next_size) {
            answer = self.run(&read(bytes)).await?;
        }
        answer.map(log_page).transpose()
    }

    async fn append_all(&self, appends: &[Append]) -> Result<Vec<Appended>, BusError> {
        let mut commands = Vec::new();
        let mut batches = Batches::of(appends);
        while let Some(batch) = batches.next()? {
            let news = batch.news()?;
            let append = scripts::append_events(&self.keys, &self.limits, &batch, news.as_deref());
            commands.push((append, batch.writes.len()));
        }
        // All at once: they are about different streams, so no order is lost, and a caller who says much holds up
        // nobody else.
        let runs = commands.iter().map(|(append, writes)| async move {
            WriteCode::read(&self.run(append).await?, *writes)
        });
        let answers: Vec<_> = try_join_all(runs).await?;
        Ok(answers.into_iter().flatten().collect())
    }

    async fn take_over(&self, owner: &Ownership) -> Result<TakeOver, BusError> {
        let take_over = scripts::take_over(&self.keys, &self.limits, owner);
        let (code, newest, task) = self.run(&take_over).await?;
        let task = (!task.is_empty()).then(|| TaskBirth::from_json(&task));
        Ok(match WriteCode::try_from(code)?.into() {
            Ok(()) => TakeOver::Taken {
                newest,
                task: task.transpose()?,
            },
            Err(refusal) => TakeOver::Refused(refusal),
        })
    }

    async fn release(&self, streams: &[StreamId]) -> Result<(), BusError> {
        for streams in streams.chunks(RELEASE_AT_ONCE) {
            self.run(&scripts::release(&self.keys, streams)).await?;
        }
        Ok(())
    }

    fn release_delay(&self) -> Duration {
        RELEASE_DELAY
    }

    async fn keep_briefly(&self, stream: &StreamId) -> Result<(), BusError> {
        let keep = scripts::keep_briefly(&self.keys, &self.limits, stream);
        self.run(&keep).await?;
        Ok(())
    }

    async fn event_news(&self, gateway: &GatewayId) -> Result<NewsReceiver<StreamEvent>, BusError> {
        let channel = format!("{}{gateway}", self.keys.gateway_channels());
        self.subscriptions
            .open(&self.keys, channel, StreamEvent::from_line)
            .await
    }
}

/// In an answer of `read_log.lua`: the size of an event that was not read for it.
fn next_size(answer: &[String]) -> Option<usize> {
    answer.get(4)?.parse().ok()
}

/// Reads an answer of `read_log.lua`: state, newest offset, holder, whether there are more, the size of the next one,
/// events.
fn log_page(answer: Vec<String>) -> Result<LogPage, BusError> {
    let mut answer = answer.into_iter();
    let state = match answer.next().as_deref() {
        Some("open") => LogState::Open,
        Some("finished") => LogState::Finished,
        Some("cancelled") => LogState::Cancelled,
        other => {
            return Err(BusError::Unexpected(format!(
                "a log in the state {other:?}"
            )));
        }
    };
    let newest = answer.next().and_then(|newest| newest.parse().ok());
    let newest = newest.ok_or_else(|| BusError::Unexpected("a log without offset".to_owned()))?;
    let holder = answer.next().filter(|holder| !holder.is_empty());
    let has_more = answer.next().is_some_and(|more| !more.is_empty());
    let events: Result<Vec<_>, _> = answer
        .skip(1)
        .map(|line| StreamEvent::from_line(&line))
        .collect();
    Ok(LogPage {
        events: events?,
        has_more,
        newest,
        state,
        holder: holder.as_deref().map(GatewayId::from),
    })
}
