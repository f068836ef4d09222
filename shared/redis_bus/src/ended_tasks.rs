//! The records of tasks that no worker ends: they waited for their clients, or were lost.

use prynai_bus::ids::StreamId;
use prynai_bus::shown;
use prynai_bus::wire::WireError;
use prynai_bus::wire::audit::{AuditLine, AuditRecord};
use prynai_bus::wire::task::{TaskBirth, TaskFailure};
use prynai_process::telemetry::audit;

/// Writes the record of a task that a script has ended, if it has one, to wherever this process sends its records
/// besides Redis. One that cannot be read is left out.
pub(crate) fn write_elsewhere(record: &str, now_ms: u64) {
    if !audit::is_open() || record.is_empty() {
        return;
    }
    if let Ok(record) = AuditRecord::read(record).and_then(|record| record.line()) {
        audit::write(&record.stamped(now_ms));
    }
}

/// The record of a task that nobody else ends: what its worker left for that or, if it never waited for its client,
/// what its log knows of it. `known` are these: `record`, `principal`, `task`.
pub(crate) fn record_of_failed(
    name: &StreamId,
    known: &[Option<String>; 3],
    failure: TaskFailure,
) -> Result<AuditLine, WireError> {
    let [record, principal, task] = known;
    if let Some(record) = record.as_deref().filter(|record| !record.is_empty()) {
        return AuditLine::of_failed(record, failure.reason());
    }
    let birth = TaskBirth::from_json(task.as_deref().unwrap_or_default())?;
    let stream = name.to_string();
    let known = AuditRecord {
        // No other call becomes a task.
        method: Some("tools/call".into()),
        name: birth.name.as_deref().map(Into::into),
        principal: principal.as_deref().map(shown::subject),
        stream: Some(stream.as_str().into()),
        ..AuditRecord::new("error")
    };
    AuditLine::of_failed(known.line()?.as_str(), failure.reason())
}
