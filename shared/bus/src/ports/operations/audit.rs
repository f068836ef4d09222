//! The audit.

use serde::Serialize;

use crate::ids::EntryId;
use crate::wire::audit::AuditRecord;

/// Records of one page, and most of the newest that are told.
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
    /// The entry that it lies in; those of later ones are larger, or the same.
    pub entry: EntryId,
    /// What it says; absent when it cannot be read.
    pub record: Option<AuditRecord<'static>>,
}
