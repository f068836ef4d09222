//! The audit.

use prynai_bus::BusError;
use prynai_bus::operations::{AUDIT_PAGE, AuditFrom, AuditSight};
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::catalog::CatalogRecord;
use redis::cmd;

use super::RedisOperations;
use super::entries::added_ms;
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::wire::lines::RECORDS;

/// An entry of the stream with its fields.
type Entry = (String, Vec<(String, Vec<u8>)>);

impl RedisOperations {
    /// What the workers announced last, for which a user who may only look has rights enough.
    ///
    /// # Errors
    ///
    /// When Redis is away, or what lies there is no catalog of this release.
    pub async fn catalog(&self) -> Result<Option<CatalogRecord>, BusError> {
        let mut get = cmd("GET");
        get.arg(self.keys.catalog());
        let read = self.run(&Command::<Option<String>>::single(get)).await;
        let json = read.map_err(Fault::at_start)?;
        let record = json.map(|json| CatalogRecord::from_json(&json));
        Ok(record.transpose()?)
    }

    pub(super) async fn read_audit(&self, from: AuditFrom<'_>) -> Result<Vec<AuditSight>, Fault> {
        let audit = self.keys.audit();
        match from {
            AuditFrom::Newest(count) => {
                let count = count.min(AUDIT_PAGE);
                let mut newest = cmd("XREVRANGE");
                newest.arg(audit).arg("+").arg("-").arg("COUNT").arg(count);
                let mut entries: Vec<Entry> = self.run(&Command::single(newest)).await?;
                entries.reverse();
                let mut records = sights(entries);
                records.drain(..records.len().saturating_sub(count));
                Ok(records)
            }
            AuditFrom::After(entry) => {
                let mut later = cmd("XRANGE");
                later.arg(audit).arg(format!("({entry}")).arg("+");
                later.arg("COUNT").arg(AUDIT_PAGE);
                Ok(sights(self.run(&Command::single(later)).await?))
            }
        }
    }
}

/// The records of entries, each of which has one or several, a line each. One that has none is told as one that cannot
/// be read, so that whoever reads on gets past it.
fn sights(entries: Vec<Entry>) -> Vec<AuditSight> {
    let mut sights = Vec::new();
    for (entry, fields) in &entries {
        let records = fields.iter().find(|(field, _)| field == RECORDS);
        let lines = records.map_or(&[][..], |(_, lines)| lines);
        sights.extend(
            lines
                .split(|byte| *byte == b'\n')
                .map(|line| sight(entry, line)),
        );
    }
    sights
}

fn sight(entry: &str, line: &[u8]) -> AuditSight {
    let line = std::str::from_utf8(line).ok();
    AuditSight {
        entry: entry.into(),
        record: line.and_then(|line| {
            let added = added_ms(entry).unwrap_or_default();
            Some(AuditRecord::read(line).ok()?.at(added))
        }),
    }
}
