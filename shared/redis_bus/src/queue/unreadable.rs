//! What becomes of queue entries that this release cannot read, or that no gateway of the fleet wrote.

use std::time::Duration;

use prynai_bus::ids::{EntryId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::WireError;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::json_rpc;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::{AGAIN, Era};
use prynai_bus::{BusError, EventLog, Finish, Ownership, RequestQueue, TakeOver, TaskStore};
use redis::pipe;
use serde::Deserialize;
use serde_json::json;

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::metrics::metrics;
use crate::queue::entry::QueueEntry;
use crate::scripts::{self, DeadEntry, millis};
use crate::wire::lines;

/// Deliveries after which a request of a newer release is given up.
const DELIVERIES: u64 = 3;

/// How long the deliveries of one are remembered.
const REMEMBERED: Duration = Duration::from_secs(3600);

/// Who waits for the answer to an entry, as far as it can be read.
struct Asker {
    ownership: Ownership,
    request_id: RawJson,
    /// It is a task whose client has answered, so there is a log of it.
    again: bool,
}

/// What is needed of a session, whatever its format.
#[derive(Deserialize)]
struct NamedSession {
    id: SessionId,
}

impl RedisBus {
    /// Leaves a request of a newer release to the workers of that release; ends any other; a forged one
    /// becomes a dead letter.
    pub(crate) async fn turn_away(&self, worker: &WorkerId, entry: &QueueEntry, error: &WireError) {
        let turned_away = match error {
            WireError::Newer(_) => self.leave_or_end(worker, entry, error).await,
            WireError::Unsigned | WireError::WronglySigned => {
                self.dead_letter_forged(entry, error).await
            }
            _ => self.end_unread(worker, entry, error).await,
        };
        if let Err(error) = turned_away {
            // It stays pending, is reclaimed one day, and comes here again.
            tracing::warn!(
                entry = %entry.entry,
                %error,
                "could not put aside a queue entry that cannot be read; that is tried again when its lease ends"
            );
        }
    }

    /// Nobody is answered: the answer would go where a forger says, or end the stream of somebody else's
    /// call. The gateway of a request that was changed finds it gone, and tells its client.
    async fn dead_letter_forged(
        &self,
        entry: &QueueEntry,
        error: &WireError,
    ) -> Result<(), BusError> {
        let dead = DeadEntry {
            entry: &entry.entry,
            delivery: entry.delivery,
            reason: &error.to_string(),
            stream: None,
            era: Era::Modern,
            call: None,
        };
        let note = scripts::dead_letter(&self.keys, &self.limits, &dead, &entry.fields);
        self.run(&note).await?;
        metrics().forged.inc();
        self.forgeries.found("queue entry", &entry.entry, error);
        Ok(())
    }

    async fn leave_or_end(
        &self,
        worker: &WorkerId,
        entry: &QueueEntry,
        error: &WireError,
    ) -> Result<(), BusError> {
        if self.count_delivery(&entry.entry).await? >= DELIVERIES {
            return self.end_unread(worker, entry, error).await;
        }
        tracing::warn!(
            entry = %entry.entry,
            %error,
            "handing a request of a newer release back, for a worker of that release"
        );
        let entries = std::slice::from_ref(&entry.entry);
        self.hand_back(worker, entries, false).await
    }

    /// Counts beside the queue: to the workers that can read it the request is not begun yet.
    async fn count_delivery(&self, entry: &EntryId) -> Result<u64, BusError> {
        let key = self.keys.deliveries_unread(entry);
        let mut count = pipe();
        count.atomic().cmd("INCR").arg(&key);
        count.cmd("PEXPIRE").arg(&key).arg(millis(REMEMBERED));
        count.ignore();
        let (deliveries,) = self.run(&Command::pipeline(count)).await?;
        Ok(deliveries)
    }

    /// Answers the client, then makes the entry a dead letter.
    async fn end_unread(
        &self,
        worker: &WorkerId,
        entry: &QueueEntry,
        error: &WireError,
    ) -> Result<(), BusError> {
        let asker = Asker::of(entry, worker);
        if let Some(asker) = &asker {
            self.answer_unread(asker).await?;
        }
        let reason = error.to_string();
        let owner = asker.as_ref().map(|asker| &asker.ownership);
        let dead = DeadEntry {
            entry: &entry.entry,
            delivery: entry.delivery,
            reason: &reason,
            stream: owner.map(|owner| owner.stream),
            era: owner.map_or(Era::Modern, |owner| owner.era),
            call: owner.and_then(lines::call_of),
        };
        let note = scripts::dead_letter(&self.keys, &self.limits, &dead, &entry.fields);
        self.run(&note).await?;
        metrics().unreadable.inc();
        let answered = asker.is_some();
        tracing::error!(
            entry = %entry.entry,
            reason,
            answered,
            "a queue entry cannot be read and is a dead letter now"
        );
        Ok(())
    }

    async fn answer_unread(&self, asker: &Asker) -> Result<(), BusError> {
        let owner = &asker.ownership;
        let (mut offset, mut is_task) = (1, false);
        if owner.delivery > 1 || asker.again {
            match self.take_over(owner).await? {
                TakeOver::Taken { newest, task } => {
                    offset = newest + 1;
                    is_task = task.is_some();
                }
                TakeOver::Refused(_) => return Ok(()),
            }
        }
        let message = could_not_be_read(&asker.request_id)?;
        let event = StreamEvent::new(owner.stream, offset, EventKind::Final, message);
        let finish = Finish {
            ownership: owner.clone(),
            record: None,
            earlier: Vec::new(),
            event: Some(if is_task { self.at_rest(event) } else { event }),
        };
        // A refusal says that nobody waits any more, or that the entry is another worker's.
        self.finish(&[finish]).await?;
        Ok(())
    }
}

impl Asker {
    fn of(entry: &QueueEntry, worker: &WorkerId) -> Option<Self> {
        let stream: StreamId = entry.field("stream")?.parse().ok()?;
        let request_id = RawJson::parse(entry.field("id")?).ok()?;
        let session = entry.field("session");
        let session = session.and_then(|json| serde_json::from_str::<NamedSession>(json).ok());
        let ownership = Ownership {
            stream,
            entry: entry.entry.clone(),
            worker: worker.clone(),
            delivery: entry.delivery,
            holder: entry.field("holder")?.into(),
            session: session.map(|session| session.id),
            request_id: Some(request_id.clone()),
            era: match entry.field("era") {
                Some("legacy") => Era::Legacy,
                _ => Era::Modern,
            },
        };
        Some(Self {
            ownership,
            request_id,
            again: entry.field(AGAIN).is_some(),
        })
    }
}

fn could_not_be_read(request_id: &RawJson) -> Result<RawJson, WireError> {
    let error = json!({
        "code": json_rpc::code::INTERNAL_ERROR,
        "message": "the request could not be read by this release",
    });
    Ok(RawJson::parse(json_rpc::error(Some(request_id), error))?)
}
