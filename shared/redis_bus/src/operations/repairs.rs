//! [`Repairs`] on Redis.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, GatewayId, StreamId, WorkerId};
use prynai_bus::operations::{Letter, Repairs, Replay, Replayed, Shelf, queued_again};
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{BusError, BusLimits};
use redis::cmd;

use super::{RedisOperations, text};
use crate::connection::command::Command;
use crate::ended_tasks::write_elsewhere;
use crate::fault::Fault;
use crate::scripts::{self, CancelLines, Canceller, millis};
use crate::wire::lines;
use crate::wire::sealing;
use crate::wire::signature::SIGNATURE;

/// How long the holder of a replayed request counts as living after it said so.
const HOLDER_LIFE: Duration = Duration::from_secs(10);

/// Bytes of a dead letter, at most: what a gateway takes, with what it notes besides.
const LARGEST: usize = 8 * 1024 * 1024;

/// Letters that one command removes.
const AT_ONCE: usize = 1000;

/// Fields that a dead letter has besides those of its entry.
const OF_THE_LETTER: [&[u8]; 2] = [b"entry", b"reason"];

/// The fields of a stored entry, with their values.
type Fields = Vec<(Vec<u8>, Vec<u8>)>;

#[async_trait]
impl Repairs for RedisOperations {
    async fn cancel(&self, stream: &StreamId, entry: &EntryId, era: Era) -> Result<bool, BusError> {
        let said = CancelLines {
            event: lines::cancelled(*stream)?,
            signal: Signal::new(*stream, SignalKind::Cancel).to_line()?,
        };
        let limits = BusLimits::default();
        let (keys, entry) = (&self.keys, Some(entry));
        let cancel =
            scripts::cancel_call(keys, &limits, stream, entry, era, &said, Canceller::Person);
        let (marked, record) = self.run(&cancel).await.map_err(Fault::at_start)?;
        if !record.is_empty() {
            let now_ms = self.now_ms().await.map_err(Fault::at_start)?;
            write_elsewhere(&record, now_ms);
        }
        Ok(marked > 0)
    }

    async fn letter(&self, letter: &EntryId) -> Result<Option<Letter>, BusError> {
        let sight = self
            .find(Shelf::DeadLetters, letter)
            .await
            .map_err(Fault::at_start)?;
        let Some(sight) = sight else { return Ok(None) };
        let fields = self.fields(letter).await.map_err(Fault::at_start)?;
        let message = fields.iter().find(|(field, _)| field == b"message");
        Ok(Some(Letter {
            sight,
            message: message.map(|(_, message)| sealing::shown(text(message))),
        }))
    }

    async fn drop_letters(&self, letters: &[EntryId]) -> Result<u64, BusError> {
        let mut dropped = 0;
        for letters in letters.chunks(AT_ONCE) {
            let mut remove = cmd("XDEL");
            remove.arg(self.keys.shelf(Shelf::DeadLetters));
            for letter in letters {
                remove.arg(letter.as_str());
            }
            let remove = Command::<u64>::single(remove);
            dropped += self.run(&remove).await.map_err(Fault::at_start)?;
        }
        Ok(dropped)
    }

    async fn replay(&self, letter: &EntryId) -> Result<Replay, BusError> {
        let mut fields = self.fields(letter).await.map_err(Fault::at_start)?;
        if fields.is_empty() {
            return Ok(Replay::Unknown);
        }
        fields.retain(|(field, _)| !OF_THE_LETTER.contains(&field.as_slice()));
        let now_ms = self.now_ms().await.map_err(Fault::at_start)?;
        let request = match self.request_again(&fields, now_ms) {
            Ok(request) => request,
            Err(reason) => return Ok(Replay::Unfit(reason)),
        };
        // Before the request is queued: a worker may look for its holder at once.
        let (stream, holder) = (request.stream, request.holder.clone());
        self.say_alive(&holder).await?;
        let mut fields = self.task_keys.entry_fields(&self.keys, &request)?;
        let signed: Vec<(&[u8], &[u8])> = fields
            .iter()
            .map(|(field, value)| (field.as_bytes(), value.as_bytes()))
            .collect();
        let signature = self.envelope_keys.sign_request(&self.keys.queue(), &signed);
        fields.extend(signature.map(|signature| (SIGNATURE, signature.into())));
        let replay = scripts::replay(&self.keys, letter, &fields);
        let entry = self.run(&replay).await.map_err(Fault::at_start)?;
        Ok(match entry {
            Some(entry) => Replay::Queued(Replayed {
                stream,
                entry: entry.as_str().into(),
                holder,
            }),
            None => Replay::Unknown,
        })
    }

    async fn hold(&self, replayed: &Replayed) -> Result<(), BusError> {
        self.say_alive(&replayed.holder).await
    }

    async fn drain(&self, worker: &WorkerId) -> Result<bool, BusError> {
        let mut publish = cmd("PUBLISH");
        publish
            .arg(self.keys.worker_channel(worker.as_str()))
            .arg(Signal::drain().to_line()?);
        let heard = self.run(&Command::<u64>::single(publish)).await;
        Ok(heard.map_err(Fault::at_start)? > 0)
    }
}

impl RedisOperations {
    /// The fields of a dead letter, none when there is no such letter.
    async fn fields(&self, letter: &EntryId) -> Result<Fields, Fault> {
        let mut range = cmd("XRANGE");
        range
            .arg(self.keys.shelf(Shelf::DeadLetters))
            .arg(letter.as_str())
            .arg(letter.as_str())
            .arg("COUNT")
            .arg(1);
        let range = Command::<Vec<(String, Fields)>>::single(range).expecting(LARGEST);
        let found = self.run(&range).await?.into_iter().next();
        Ok(found.map(|(_, fields)| fields).unwrap_or_default())
    }

    /// The request of a dead letter, on a stream of its own.
    fn request_again(&self, fields: &Fields, now_ms: u64) -> Result<RequestEnvelope, String> {
        let is_signed = fields
            .iter()
            .any(|(field, _)| field == SIGNATURE.as_bytes());
        if is_signed && self.envelope_keys.is_empty() {
            return Err(
                "it is signed, and so must be what is queued: give --envelope-key".to_owned(),
            );
        }
        let queue = self.keys.queue();
        let checked = self.envelope_keys.check_request(&queue, fields);
        checked.map_err(|error| error.to_string())?;
        let mut texts = Vec::with_capacity(fields.len());
        for (field, value) in fields {
            let (field, value) = (std::str::from_utf8(field), std::str::from_utf8(value));
            texts.push(
                field
                    .and_then(|field| Ok((field, value?)))
                    .map_err(|e| e.to_string())?,
            );
        }
        let request = self.task_keys.read_entry(&self.keys, &texts);
        let request = request.map_err(|error| error.to_string())?;
        queued_again(request, now_ms)
    }

    async fn say_alive(&self, holder: &GatewayId) -> Result<(), BusError> {
        let mut beat = cmd("SET");
        beat.arg(self.keys.gateway_life(holder)).arg("1");
        beat.arg("PX").arg(millis(HOLDER_LIFE));
        let beat = Command::<()>::single(beat);
        self.run(&beat).await.map_err(Fault::at_start)
    }
}
