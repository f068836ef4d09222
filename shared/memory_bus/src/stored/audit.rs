//! The audit.

use std::collections::VecDeque;

use prynai_bus::ids::EntryId;
use prynai_bus::operations::{AUDIT_PAGE, AuditFrom, AuditSight};
use prynai_bus::wire::audit::{AuditLine, AuditRecord};

/// The newest records, oldest first.
pub(crate) struct Audit {
    limit: usize,
    added: u64,
    kept: VecDeque<Kept>,
}

/// A record of the audit.
#[derive(Clone)]
pub(crate) struct Kept {
    /// How many were added before it and with it.
    number: u64,
    /// When it was added, Unix milliseconds.
    at_ms: u64,
    line: AuditLine,
}

impl Audit {
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            added: 0,
            kept: VecDeque::new(),
        }
    }

    pub(crate) fn add(&mut self, line: AuditLine, at_ms: u64) {
        if self.limit == 0 {
            return;
        }
        if self.kept.len() == self.limit {
            self.kept.pop_front();
        }
        self.added += 1;
        self.kept.push_back(Kept {
            number: self.added,
            at_ms,
            line,
        });
    }
}

impl Audit {
    /// A page of records, oldest first.
    pub(crate) fn page(&self, from: AuditFrom<'_>) -> Vec<Kept> {
        let first = match from {
            AuditFrom::Newest(count) => self.kept.len().saturating_sub(count.min(AUDIT_PAGE)),
            AuditFrom::After(entry) => {
                let after = number(entry);
                self.kept.partition_point(|kept| kept.number <= after)
            }
        };
        let page = self.kept.range(first..).take(AUDIT_PAGE);
        page.cloned().collect()
    }
}

/// The number in the name of a record; 0 for what is no name.
fn number(entry: &EntryId) -> u64 {
    let (_, number) = entry.as_str().split_once('-').unwrap_or_default();
    number.parse().unwrap_or(0)
}

impl Kept {
    /// As operators see it.
    pub(crate) fn sight(&self) -> AuditSight {
        AuditSight {
            entry: self.entry(),
            record: AuditRecord::read(self.line.as_str())
                .ok()
                .map(|record| record.at(self.at_ms)),
        }
    }

    /// Its name: names of later ones are larger.
    fn entry(&self) -> EntryId {
        format!("{}-{}", self.at_ms, self.number).as_str().into()
    }
}
