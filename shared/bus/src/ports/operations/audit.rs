//! The audit.

use serde::Serialize;

use crate::ids::EntryId;
use crate::wire::audit::AuditRecord;

/// Most records of one page.
pub const AUDIT_PAGE: usize = 500;

/// Which records.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuditFrom<'a> {
    /// The newest, so many of them.
    Newest(usize),
    /// Those after one, or after where it would be.
    After(&'a EntryId),
}

/// A record.
#[derive(Debug, Clone, Serialize)]
pub struct AuditSight {
    /// Its name; those of later ones are larger.
    pub entry: EntryId,
    /// What it says; absent when it cannot be read.
    pub record: Option<AuditRecord<'static>>,
}
