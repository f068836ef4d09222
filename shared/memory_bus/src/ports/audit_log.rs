//! [`AuditLog`] in memory.

use async_trait::async_trait;
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::{AuditLog, BusError};

use crate::bus::{MemoryBus, lock};

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
