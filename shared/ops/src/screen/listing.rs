//! The rows of a list, with what each leads to.

use prynai_bus::operations::{CallName, EntrySight};

use super::sight::{List, Sight};
use crate::look::processes::{gateway_table, worker_table};
use crate::look::queue::table as queue_table;
use crate::mend::dead::table as letter_table;
use crate::show::Table;

/// The lists, by their keys.
pub(super) const VIEWS: [(View, &str); 4] = [
    (View::Queue, "queue"),
    (View::Workers, "workers"),
    (View::Gateways, "gateways"),
    (View::Dead, "dead"),
];

/// A list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum View {
    Queue,
    Workers,
    Gateways,
    Dead,
}

/// What a row leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Row {
    /// Its name, by which the selection follows it.
    pub(super) name: String,
    /// The call.
    pub(super) call: Option<CallName>,
}

/// The rows that are shown, and their text.
pub(super) struct Listing {
    pub(super) table: Table,
    pub(super) rows: Vec<Row>,
    /// Whether there are more than were read.
    pub(super) has_more: bool,
}

// === impl Row, Listing ===

impl Row {
    fn named(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            call: None,
        }
    }

    fn of_entry(entry: &EntrySight) -> Self {
        Self {
            name: entry.entry.clone(),
            call: called(&[entry.stream.as_ref(), Some(&entry.entry)]),
        }
    }

    /// By its stream it is found for as long as the letter is kept.
    fn of_letter(letter: &EntrySight) -> Self {
        let entry = letter.dead.as_ref().map(|dead| &dead.entry);
        Self {
            name: letter.entry.clone(),
            call: called(&[letter.stream.as_ref(), entry]),
        }
    }
}

/// The first of these that can name a call: somebody may have written an entry by hand.
fn called(names: &[Option<&String>]) -> Option<CallName> {
    let mut names = names.iter().flatten();
    names.find_map(|name| name.parse().ok())
}

impl Listing {
    /// The rows of a list; `None` if another one was seen.
    pub(super) fn of(seen: &Sight, view: View) -> Option<Self> {
        Some(match (&seen.list, view) {
            (List::Queue(queue), View::Queue) => Listing {
                table: queue_table(queue),
                rows: queue.entries.iter().map(Row::of_entry).collect(),
                has_more: queue.has_more,
            },
            (List::Dead(letters), View::Dead) => Listing {
                table: letter_table(letters),
                rows: letters.letters.iter().map(Row::of_letter).collect(),
                has_more: letters.has_more,
            },
            (_, View::Workers) => {
                let workers = &seen.status.workers;
                let names = workers.iter().map(|worker| &worker.worker);
                Listing {
                    table: worker_table(workers),
                    rows: names.map(|name| Row::named(name)).collect(),
                    has_more: false,
                }
            }
            (_, View::Gateways) => {
                let gateways = &seen.status.gateways;
                let names = gateways.iter().map(|gateway| &gateway.gateway);
                Listing {
                    table: gateway_table(gateways),
                    rows: names.map(|name| Row::named(name)).collect(),
                    has_more: false,
                }
            }
            _ => return None,
        })
    }

    /// Leaves out the rows in which the text is not, in capital or small letters.
    pub(super) fn keep(&mut self, filter: &str) {
        if filter.is_empty() {
            return;
        }
        let filter = filter.to_lowercase();
        let mut kept = Vec::new();
        self.table.retain(|cells| {
            let is_wanted = cells.join("  ").to_lowercase().contains(&filter);
            kept.push(is_wanted);
            is_wanted
        });
        let mut kept = kept.into_iter();
        self.rows.retain(|_| kept.next() == Some(true));
    }
}
