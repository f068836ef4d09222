//! Entries of the queue, and dead letters.

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{CallName, DeadSight, EntryPage, EntrySight, Lease, Shelf};
use prynai_bus::shown;
use prynai_bus::wire::check_format;

use super::{RedisOperations, text};
use crate::bus::clock::{Time, unix_ms};
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::scripts::{self, HANDED_BACK, ListedEntry, millis};

/// Entries of one page.
const PAGE: usize = 100;

impl RedisOperations {
    pub(super) async fn read_entries(
        &self,
        shelf: Shelf,
        after: Option<&EntryId>,
        of: Option<&CallName>,
    ) -> Result<EntryPage, Fault> {
        let list = scripts::list_entries(&self.keys, shelf, after, of, PAGE);
        let (last, listed) = self.run(&list).await?;
        let now_ms = self.now_ms().await?;
        let entries = listed.into_iter();
        Ok(EntryPage {
            entries: entries.map(|entry| sight(shelf, entry, now_ms)).collect(),
            next: (!last.is_empty()).then(|| last.as_str().into()),
        })
    }

    /// The one of this name in the queue.
    pub(super) async fn find_entry(&self, entry: &EntryId) -> Result<Option<EntrySight>, Fault> {
        self.find(Shelf::Queue, entry).await
    }

    /// The one of this name there.
    pub(super) async fn find(
        &self,
        shelf: Shelf,
        entry: &EntryId,
    ) -> Result<Option<EntrySight>, Fault> {
        let find = scripts::find_entry(&self.keys, shelf, entry);
        let (_, listed) = self.run(&find).await?;
        let now_ms = self.now_ms().await?;
        let found = listed.into_iter().next();
        Ok(found.map(|entry| sight(shelf, entry, now_ms)))
    }

    /// The time by Redis' clock.
    pub(super) async fn now_ms(&self) -> Result<u64, Fault> {
        let time = Command::<Time>::single(redis::cmd("TIME"));
        Ok(unix_ms(self.run(&time).await?))
    }
}

/// When an entry was added, Unix milliseconds.
pub(super) fn added_ms(entry: &str) -> Option<u64> {
    entry.split_once('-')?.0.parse().ok()
}

/// A lease as `XPENDING` tells it.
pub(super) fn lease(worker: String, idle_ms: u64, delivery: u64) -> Lease {
    Lease {
        worker,
        renewed_ms_ago: idle_ms,
        delivery,
        is_handed_back: idle_ms >= millis(HANDED_BACK),
    }
}

fn sight(shelf: Shelf, (entry, bytes, said, pending): ListedEntry, now_ms: u64) -> EntrySight {
    let mut sight = EntrySight {
        age_ms: now_ms.saturating_sub(added_ms(&entry).unwrap_or(now_ms)),
        entry,
        bytes,
        ..EntrySight::default()
    };
    let mut dead = DeadSight {
        entry: String::new(),
        reason: String::new(),
    };
    for pair in said.chunks_exact(2) {
        let value = text(&pair[1]);
        match text(&pair[0]).as_str() {
            "v" => sight.format = value.parse().ok(),
            "stream" => sight.stream = Some(value),
            "holder" => sight.holder = Some(value),
            "era" => sight.era = Some(value),
            "version" => sight.protocol_version = Some(value),
            "method" => sight.method = Some(value),
            "name" => sight.name = Some(value),
            "id" => sight.request_id = Some(value),
            "queued" => sight.queued_at_ms = value.parse().ok(),
            "deadline" => sight.deadline_ms = value.parse().ok(),
            "principal" => sight.principal = Some(value),
            "session" => sight.session = Some(shown::session(&value).to_owned()),
            "signed" => sight.is_signed = true,
            "entry" => dead.entry = value,
            "reason" => dead.reason = value,
            _ => {}
        }
    }
    let method = sight.method.as_deref().unwrap_or_default();
    sight.name = sight
        .name
        .map(|name| shown::name(method, &name).into_owned());
    sight.is_readable = sight
        .format
        .is_some_and(|format| check_format(format).is_ok());
    sight.dead = (shelf == Shelf::DeadLetters).then_some(dead);
    if let [worker, idle_ms, delivery] = pending.as_slice() {
        let number = |text: &str| text.parse().unwrap_or(0);
        sight.lease = Some(lease(worker.clone(), number(idle_ms), number(delivery)));
    }
    sight
}
