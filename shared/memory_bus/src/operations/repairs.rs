//! [`Repairs`] in memory.

use std::time::Duration;

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, GatewayId, StreamId, WorkerId};
use prynai_bus::operations::{Letter, Repairs, Replay, Replayed, queued_again};
use prynai_bus::wire::request::Era;
use prynai_bus::wire::signal::Signal;
use prynai_bus::{BusError, RequestQueue};

use crate::bus::{MemoryBus, lock};
use crate::stored::gateway::GatewayLife;
use crate::stored::partition::{Partition, StoredLetter, number};

/// How long the holder of a replayed request counts as living after it said so.
const HOLDER_LIFE: Duration = Duration::from_secs(10);

#[async_trait]
impl Repairs for MemoryBus {
    async fn cancel(&self, stream: &StreamId, entry: &EntryId, era: Era) -> Result<bool, BusError> {
        Ok(self.cancel_now(stream, Some(entry), era))
    }

    async fn letter(&self, letter: &EntryId) -> Result<Option<Letter>, BusError> {
        let partition = lock(&self.partition);
        let Some(stored) = partition.letter(letter) else {
            return Ok(None);
        };
        let message = &stored.letter.claim.request.message;
        Ok(Some(Letter {
            sight: stored.sight()?,
            message: Some(message.as_str().to_owned()),
        }))
    }

    async fn drop_letters(&self, letters: &[EntryId]) -> Result<u64, BusError> {
        let mut partition = lock(&self.partition);
        let dropped = letters
            .iter()
            .filter_map(|letter| partition.take_letter(letter));
        Ok(dropped.count() as u64)
    }

    async fn replay(&self, letter: &EntryId) -> Result<Replay, BusError> {
        // Before the request is queued: a worker may look for its holder at once.
        let mut gateways = lock(&self.gateways);
        let mut partition = lock(&self.partition);
        let Some(stored) = partition.letter(letter) else {
            return Ok(Replay::Unknown);
        };
        let request = stored.letter.claim.request.clone();
        let request = match queued_again(request, self.now_ms()) {
            Ok(request) => request,
            Err(reason) => return Ok(Replay::Unfit(reason)),
        };
        let (stream, holder) = (request.stream, request.holder.clone());
        let life = GatewayLife::of_holder(HOLDER_LIFE);
        gateways.insert(holder.clone(), life, Some(HOLDER_LIFE));
        partition.take_letter(letter);
        let entry = partition.enqueue(request);
        drop((partition, gateways));
        self.work.notify_one();
        Ok(Replay::Queued(Replayed {
            stream,
            entry,
            holder,
        }))
    }

    async fn hold(&self, replayed: &Replayed) -> Result<(), BusError> {
        self.hold_for(&replayed.holder);
        Ok(())
    }

    async fn drain(&self, worker: &WorkerId) -> Result<bool, BusError> {
        let mut partition = lock(&self.partition);
        let is_heard = partition.signals.is_heard(worker);
        partition.signals.publish(worker, Signal::drain());
        Ok(is_heard)
    }
}

impl MemoryBus {
    fn hold_for(&self, holder: &GatewayId) {
        let life = GatewayLife::of_holder(HOLDER_LIFE);
        lock(&self.gateways).insert(holder.clone(), life, Some(HOLDER_LIFE));
    }
}

impl Partition {
    fn place_of(&self, letter: &EntryId) -> Option<usize> {
        let number = number(letter)?;
        let letters = &self.dead_letters;
        letters.binary_search_by_key(&number, |l| l.number).ok()
    }

    fn letter(&self, letter: &EntryId) -> Option<&StoredLetter> {
        self.dead_letters.get(self.place_of(letter)?)
    }

    fn take_letter(&mut self, letter: &EntryId) -> Option<StoredLetter> {
        let place = self.place_of(letter)?;
        self.dead_letters.remove(place)
    }
}
