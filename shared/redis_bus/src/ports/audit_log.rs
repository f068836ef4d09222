//! [`AuditLog`] on Redis: a stream, cut to about its length with each record.

use async_trait::async_trait;
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::{AuditLog, BusError};
use redis::pipe;

use crate::bus::RedisBus;
use crate::connection::command::Command;
use crate::wire::lines::RECORDS;

/// Records that one pipeline adds.
const NOTED_AT_ONCE: usize = 256;

#[async_trait]
impl AuditLog for RedisBus {
    fn records_kept(&self) -> usize {
        self.limits.audit
    }

    async fn note(&self, records: &[AuditLine]) -> Result<(), BusError> {
        if self.limits.audit == 0 {
            return Ok(());
        }
        let audit = self.keys.audit();
        for records in records.chunks(NOTED_AT_ONCE) {
            let mut adds = pipe();
            for record in records {
                adds.cmd("XADD")
                    .arg(&audit)
                    .arg("MAXLEN")
                    .arg("~")
                    .arg(self.limits.audit)
                    .arg("*")
                    .arg(RECORDS)
                    .arg(record.as_str())
                    .ignore();
            }
            self.run(&Command::<()>::pipeline(adds)).await?;
        }
        Ok(())
    }
}
