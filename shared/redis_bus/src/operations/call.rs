//! One call: its entry, its log, its events, its worker and its holder.

use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{
    CallName, CallSight, EntrySight, EventSight, LogSight, Shelf, TaskFacts,
};
use prynai_bus::shown;
use prynai_bus::wire::event::StreamEvent;
use redis::pipe;

use super::{RedisOperations, text};
use crate::connection::budget::LARGE;
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::wire::sealing;

/// Pages of entries that are looked through for a call.
const PAGES: usize = 50;

/// How far the clock of the gateway that named a stream may have been ahead of Redis', in milliseconds.
const SKEW_MS: u64 = 60_000;

/// Events of one page.
const EVENTS: u64 = 100;

/// Bytes of an event up to which it is read.
const READ: usize = 64 * 1024;

/// Fields of a log, in the order in which they are asked for.
const FIELDS: [&str; 9] = [
    "state", "owner", "entry", "holder", "session", "era", "newest", "bytes", "task",
];

/// What the log, the marks and the mailbox say: fields of the log, its life, the mark, messages in the mailbox.
type StreamFacts = (Vec<Option<Vec<u8>>>, i64, Option<f64>, u64);

impl RedisOperations {
    pub(super) async fn read_call(&self, name: &CallName) -> Result<Option<CallSight>, Fault> {
        let (mut entry, mut dead) = (None, None);
        let mut stream = match name {
            CallName::Stream(stream) => Some(*stream),
            CallName::Entry(id) => {
                entry = self.find_entry(id).await?;
                None
            }
        };
        if entry.is_none() && stream.is_none() {
            dead = self.look_through(Shelf::DeadLetters, None, name).await?;
        }
        let named = entry.as_ref().or(dead.as_ref());
        stream = stream.or_else(|| named?.stream.as_ref()?.parse().ok());
        let (mut log, mark, mail) = match &stream {
            Some(stream) => self.stream_facts(stream).await?,
            None => (None, None, 0),
        };
        if let (Some(stream), Some(log)) = (&stream, &mut log)
            && log.task.is_some()
        {
            log.task = self.look_at_task(stream).await?;
        }
        let logged = log.as_ref().and_then(|log| log.entry.as_deref());
        if entry.is_none() && dead.is_none() {
            entry = self.entry_of(name, logged).await?;
        }
        let is_over = log.as_ref().is_some_and(|log| log.state != "open");
        if entry.is_none() && dead.is_none() && !is_over {
            dead = self.look_through(Shelf::DeadLetters, None, name).await?;
        }
        if entry.is_none() && dead.is_none() && log.is_none() {
            return Ok(None);
        }
        let worker = entry.as_ref().and_then(|entry| entry.lease.as_ref());
        let worker = worker.map(|lease| lease.worker.clone());
        let worker = match worker {
            Some(worker) => self
                .read_workers()
                .await?
                .into_iter()
                .find(|w| w.worker == worker),
            None => None,
        };
        let is_task = log.as_ref().is_some_and(|log| log.task.is_some());
        let holder = log.as_ref().and_then(|log| log.holder.clone());
        let holder = holder.or_else(|| entry.as_ref()?.holder.clone());
        let holder = holder.filter(|_| !is_task);
        let holder = match holder {
            Some(holder) => self.look_at_gateways(&[holder]).await?.pop(),
            None => None,
        };
        Ok(Some(CallSight {
            now_ms: self.now_ms().await?,
            stream: stream.map(|stream| stream.to_string()),
            is_cancelled: mark.is_some()
                || log.as_ref().is_some_and(|log| log.state == "cancelled"),
            entry,
            log,
            dead,
            mail,
            worker,
            holder,
        }))
    }

    /// The entry of a call in the queue: the one that its log names, or the one of its stream.
    async fn entry_of(
        &self,
        name: &CallName,
        logged: Option<&str>,
    ) -> Result<Option<EntrySight>, Fault> {
        match (name, logged) {
            (_, Some(logged)) => self.find_entry(&logged.into()).await,
            (CallName::Entry(_), None) => Ok(None),
            (CallName::Stream(stream), None) => {
                let from = named_at_ms(stream).map(|at| at.saturating_sub(SKEW_MS));
                let from = from.map(|at| EntryId::from(format!("{at}-0").as_str()));
                self.look_through(Shelf::Queue, from, name).await
            }
        }
    }

    /// Looks through the first pages for the entry of a call.
    async fn look_through(
        &self,
        shelf: Shelf,
        mut after: Option<EntryId>,
        name: &CallName,
    ) -> Result<Option<EntrySight>, Fault> {
        for _ in 0..PAGES {
            let page = self.read_entries(shelf, after.as_ref(), Some(name)).await?;
            if let Some(entry) = page.entries.into_iter().next() {
                return Ok(Some(entry));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        Ok(None)
    }

    async fn stream_facts(
        &self,
        stream: &StreamId,
    ) -> Result<(Option<LogSight>, Option<f64>, u64), Fault> {
        let (keys, log) = (&self.keys, self.keys.log(stream));
        let mut facts = pipe();
        facts.cmd("HMGET").arg(&log).arg(&FIELDS);
        facts.cmd("PTTL").arg(&log);
        facts
            .cmd("ZSCORE")
            .arg(keys.cancelled())
            .arg(stream.to_string());
        facts.cmd("LLEN").arg(keys.mailbox(stream));
        let facts: StreamFacts = self.run(&Command::pipeline(facts)).await?;
        let (fields, life_ms, mark, mail) = facts;
        Ok((log_sight(&fields, life_ms), mark, mail))
    }

    pub(super) async fn read_events(
        &self,
        stream: &StreamId,
        after: u64,
        messages: bool,
    ) -> Result<Vec<EventSight>, Fault> {
        let log = self.keys.log(stream);
        let mut newest = redis::cmd("HGET");
        newest.arg(&log).arg("newest");
        let newest: Option<u64> = self.run(&Command::single(newest)).await?;
        let last = newest.unwrap_or(0).min(after.saturating_add(EVENTS));
        let offsets: Vec<u64> = (after.saturating_add(1)..=last).collect();
        let mut sizes = pipe();
        for offset in &offsets {
            sizes.cmd("HSTRLEN").arg(&log).arg(offset);
        }
        if offsets.is_empty() {
            return Ok(Vec::new());
        }
        let sizes: Vec<usize> = self.run(&Command::pipeline(sizes)).await?;
        let (mut events, mut left) = (Vec::with_capacity(offsets.len()), LARGE);
        for (offset, bytes) in offsets.into_iter().zip(sizes) {
            let is_read = bytes > 0 && bytes <= READ;
            if is_read && bytes > left {
                break;
            }
            let size = u64::try_from(bytes).unwrap_or(u64::MAX);
            let mut event = EventSight::unread(offset, size);
            if is_read {
                left -= bytes;
                let mut get = redis::cmd("HGET");
                get.arg(&log).arg(offset);
                let line: Option<Vec<u8>> = self.run(&Command::single(get)).await?;
                match StreamEvent::from_line(&text(&line.unwrap_or_default())) {
                    Ok(mut read) => {
                        read.message = read.message.map(sealing::shown_message);
                        event.describe(read, messages);
                    }
                    Err(_) => event.kind = Some("unreadable".to_owned()),
                }
            }
            events.push(event);
        }
        Ok(events)
    }
}

fn log_sight(fields: &[Option<Vec<u8>>], life_ms: i64) -> Option<LogSight> {
    let field = |name: &str| {
        let at = FIELDS.iter().position(|field| *field == name)?;
        let value = text(fields.get(at)?.as_ref()?);
        (!value.is_empty()).then_some(value)
    };
    // The owner is a fencing token: worker, colon, delivery.
    let owner = field("owner");
    let owner = owner.as_deref().and_then(|owner| owner.rsplit_once(':'));
    Some(LogSight {
        state: field("state")?,
        worker: owner.map(|(worker, _)| worker.to_owned()),
        delivery: owner.and_then(|(_, delivery)| delivery.parse().ok()),
        entry: field("entry"),
        holder: field("holder"),
        session: field("session").map(|id| shown::session(&id).to_owned()),
        era: field("era"),
        newest: field("newest")
            .and_then(|newest| newest.parse().ok())
            .unwrap_or(0),
        bytes: field("bytes").and_then(|bytes| bytes.parse().ok()),
        kept_for_ms: u64::try_from(life_ms).ok(),
        task: field("task").map(|_| TaskFacts::default()),
    })
}

/// When a gateway named a stream, by its own clock, in Unix milliseconds: the name begins with it (UUID version 7).
fn named_at_ms(stream: &StreamId) -> Option<u64> {
    let digits = stream.to_string();
    u64::from_str_radix(digits.get(..12)?, 16).ok()
}
