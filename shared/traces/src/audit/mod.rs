//! The audit's records on their way to the receiver of logs.

mod record;

use std::sync::Arc;
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::logs::{LogBatch, LogExporter};
use prynai_process::telemetry::audit;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use self::record::Records;
use crate::export::{Export, ExportQueue};
use crate::metrics::{Counts, metrics};

/// Most bytes of records that wait or are being sent.
const MOST_BYTES: usize = 4 * 1024 * 1024;

/// Sends records.
#[derive(Debug)]
pub(crate) struct Audit<E> {
    exporter: E,
    scope: InstrumentationScope,
    records: Records,
}

/// A record as the file has it, and the room that it takes.
#[derive(Debug)]
pub(crate) struct Line {
    text: String,
    _room: OwnedSemaphorePermit,
}

/// Where records wait.
#[derive(Debug)]
pub(crate) struct AuditQueue<E: LogExporter + 'static> {
    queue: ExportQueue<Audit<E>>,
    room: Arc<Semaphore>,
}

impl<E: LogExporter> Audit<E> {
    /// What sends them, as those of this process.
    pub(crate) fn new(mut exporter: E, resource: &Resource) -> Self {
        exporter.set_resource(resource);
        Self {
            exporter,
            scope: InstrumentationScope::builder("prynai.audit").build(),
            records: Records::new(),
        }
    }
}

impl<E: LogExporter + 'static> AuditQueue<E> {
    /// Records that lie in this queue, at most [`MOST_BYTES`] of them.
    pub(crate) fn new(queue: ExportQueue<Audit<E>>) -> Self {
        Self {
            queue,
            room: Arc::new(Semaphore::new(MOST_BYTES)),
        }
    }

    /// From now on nothing gathers, and nothing is kept for a receiver that does not take it.
    pub(crate) fn hurry(&self) {
        self.queue.hurry();
    }

    /// Waits until all is sent, but no longer than this; for the end of the process.
    pub(crate) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        self.queue.flush(timeout)
    }
}

impl<E: LogExporter + 'static> audit::Sink for AuditQueue<E> {
    fn take(&self, line: &str) {
        let bytes = u32::try_from(line.len()).unwrap_or(u32::MAX);
        match self.room.clone().try_acquire_many_owned(bytes) {
            Ok(room) => self.queue.push(Line {
                text: line.to_owned(),
                _room: room,
            }),
            Err(_) => metrics().records.no_room.inc(),
        }
    }
}

impl<E: LogExporter + 'static> Export for Audit<E> {
    type Item = Line;

    /// As many small ones as there is room for.
    const MOST_WAITING: usize = 16_384;

    /// As long as a receiver takes to be started again.
    const KEPT: Duration = Duration::from_secs(60);

    const THREAD: &'static str = "audit";

    fn counts() -> &'static Counts {
        &metrics().records
    }

    async fn send(&self, items: &mut Vec<Line>) -> OTelSdkResult {
        let records = items.iter().filter_map(|line| self.records.of(&line.text));
        let records: Vec<_> = records.collect();
        let batch: Vec<_> = records.iter().map(|record| (record, &self.scope)).collect();
        self.exporter.export(LogBatch::new(&batch)).await
    }

    fn tell_away(error: &OTelSdkError) {
        tracing::warn!(
            %error,
            "the receiver of logs takes no records of the audit; each batch of them is tried for a minute, and then lost"
        );
    }

    fn tell_back() {
        tracing::info!("the receiver of logs takes records of the audit again");
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicBool, Ordering};

    use prynai_process::telemetry::audit::Sink;
    use tokio::sync::Notify;

    use super::*;
    use crate::export::{PATIENCE, TOGETHER};

    /// A receiver that answers once it may, and takes records from its second answer on.
    #[derive(Debug, Clone, Default)]
    struct Receiver {
        may: Arc<Notify>,
        has_refused: Arc<AtomicBool>,
        taken: Arc<Mutex<Vec<usize>>>,
    }

    impl LogExporter for Receiver {
        async fn export(&self, batch: LogBatch<'_>) -> OTelSdkResult {
            self.may.notified().await;
            self.may.notify_one();
            if !self.has_refused.swap(true, Ordering::Relaxed) {
                return Err(OTelSdkError::InternalFailure("not yet".to_owned()));
            }
            self.taken.lock().unwrap().push(batch.iter().count());
            Ok(())
        }
    }

    #[test]
    fn what_a_receiver_does_not_take_at_once_is_kept_up_to_a_bound_and_the_rest_is_counted() {
        let receiver = Receiver::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let audit = Audit::new(receiver.clone(), &Resource::builder_empty().build());
        let queue = AuditQueue::new(ExportQueue::start(runtime, audit).unwrap());
        let line = format!(r#"{{"v":1,"outcome":"ok","name":"{}"}}"#, "x".repeat(1000));
        let fit = MOST_BYTES / line.len();
        for _ in 0..fit + 100 {
            queue.take(&line);
        }
        assert_eq!(metrics().records.no_room.get(), 100);
        receiver.may.notify_one();
        while metrics().records.sent.get() == 0 {
            std::thread::yield_now();
        }
        queue.flush(PATIENCE).unwrap();
        let taken = receiver.taken.lock().unwrap().clone();
        assert_eq!(taken.iter().sum::<usize>(), fit);
        assert!(taken.iter().all(|batch| *batch <= TOGETHER), "{taken:?}");
        assert_eq!(metrics().records.sent.get(), fit as u64);
        assert_eq!(metrics().records.not_taken.get(), 0);
        // What was sent has given its room back, and what cannot be sent at the end is given up.
        receiver.has_refused.store(false, Ordering::Relaxed);
        queue.take(&line);
        queue.flush(PATIENCE).unwrap();
        assert_eq!(metrics().records.no_room.get(), 100);
        assert_eq!(metrics().records.not_taken.get(), 1);
    }
}
