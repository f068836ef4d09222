//! Requests that wait or run.

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{EntrySight, Operations, Shelf};
use prynai_bus::shown;
use serde::Serialize;

use crate::Failed;
use crate::lost::{LostWorker, state_among};

/// Which requests.
#[derive(Debug, Default, Clone)]
pub struct QueueFilter {
    /// Only those in this state.
    pub state: EntryState,
    /// Only of this tool, prompt or resource.
    pub tool: Option<String>,
    /// Only of this caller.
    pub principal: Option<String>,
    /// Only of this session, by its whole id or its beginning.
    pub session: Option<String>,
    /// Only in the hands of this worker.
    pub worker: Option<String>,
}

/// What is known of a request's place.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub enum EntryState {
    /// Wherever it is.
    #[default]
    All,
    /// No worker has it.
    Waiting,
    /// A worker has it.
    Running,
}

/// How far a list is read.
#[derive(Debug, Clone, Copy)]
pub struct Extent {
    /// Most rows.
    pub rows: usize,
    /// Most pages of the bus that are looked through for them.
    pub pages: usize,
}

/// Requests in the queue.
#[derive(Debug, Serialize)]
pub struct Queue {
    /// Those asked for, oldest first.
    pub entries: Vec<EntrySight>,
    /// Workers that are gone and have some of them.
    pub lost: Vec<LostWorker>,
    /// How many were looked at for them.
    pub looked_at: usize,
    /// Whether there are more behind these.
    pub has_more: bool,
    /// Whether some are of a release that this one cannot read.
    pub has_unreadable: bool,
    /// The entry after which the rest begins, if there is a rest.
    #[serde(skip)]
    pub next: Option<EntryId>,
}

/// Reads the requests after an entry, or from the oldest one.
///
/// # Errors
///
/// When the bus does not answer, or refuses.
pub async fn read(
    operations: &dyn Operations,
    filter: &QueueFilter,
    after: Option<EntryId>,
    extent: Extent,
) -> Result<Queue, Failed> {
    let mut queue = read_entries(operations, filter, after, extent).await?;
    if queue.entries.iter().any(|entry| entry.lease.is_some()) {
        let workers = operations.workers().await?;
        queue.lost = LostWorker::among(&workers, &queue.entries);
    }
    Ok(queue)
}

async fn read_entries(
    operations: &dyn Operations,
    filter: &QueueFilter,
    mut after: Option<EntryId>,
    extent: Extent,
) -> Result<Queue, Failed> {
    let mut queue = Queue {
        entries: Vec::new(),
        lost: Vec::new(),
        looked_at: 0,
        has_more: false,
        has_unreadable: false,
        next: None,
    };
    for _ in 0..extent.pages {
        let page = operations
            .entries(Shelf::Queue, after.as_ref(), None)
            .await?;
        for entry in page.entries {
            queue.looked_at += 1;
            queue.has_unreadable |= !entry.is_readable;
            if !filter.wants(&entry) {
                continue;
            }
            if queue.entries.len() == extent.rows {
                let last = queue.entries.last();
                queue.next = last.map(|entry| entry.entry.as_str().into());
                queue.has_more = true;
                return Ok(queue);
            }
            queue.entries.push(entry);
        }
        after = page.next;
        if after.is_none() {
            return Ok(queue);
        }
    }
    queue.has_more = true;
    queue.next = after;
    Ok(queue)
}

impl Queue {
    /// Where one of its entries is, in a word or two.
    pub fn state(&self, entry: &EntrySight) -> &'static str {
        state_among(entry, &self.lost)
    }
}

impl QueueFilter {
    fn wants(&self, entry: &EntrySight) -> bool {
        let is = |wanted: &Option<String>, has: Option<&String>| {
            wanted.is_none() || wanted.as_ref() == has
        };
        let state = match self.state {
            EntryState::All => true,
            EntryState::Waiting => entry.lease.is_none(),
            EntryState::Running => entry.lease.is_some(),
        };
        state
            && is_named(entry, self.tool.as_deref())
            && is(&self.principal, entry.principal.as_ref())
            && is_of(entry, self.session.as_deref())
            && is(
                &self.worker,
                entry.lease.as_ref().map(|lease| &lease.worker),
            )
    }
}

/// Whether it is of this session, if one is wanted.
fn is_of(entry: &EntrySight, wanted: Option<&str>) -> bool {
    let is_it = |wanted| {
        let session = entry.session.as_deref();
        session.is_some_and(|session| shown::is_session(session, wanted))
    };
    wanted.is_none_or(is_it)
}

/// Whether it is of this tool, prompt or resource, if one is wanted: as a client names it, or as it is shown here.
pub(crate) fn is_named(entry: &EntrySight, wanted: Option<&str>) -> bool {
    let method = entry.method.as_deref().unwrap_or_default();
    let wanted = wanted.map(|name| shown::name(method, name));
    wanted.is_none() || wanted.as_deref() == entry.name.as_deref()
}
