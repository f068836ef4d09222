//! One call: its entry, its log, its events, its worker and its holder.

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::operations::{CallName, CallSight, EntrySight, EventSight, LogSight};
use prynai_bus::shown;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::{BusError, LogState, RequestQueue};

use crate::bus::{MemoryBus, lock};
use crate::stored::log::Log;
use crate::stored::partition::Partition;

/// Events of one page.
const EVENTS: usize = 100;

/// Bytes of an event up to which it is read, and of all that are read for one page.
const READ: usize = 64 * 1024;
const READ_AT_ONCE: usize = 128 * 1024;

/// About what an event takes beside its message, in bytes.
const BESIDES: usize = 96;

impl MemoryBus {
    pub(super) fn read_call(&self, name: &CallName) -> Result<Option<CallSight>, BusError> {
        let now_ms = self.now_ms();
        let found = lock(&self.partition).look_at_call(name, now_ms)?;
        let Some((mut call, holder)) = found else {
            return Ok(None);
        };
        call.holder = holder.map(|holder| self.look_at_gateway(&holder.as_str().into()));
        Ok(Some(call))
    }

    pub(super) fn read_events(
        &self,
        stream: &StreamId,
        after: u64,
        messages: bool,
    ) -> Result<Vec<EventSight>, BusError> {
        // Described without the lock: to read messages takes time.
        let events = lock(&self.partition).events_of(stream, after);
        let described = events.into_iter().map(|(offset, bytes, event)| {
            let mut sight = EventSight::unread(offset, bytes as u64);
            if let Some(event) = event {
                sight.describe(event, messages);
            }
            sight
        });
        Ok(described.collect())
    }
}

impl Partition {
    /// All but the holder, of which the name is given.
    fn look_at_call(
        &self,
        name: &CallName,
        now_ms: u64,
    ) -> Result<Option<(CallSight, Option<String>)>, BusError> {
        let entry = self.queued_call(name).map(|queued| queued.sight());
        let entry = entry.transpose()?;
        let dead = match entry {
            Some(_) => None,
            None => self
                .dead_call(name)
                .map(|letter| letter.sight())
                .transpose()?,
        };
        let named = |sight: &EntrySight| sight.stream.as_ref()?.parse::<StreamId>().ok();
        let stream = match name {
            CallName::Stream(stream) => Some(*stream),
            CallName::Entry(_) => entry.as_ref().or(dead.as_ref()).and_then(named),
        };
        let log = stream.as_ref().and_then(|stream| self.logs.get(stream));
        if entry.is_none() && dead.is_none() && log.is_none() {
            return Ok(None);
        }
        let holder = log
            .and_then(|log| log.holder.as_ref())
            .map(ToString::to_string);
        let holder = holder.or_else(|| entry.as_ref()?.holder.clone());
        let holder = holder.filter(|_| log.is_none_or(|log| log.task.is_none()));
        let worker = entry.as_ref().and_then(|entry| entry.lease.as_ref());
        let worker = worker.map(|lease| WorkerId::from(lease.worker.as_str()));
        let worker = worker.and_then(|worker| {
            let seen = self.workers.get(&worker)?;
            Some(self.worker_sight(&worker, seen))
        });
        let call = CallSight {
            now_ms,
            stream: stream.map(|stream| stream.to_string()),
            is_cancelled: log.is_some_and(|log| log.state() == LogState::Cancelled),
            mail: log.map_or(0, |log| log.mailbox.len() as u64),
            log: log
                .zip(stream)
                .map(|(log, stream)| self.log_sight(log, &stream, now_ms)),
            entry,
            dead,
            worker,
            holder: None,
        };
        Ok(Some((call, holder)))
    }

    fn log_sight(&self, log: &Log, stream: &StreamId, now_ms: u64) -> LogSight {
        let state = match log.state() {
            LogState::Open => "open",
            LogState::Finished => "finished",
            LogState::Cancelled => "cancelled",
        };
        let token = log.token();
        let life_ms = self.logs.life_of(stream).map(|life| life.as_millis());
        LogSight {
            state: state.to_owned(),
            worker: token.map(|(worker, _)| worker.to_string()),
            delivery: token.map(|(_, delivery)| delivery.into()),
            entry: log.entry.as_ref().map(ToString::to_string),
            holder: log.holder.as_ref().map(ToString::to_string),
            session: log
                .session()
                .map(|id| shown::session(id.as_str()).to_owned()),
            era: None,
            newest: log.newest(),
            bytes: Some(log.bytes() as u64),
            kept_for_ms: life_ms.and_then(|ms| u64::try_from(ms).ok()),
            task: self.task_facts(log, stream, now_ms),
        }
    }

    /// A page of events: each with its size, and itself if it is read.
    fn events_of(&self, stream: &StreamId, after: u64) -> Vec<(u64, usize, Option<StreamEvent>)> {
        let log = self.logs.get(stream);
        let events = log.map(|log| log.events_after(after)).unwrap_or_default();
        let (mut page, mut left) = (Vec::new(), READ_AT_ONCE);
        for event in events.iter().take(EVENTS) {
            let message = event.message.as_ref();
            let bytes = BESIDES + message.map_or(0, |message| message.as_str().len());
            let is_read = bytes <= READ;
            if is_read && bytes > left {
                break;
            }
            left -= if is_read { bytes } else { 0 };
            page.push((event.offset, bytes, is_read.then(|| event.clone())));
        }
        page
    }
}
