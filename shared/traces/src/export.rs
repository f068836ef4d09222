//! The way of ended spans to the receiver. Whoever ends a span never waits: a thread sends what has gathered, and when
//! the queue before it is full, spans are lost and counted.

use std::sync::mpsc::SyncSender;
use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};
use prynai_process::outage::Alarm;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

use crate::metrics::metrics;

/// Most spans that wait; one takes one or two KiB.
const MOST_WAITING: usize = 4096;

/// Spans that are sent together.
const TOGETHER: usize = 512;

/// How long spans gather before they are sent.
const GATHERING: Duration = Duration::from_millis(200);

/// How long the receiver may take for what is sent together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// Where ended spans wait.
#[derive(Debug)]
pub(crate) struct ExportQueue {
    spans: mpsc::Sender<Item>,
    hurry: std::sync::Arc<Notify>,
}

#[derive(Debug)]
enum Item {
    Span(Box<SpanData>),
    /// Says that all before it was sent, or given up.
    Flush(SyncSender<()>),
}

impl ExportQueue {
    /// A queue whose spans a new thread gives to `exporter`, in `runtime`.
    ///
    /// # Errors
    ///
    /// When there is no thread.
    pub(crate) fn start<E: SpanExporter + 'static>(
        runtime: Runtime,
        mut exporter: E,
        resource: &Resource,
    ) -> std::io::Result<Self> {
        exporter.set_resource(resource);
        let (spans, ended) = mpsc::channel(MOST_WAITING);
        let hurry = std::sync::Arc::<Notify>::default();
        let sending = send_all(exporter, ended, hurry.clone());
        // Nobody joins it: it may wait for a receiver that does not answer.
        std::thread::Builder::new()
            .name("traces".to_owned())
            .spawn(move || runtime.block_on(sending))?;
        Ok(Self { spans, hurry })
    }
}

impl SpanProcessor for ExportQueue {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        let is_sampled = span.span_context.is_sampled();
        if is_sampled && self.spans.try_send(Item::Span(Box::new(span))).is_err() {
            metrics().no_room.inc();
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.shutdown_with_timeout(PATIENCE)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        let (sent, all_sent) = std::sync::mpsc::sync_channel(1);
        self.hurry.notify_one();
        let mut flush = Item::Flush(sent);
        let until = std::time::Instant::now() + timeout;
        // A full queue has room again soon, if the receiver takes anything.
        while let Err(full) = self.spans.try_send(flush) {
            flush = full.into_inner();
            if std::time::Instant::now() >= until {
                return Err(OTelSdkError::Timeout(timeout));
            }
            std::thread::sleep(GATHERING / 10);
        }
        self.hurry.notify_one();
        let left = until.saturating_duration_since(std::time::Instant::now());
        all_sent
            .recv_timeout(left)
            .map_err(|_| OTelSdkError::Timeout(timeout))
    }
}

async fn send_all(
    exporter: impl SpanExporter,
    mut ended: mpsc::Receiver<Item>,
    hurry: std::sync::Arc<Notify>,
) {
    let alarm = Alarm::default();
    let mut items = Vec::with_capacity(TOGETHER);
    while let Some(first) = ended.recv().await {
        if matches!(first, Item::Span(_)) && ended.len() < TOGETHER {
            // Whoever ends a span meanwhile need not wake this thread.
            let _ = tokio::time::timeout(GATHERING, hurry.notified()).await;
        }
        items.push(first);
        while items.len() < TOGETHER
            && let Ok(next) = ended.try_recv()
        {
            items.push(next);
        }
        let (mut spans, mut flushed) = (Vec::with_capacity(items.len()), Vec::new());
        for item in items.drain(..) {
            match item {
                Item::Span(span) => spans.push(*span),
                Item::Flush(sent) => flushed.push(sent),
            }
        }
        if !spans.is_empty() {
            send(&exporter, spans, &alarm).await;
        }
        for sent in flushed {
            // Whoever waited for it may have given up.
            let _ = sent.try_send(());
        }
    }
}

async fn send(exporter: &impl SpanExporter, spans: Vec<SpanData>, alarm: &Alarm) {
    let count = spans.len() as u64;
    let sent = tokio::time::timeout(PATIENCE, exporter.export(spans)).await;
    let sent = sent.unwrap_or(Err(OTelSdkError::Timeout(PATIENCE)));
    match sent {
        Ok(()) => {
            metrics().sent.inc_by(count);
            if alarm.clear() {
                tracing::info!("the receiver of traces takes spans again");
            }
        }
        Err(error) => {
            metrics().not_taken.inc_by(count);
            if alarm.raise() {
                tracing::warn!(%error, "the receiver of traces takes no spans; they are lost until it does");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{Span as _, Tracer, TracerProvider};
    use opentelemetry_sdk::trace::{SdkTracerProvider, SpanExporter};

    use super::*;

    /// A receiver that takes spans once it may.
    #[derive(Debug, Clone, Default)]
    struct Receiver {
        may: Arc<Notify>,
        taken: Arc<Mutex<Vec<usize>>>,
    }

    impl SpanExporter for Receiver {
        async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
            self.may.notified().await;
            self.taken.lock().unwrap().push(batch.len());
            self.may.notify_one();
            Ok(())
        }
    }

    #[test]
    fn a_receiver_that_does_not_answer_holds_up_nobody_and_spans_are_counted() {
        let receiver = Receiver::default();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let resource = Resource::builder_empty().build();
        let queue = ExportQueue::start(runtime, receiver.clone(), &resource).unwrap();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .build();
        let tracer = provider.tracer("test");
        let ended = 3 * MOST_WAITING as u64;
        for _ in 0..ended {
            tracer.start("span").end();
        }
        let lost = metrics().no_room.get();
        assert!(lost >= ended - (MOST_WAITING + TOGETHER) as u64, "{lost}");
        assert!(lost <= ended - MOST_WAITING as u64, "{lost}");
        receiver.may.notify_one();
        provider.shutdown_with_timeout(PATIENCE).unwrap();
        let taken = receiver.taken.lock().unwrap();
        assert_eq!(taken.iter().sum::<usize>() as u64, ended - lost);
        assert!(taken.iter().all(|batch| *batch <= TOGETHER), "{taken:?}");
        assert_eq!(metrics().sent.get(), ended - lost);
    }
}
