//! [`SignalChannel`] on Redis: a mark on the log or a list of messages, and a published wake-up.

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::WireError;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{BusError, Mail, NewsReceiver, Ownership, Posted, SignalChannel};
use redis::pipe;

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::ended_tasks::write_elsewhere;
use crate::scripts::{self, CancelLines, Canceller, unknown_code};
use crate::wire::lines;

/// Logs that are looked at in one round trip.
const LOOKS_AT_ONCE: usize = 256;

#[async_trait]
impl SignalChannel for RedisBus {
    async fn cancel_call(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
    ) -> Result<(), BusError> {
        self.cancel(stream, entry, era, Canceller::Person).await
    }

    async fn abandon_call(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
    ) -> Result<(), BusError> {
        self.cancel(stream, entry, era, Canceller::ConnectionEnd)
            .await
    }

    async fn post_mail(
        &self,
        stream: &StreamId,
        session: &SessionId,
        message: &RawJson,
    ) -> Result<Posted, BusError> {
        let signal = Signal::new(*stream, SignalKind::Mail).to_line()?;
        let mailbox = self.keys.mailbox(stream);
        let mail = self.envelope_keys.seal_mail(&mailbox, message.as_str());
        let post = scripts::post_mail(&self.keys, &self.limits, stream, session, &mail, &signal);
        match self.run(&post).await? {
            0 => Ok(Posted::Accepted),
            1 => Ok(Posted::NoSuchCall),
            2 => Ok(Posted::Full),
            code => Err(unknown_code(code)),
        }
    }

    async fn take_mail(&self, owner: &Ownership, received: u64) -> Result<Mail, BusError> {
        let take = |bytes| scripts::take_mail(&self.keys, owner, received, bytes);
        let mut taken = read_taken(self.run(&take(self.limits.page_bytes)).await?)?;
        if taken.messages.is_empty() && taken.too_large > 0 {
            taken = read_taken(self.run(&take(taken.too_large)).await?)?;
        }
        let received = taken.received;
        let mailbox = self.keys.mailbox(&owner.stream);
        let mut messages = Vec::with_capacity(taken.messages.len());
        for mail in taken.messages {
            match self.envelope_keys.open_mail(&mailbox, &mail) {
                Ok(message) => messages.push(RawJson::parse(message).map_err(WireError::from)?),
                Err(error) => self.forgeries.found("mail", &owner.stream, &error),
            }
        }
        Ok(Mail { messages, received })
    }

    async fn cancelled_among(&self, streams: &[StreamId]) -> Result<Vec<StreamId>, BusError> {
        let mut cancelled = Vec::new();
        for streams in streams.chunks(LOOKS_AT_ONCE) {
            let mut looks = pipe();
            for stream in streams {
                looks.cmd("HGET").arg(self.keys.log(stream)).arg("state");
            }
            let states: Vec<Option<String>> = self.run(&Command::pipeline(looks)).await?;
            let states = streams.iter().zip(states);
            let marked = states.filter(|(_, state)| state.as_deref() == Some("cancelled"));
            cancelled.extend(marked.map(|(stream, _)| *stream));
        }
        Ok(cancelled)
    }

    async fn signal_news(&self, worker: &WorkerId) -> Result<NewsReceiver<Signal>, BusError> {
        let channel = format!("{}{worker}", self.keys.worker_channels());
        self.subscriptions
            .open(&self.keys, channel, Signal::from_line)
            .await
    }
}

impl RedisBus {
    async fn cancel(
        &self,
        stream: &StreamId,
        entry: Option<&EntryId>,
        era: Era,
        by: Canceller,
    ) -> Result<(), BusError> {
        let (keys, limits) = (&self.keys, &self.limits);
        let said = CancelLines {
            event: lines::cancelled(*stream)?,
            signal: Signal::new(*stream, SignalKind::Cancel).to_line()?,
        };
        let cancel = scripts::cancel_call(keys, limits, stream, entry, era, &said, by);
        let (_, record) = self.run(&cancel).await?;
        write_elsewhere(&record, self.clock.now_ms());
        Ok(())
    }
}

/// An answer of `take_mail.lua`.
struct Taken {
    received: u64,
    /// Bytes of the first message that did not fit, 0 if all did.
    too_large: usize,
    messages: Vec<String>,
}

fn read_taken(answer: Vec<String>) -> Result<Taken, BusError> {
    let mut answer = answer.into_iter();
    let received = answer.next().and_then(|number| number.parse().ok());
    let too_large = answer.next().and_then(|bytes| bytes.parse().ok());
    let (Some(received), Some(too_large)) = (received, too_large) else {
        return Err(BusError::Unexpected("mail without a number".to_owned()));
    };
    Ok(Taken {
        received,
        too_large,
        messages: answer.collect(),
    })
}
