//! Requests that wait or run.

use prynai_bus::operations::{EntrySight, Operations, Shelf};
use prynai_bus::shown;
use serde::Serialize;

use super::{Failed, Shown, or_dash};
use crate::settings::{EntryState, QueueFilter};
use crate::show::{Column, Table, size, span};

/// Pages that are looked through for what the filter asks for.
const PAGES: usize = 100;

/// Requests in the queue.
#[derive(Debug, Serialize)]
pub struct Queue {
    /// Those asked for, oldest first.
    pub entries: Vec<EntrySight>,
    /// How many were looked at for them.
    pub looked_at: usize,
    /// Whether there are more behind these.
    pub has_more: bool,
    /// Whether some are of a release that this one cannot read.
    pub has_unreadable: bool,
}

pub(crate) async fn read(
    operations: &dyn Operations,
    filter: &QueueFilter,
) -> Result<Queue, Failed> {
    let limit = usize::from(filter.limit);
    let mut queue = Queue {
        entries: Vec::new(),
        looked_at: 0,
        has_more: false,
        has_unreadable: false,
    };
    let mut after = None;
    for _ in 0..PAGES {
        let page = operations
            .entries(Shelf::Queue, after.as_ref(), None)
            .await?;
        for entry in page.entries {
            queue.looked_at += 1;
            queue.has_unreadable |= !entry.is_readable;
            if !filter.wants(&entry) {
                continue;
            }
            if queue.entries.len() == limit {
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
    Ok(queue)
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
            && is(&self.session, entry.session.as_ref())
            && is(
                &self.worker,
                entry.lease.as_ref().map(|lease| &lease.worker),
            )
    }
}

impl Shown for Queue {
    fn words(&self, width: Option<usize>) -> String {
        let mut text = match self.entries.is_empty() {
            true if self.looked_at == 0 => "The queue is empty.\n".to_owned(),
            true => format!(
                "None of the {} requests in the queue is asked for.\n",
                self.looked_at
            ),
            false => self.table().render(width),
        };
        if self.has_more {
            text += &format!(
                "{} shown of the first {}; there are more (--limit, --state, --tool, --principal).\n",
                self.entries.len(),
                self.looked_at
            );
        }
        if self.has_unreadable {
            text += "Some are of a format that this release cannot read: use the prynai-ops of the newest release.\n";
        }
        text
    }
}

impl Queue {
    fn table(&self) -> Table {
        let mut table = Table::new(vec![
            Column::name("ENTRY"),
            Column::number("AGE"),
            Column::name("STATE"),
            Column::text("WHAT", 28),
            Column::text("CALLER", 10),
            Column::name("WORKER"),
            Column::number("DELIVERY"),
            Column::number("SIZE"),
            Column::name("GATEWAY"),
            Column::name("SESSION"),
        ]);
        for entry in &self.entries {
            let lease = entry.lease.as_ref();
            table.row([
                entry.entry.clone(),
                span(entry.age_ms),
                state(entry).to_owned(),
                what(entry),
                or_dash(entry.principal.as_ref()),
                or_dash(lease.map(|lease| &lease.worker)),
                lease.map_or_else(|| "-".to_owned(), |lease| lease.delivery.to_string()),
                size(entry.bytes),
                or_dash(entry.holder.as_ref()),
                or_dash(entry.session.as_ref()),
            ]);
        }
        table
    }
}

fn state(entry: &EntrySight) -> &'static str {
    match &entry.lease {
        _ if !entry.is_readable => "unreadable",
        None => "waits",
        Some(lease) if lease.is_handed_back => "handed back",
        Some(_) => "runs",
    }
}

/// Whether it is of this tool, prompt or resource, if one is wanted: as a client names it, or as it is shown here.
pub(crate) fn is_named(entry: &EntrySight, wanted: Option<&str>) -> bool {
    let method = entry.method.as_deref().unwrap_or_default();
    let wanted = wanted.map(|name| shown::name(method, name));
    wanted.is_none() || wanted.as_deref() == entry.name.as_deref()
}

/// The method with its tool, prompt or resource.
pub(crate) fn what(entry: &EntrySight) -> String {
    let named = [entry.method.as_ref(), entry.name.as_ref()];
    let words: Vec<_> = named.into_iter().flatten().map(String::as_str).collect();
    match words.is_empty() {
        true => "-".to_owned(),
        false => words.join(" "),
    }
}
