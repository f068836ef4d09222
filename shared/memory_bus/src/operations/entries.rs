//! Entries of the queue, and dead letters.

use prynai_bus::BusError;
use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, DeadSight, EntryPage, EntrySight, Lease, Shelf};
use prynai_bus::shown;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::{FORMAT, WireError};
use tokio::time::Instant;

use super::{cut, ms_since};
use crate::bus::{MemoryBus, lock};
use crate::stored::partition::{self, Partition, Running, StoredLetter, Waiting, named, number};

/// Entries of one page.
const PAGE: usize = 100;

/// The idle time of a lease that was handed back, in milliseconds: without a meaning.
const HANDED_BACK_MS: u64 = u64::MAX;

impl MemoryBus {
    pub(super) fn read_entries(
        &self,
        shelf: Shelf,
        after: Option<&EntryId>,
        of: Option<&CallName>,
    ) -> Result<EntryPage, BusError> {
        let partition = lock(&self.partition);
        let after = after.and_then(number);
        Ok(match shelf {
            Shelf::Queue => partition.page_of_queue(after.unwrap_or(0), of)?,
            Shelf::DeadLetters => partition.page_of_letters(after, of)?,
        })
    }
}

impl Partition {
    fn page_of_queue(&self, after: u64, of: Option<&CallName>) -> Result<EntryPage, WireError> {
        // What runs was queued before all that waits.
        let running = self.running.range(after.saturating_add(1)..);
        let running = running.map(|(number, running)| (*number, Queued::Running(running)));
        let seen = self.waiting.partition_point(|w| w.number <= after);
        let waiting = self.waiting.range(seen..);
        let waiting = waiting.map(|waiting| (waiting.number, Queued::Waiting(waiting)));
        page(running.chain(waiting), |queued| {
            let is_it = of.is_none_or(|of| queued.is_called(of));
            is_it.then(|| queued.sight()).transpose()
        })
    }

    fn page_of_letters(
        &self,
        after: Option<u64>,
        of: Option<&CallName>,
    ) -> Result<EntryPage, WireError> {
        let end = self
            .dead_letters
            .partition_point(|l| after.is_none_or(|after| l.number < after));
        let letters = self.dead_letters.range(..end).rev();
        page(letters.map(|letter| (letter.number, letter)), |letter| {
            let is_it = of.is_none_or(|of| letter.is_called(of));
            is_it.then(|| letter.sight()).transpose()
        })
    }

    /// The entry of a call that waits or runs.
    pub(super) fn queued_call(&self, name: &CallName) -> Option<Queued<'_>> {
        let running = self.running.values().map(Queued::Running);
        let mut queued = running.chain(self.waiting.iter().map(Queued::Waiting));
        queued.find(|queued| queued.is_called(name))
    }

    /// The newest dead letter of a call.
    pub(super) fn dead_call(&self, name: &CallName) -> Option<&StoredLetter> {
        let mut letters = self.dead_letters.iter().rev();
        letters.find(|letter| letter.is_called(name))
    }
}

/// The first of some numbered things: those that are told, and where to go on.
fn page<T>(
    mut things: impl Iterator<Item = (u64, T)>,
    tell: impl Fn(T) -> Result<Option<EntrySight>, WireError>,
) -> Result<EntryPage, WireError> {
    let (mut entries, mut last) = (Vec::new(), None);
    for (number, thing) in things.by_ref().take(PAGE) {
        entries.extend(tell(thing)?);
        last = Some(number);
    }
    let has_more = things.next().is_some();
    Ok(EntryPage {
        entries,
        next: last.filter(|_| has_more).map(named),
    })
}

/// An entry of the queue.
pub(super) enum Queued<'a> {
    Waiting(&'a Waiting),
    Running(&'a Running),
}

impl Queued<'_> {
    fn parts(&self) -> (&EntryId, &RequestEnvelope, Instant) {
        match self {
            Self::Waiting(waiting) => (&waiting.entry, &waiting.request, waiting.since),
            Self::Running(running) => (&running.entry, &running.request, running.since),
        }
    }

    fn is_called(&self, name: &CallName) -> bool {
        let (entry, request, _) = self.parts();
        match name {
            CallName::Stream(stream) => request.stream == *stream,
            CallName::Entry(wanted) => entry == wanted,
        }
    }

    pub(super) fn sight(&self) -> Result<EntrySight, WireError> {
        let (entry, request, since) = self.parts();
        let mut sight = sight(entry, request, since)?;
        if let Self::Running(running) = self {
            sight.lease = Some(lease(running));
        }
        Ok(sight)
    }
}

impl StoredLetter {
    fn is_called(&self, name: &CallName) -> bool {
        match name {
            CallName::Stream(stream) => self.letter.claim.request.stream == *stream,
            CallName::Entry(wanted) => {
                named(self.number) == *wanted || self.letter.claim.entry == *wanted
            }
        }
    }

    pub(super) fn sight(&self) -> Result<EntrySight, WireError> {
        let claim = &self.letter.claim;
        let sight = sight(&named(self.number), &claim.request, self.noted)?;
        let dead = DeadSight {
            entry: claim.entry.to_string(),
            reason: cut(&self.letter.reason),
        };
        Ok(EntrySight {
            dead: Some(dead),
            ..sight
        })
    }
}

fn lease(running: &Running) -> Lease {
    let renewed_ms_ago = match running.lease {
        partition::Lease::Since(start) => ms_since(start),
        partition::Lease::HandedBack => HANDED_BACK_MS,
    };
    Lease {
        worker: running.worker.to_string(),
        renewed_ms_ago,
        delivery: running.delivery.into(),
        is_handed_back: matches!(running.lease, partition::Lease::HandedBack),
    }
}

fn sight(
    entry: &EntryId,
    request: &RequestEnvelope,
    since: Instant,
) -> Result<EntrySight, WireError> {
    let fields = request.to_fields()?;
    let bytes: usize = fields
        .iter()
        .map(|(name, value)| name.len() + value.len())
        .sum();
    let method = cut(&request.method);
    let name = request.name.as_deref().map(cut);
    Ok(EntrySight {
        entry: entry.to_string(),
        age_ms: ms_since(since),
        bytes: bytes as u64,
        format: Some(FORMAT),
        is_readable: true,
        stream: Some(request.stream.to_string()),
        holder: Some(request.holder.to_string()),
        era: Some(request.era.as_str().to_owned()),
        protocol_version: Some(cut(&request.protocol_version)),
        name: name.map(|name| shown::name(&method, &name).into_owned()),
        method: Some(method),
        request_id: request.request_id.as_ref().map(|id| cut(id.as_str())),
        principal: Some(cut(&request.principal.subject)),
        session: request
            .session
            .as_ref()
            .map(|session| shown::session(session.id.as_str()).to_owned()),
        queued_at_ms: Some(request.queued_at_ms),
        deadline_ms: request.deadline_ms,
        is_signed: false,
        lease: None,
        dead: None,
    })
}
