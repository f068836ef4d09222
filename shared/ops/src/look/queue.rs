//! Requests that wait or run.

use prynai_bus::operations::Operations;
use prynai_operations::look::queue::{Extent, Queue, read as read_queue};
use prynai_operations::text::{or_dash, size, span, what};

use super::{Failed, Shown};
use crate::settings::QueueFilter;
use crate::show::{Column, Table, point};

/// Pages that are looked through for what the filter asks for.
const PAGES: usize = 100;

pub(crate) async fn read(
    operations: &dyn Operations,
    filter: &QueueFilter,
) -> Result<Queue, Failed> {
    let extent = Extent {
        rows: filter.limit.into(),
        pages: PAGES,
    };
    Ok(read_queue(operations, &filter.wanted(), None, extent).await?)
}

impl Shown for Queue {
    fn words(&self, width: Option<usize>) -> String {
        let mut text = match self.entries.is_empty() {
            true if self.looked_at == 0 => "The queue is empty.\n".to_owned(),
            true => format!(
                "None of the {} requests in the queue is asked for.\n",
                self.looked_at
            ),
            false => table(self).render(width),
        };
        for worker in &self.lost {
            text += &point(&worker.said(), width);
        }
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

/// The requests as a table.
pub(crate) fn table(queue: &Queue) -> Table {
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
    for entry in &queue.entries {
        let lease = entry.lease.as_ref();
        table.row([
            entry.entry.clone(),
            span(entry.age_ms),
            queue.state(entry).to_owned(),
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
