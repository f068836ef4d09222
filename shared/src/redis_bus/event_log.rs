//! [`EventLog`] on Redis: a hash per stream, with the events as fields named by their offsets.

use async_trait::async_trait;

use super::scripts;
use super::{RedisBus, lines};
use crate::bus::{
    Appended, BusError, EventLog, Followed, LogState, NewsReceiver, Ownership, Refusal, TakeOver,
};
use crate::ids::{GatewayId, SessionId, StreamId};
use crate::wire::event::StreamEvent;
use crate::wire::request::Era;

/// Logs that one script call deletes.
const RELEASE_AT_ONCE: usize = 256;

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
        after: u64,
    ) -> Result<Option<Followed>, BusError> {
        let follow = scripts::read_log(
            &self.keys,
            &self.limits,
            stream,
            Some(holder),
            session,
            after,
        );
        let answer = self.run(&follow).await?;
        answer.map(followed).transpose()
    }

    async fn read_log(
        &self,
        stream: &StreamId,
        session: Option<&SessionId>,
        after: u64,
    ) -> Result<Option<Followed>, BusError> {
        let read = scripts::read_log(&self.keys, &self.limits, stream, None, session, after);
        let answer = self.run(&read).await?;
        answer.map(followed).transpose()
    }

    async fn append(&self, owner: &Ownership, event: &StreamEvent) -> Result<Appended, BusError> {
        let line = lines::event(event)?;
        let append = scripts::append_event(&self.keys, &self.limits, owner, event.offset, &line);
        match self.run(&append).await? {
            0 => Ok(Ok(())),
            1 => Ok(Err(Refusal::LostOwnership)),
            2 => Ok(Err(Refusal::Cancelled)),
            3 => Ok(Err(Refusal::Finished)),
            4 => Ok(Err(Refusal::LogFull)),
            code => Err(unknown(code)),
        }
    }

    async fn take_over(&self, owner: &Ownership) -> Result<TakeOver, BusError> {
        match self
            .run(&scripts::take_over(&self.keys, &self.limits, owner))
            .await?
        {
            -1 => Ok(TakeOver::Refused(Refusal::LostOwnership)),
            -2 => Ok(TakeOver::Refused(Refusal::Cancelled)),
            -3 => Ok(TakeOver::Refused(Refusal::Finished)),
            newest => Ok(TakeOver::Taken {
                newest: u64::try_from(newest).map_err(|_| unknown(newest))?,
            }),
        }
    }

    async fn release(&self, streams: &[StreamId]) -> Result<(), BusError> {
        for streams in streams.chunks(RELEASE_AT_ONCE) {
            self.run(&scripts::release(&self.keys, streams)).await?;
        }
        Ok(())
    }

    async fn event_news(&self, gateway: &GatewayId) -> Result<NewsReceiver<StreamEvent>, BusError> {
        let channel = format!("{}{gateway}", self.keys.gateway_channels());
        self.subscriptions
            .open(&self.keys, channel, StreamEvent::from_line)
            .await
    }
}

/// Reads an answer of `read_log.lua`: state, newest offset, holder, whether there are more, events.
fn followed(answer: Vec<String>) -> Result<Followed, BusError> {
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
    let events: Result<Vec<_>, _> = answer.map(|line| StreamEvent::from_line(&line)).collect();
    Ok(Followed {
        events: events?,
        has_more,
        newest,
        state,
        holder: holder.as_deref().map(GatewayId::from),
    })
}

fn unknown(code: i64) -> BusError {
    BusError::Unexpected(format!("a script returned {code}"))
}
