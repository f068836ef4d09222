//! The audit: who did what, and whether that was allowed.

use async_trait::async_trait;

use super::BusError;
use crate::wire::audit::AuditLine;

/// The audit: a bounded log of what callers did and of what was refused to them.
///
/// The record of a call comes with its end ([`super::Finish::record`]): there is one for each call that ended, and none
/// for a call that may still end. What never came to a worker is noted here, by gateways.
#[async_trait]
pub trait AuditLog: Send + Sync {
    /// How many records are kept at least, and eight times as many at most; the oldest make room.
    /// Zero: none is kept, and none need be made.
    fn records_kept(&self) -> usize;

    /// Adds records at the end, in their order. What is added again after an error may be there twice.
    ///
    /// # Errors
    ///
    /// When the bus is away.
    async fn note(&self, records: &[AuditLine]) -> Result<(), BusError>;
}
