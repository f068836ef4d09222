//! [`AuditLog`] in memory.

use async_trait::async_trait;
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::{AuditLog, BusError};
use prynai_process::telemetry::audit;

use crate::bus::{MemoryBus, lock};

impl MemoryBus {
    /// Notes the record of a task that no worker ends, here and wherever this process sends its records besides.
    pub(crate) fn note_ended(&self, record: AuditLine) {
        let now_ms = self.unix_ms();
        if audit::is_open() {
            audit::write(&record.stamped(now_ms));
        }
        lock(&self.audit).add(record, now_ms);
    }
}

#[async_trait]
impl AuditLog for MemoryBus {
    fn records_kept(&self) -> usize {
        self.limits.audit
    }

    async fn note(&self, records: &[AuditLine]) -> Result<(), BusError> {
        let now_ms = self.unix_ms();
        let mut audit = lock(&self.audit);
        for record in records {
            audit.add(record.clone(), now_ms);
        }
        Ok(())
    }
}
