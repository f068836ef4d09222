//! Where the audit goes: to the bus, which keeps the newest records, to a file, which keeps all, and to whoever else
//! takes them.

use std::fs::{File, OpenOptions};
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, OnceLock};

use clap::Args;
use clap::builder::RangedU64ValueParser;

use super::LogFormat;
use super::log_queue::{LogQueue, Lost};
use crate::metrics::{self, Counter, Counters};

static FILE: OnceLock<LogQueue> = OnceLock::new();

static SINK: OnceLock<Arc<dyn Sink>> = OnceLock::new();

static LOST: LazyLock<Counters> = LazyLock::new(|| {
    metrics::metrics().counters(
        "prynai_audit_lost_total",
        "Records of the audit that are missing where this process sends them besides the bus.",
        &[
            ("to", "`file` (`--audit-file`), `otlp` (`--audit-otlp`)"),
            (
                "reason",
                "`queue_full` (they came faster than they were taken), `not_taken` (the disk or the receiver did not \
                 take them)",
            ),
        ],
    )
});

/// Takes records as well.
pub trait Sink: Send + Sync {
    /// Takes a line of JSON, and waits for nothing.
    fn take(&self, line: &str);
}

/// Where the audit goes.
#[derive(Debug, Clone, Args)]
pub struct AuditSettings {
    /// Records of the audit that are kept on the bus at least (0 to 10000000), of some 340 bytes each: who called what,
    /// whether it was allowed, and how it ended. Eight times as many are kept when many calls end at once. The oldest
    /// make room, and 0 keeps none. The same for every gateway and worker (docs/audit.md).
    #[arg(
        long,
        env = "PRYNAI_AUDIT_RECORDS",
        default_value_t = 5_000,
        value_name = "COUNT",
        value_parser = RangedU64ValueParser::<usize>::new().range(0..=10_000_000)
    )]
    pub audit_records: usize,

    /// File to which this process adds its records of the audit as well, as lines of JSON: a worker those of the calls
    /// that it ended, a gateway those of what it refused, and each those of tasks that it ended without a worker
    /// [default: none].
    #[arg(long, env = "PRYNAI_AUDIT_FILE", value_name = "FILE")]
    pub audit_file: Option<PathBuf>,
}

impl AuditSettings {
    /// From now on [`write()`] writes to the end of the file. It is made for its owner's eyes alone if it is not there.
    ///
    /// # Errors
    ///
    /// Why it cannot be opened.
    pub(super) fn open(&self) -> Result<(), String> {
        let Some(path) = &self.audit_file else {
            return Ok(());
        };
        let mut options = OpenOptions::new();
        options.create(true).append(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let opened = options.open(path);
        let queue = opened.and_then(start);
        let path = path.display();
        let queue = queue.map_err(|error| format!("--audit-file {path}: {error}"))?;
        // A process opens one.
        let _ = FILE.set(queue);
        Ok(())
    }
}

/// A queue of lines for this file, which counts those that are lost.
fn start(file: File) -> std::io::Result<LogQueue> {
    let lost = Lost {
        queue_full: lost("file", "queue_full"),
        not_taken: lost("file", "not_taken"),
    };
    LogQueue::start_counting(LogFormat::Json, file, Some(lost))
}

/// From now on [`write()`] hands records to this as well; `false` if it does so to another one already.
#[must_use]
pub fn send_to(sink: Arc<dyn Sink>) -> bool {
    SINK.set(sink).is_ok()
}

/// Counts the records that are lost on their way there.
pub fn lost(to: &str, reason: &str) -> Counter {
    LOST.with_label_values(&[to, reason])
}

/// Whether somebody takes records besides the bus.
pub fn is_open() -> bool {
    FILE.get().is_some() || SINK.get().is_some()
}

/// Adds a line. It waits for nothing: what finds no room, or is not taken, is lost and counted.
pub fn write(line: &str) {
    if let Some(queue) = FILE.get() {
        queue.push_line(line);
    }
    if let Some(sink) = SINK.get() {
        sink.take(line);
    }
}

/// Waits until everything is written, but not for long.
pub(super) fn flush() {
    if let Some(queue) = FILE.get() {
        queue.flush();
    }
}
