//! Ended spans on their way to the receiver.

use std::time::Duration;

use opentelemetry::Context;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::trace::{Span, SpanData, SpanExporter, SpanProcessor};

use crate::export::{Export, ExportQueue, PATIENCE};
use crate::metrics::{Counts, metrics};

/// Sends spans.
#[derive(Debug)]
pub(crate) struct Spans<E>(E);

impl<E: SpanExporter> Spans<E> {
    /// What sends them, as those of this process.
    pub(crate) fn new(mut exporter: E, resource: &Resource) -> Self {
        exporter.set_resource(resource);
        Self(exporter)
    }
}

impl<E: SpanExporter + 'static> Export for Spans<E> {
    type Item = Box<SpanData>;

    /// One takes one or two KiB.
    const MOST_WAITING: usize = 4096;

    /// Not at all: a trace without some spans is of use, and the next ones are of more.
    const KEPT: Duration = Duration::ZERO;

    const THREAD: &'static str = "traces";

    fn counts() -> &'static Counts {
        &metrics().spans
    }

    async fn send(&self, items: &mut Vec<Box<SpanData>>) -> OTelSdkResult {
        self.0
            .export(items.drain(..).map(|span| *span).collect())
            .await
    }

    fn tell_away(error: &OTelSdkError) {
        tracing::warn!(%error, "the receiver of traces takes no spans; they are lost until it does");
    }

    fn tell_back() {
        tracing::info!("the receiver of traces takes spans again");
    }
}

impl<E: SpanExporter + 'static> SpanProcessor for ExportQueue<Spans<E>> {
    fn on_start(&self, _: &mut Span, _: &Context) {}

    fn on_end(&self, span: SpanData) {
        if span.span_context.is_sampled() {
            self.push(Box::new(span));
        }
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.flush(PATIENCE)
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.flush(timeout)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};

    use opentelemetry::trace::{Span as _, Tracer, TracerProvider};
    use opentelemetry_sdk::trace::SdkTracerProvider;
    use tokio::sync::Notify;

    use super::*;
    use crate::export::TOGETHER;

    const MOST_WAITING: usize = Spans::<Receiver>::MOST_WAITING;

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
        let spans = Spans::new(receiver.clone(), &Resource::builder_empty().build());
        let queue = ExportQueue::start(runtime, spans).unwrap();
        let provider = SdkTracerProvider::builder()
            .with_span_processor(queue)
            .build();
        let tracer = provider.tracer("test");
        let ended = 3 * MOST_WAITING as u64;
        for _ in 0..ended {
            tracer.start("span").end();
        }
        let lost = metrics().spans.no_room.get();
        assert!(lost >= ended - (MOST_WAITING + TOGETHER) as u64, "{lost}");
        assert!(lost <= ended - MOST_WAITING as u64, "{lost}");
        receiver.may.notify_one();
        provider.shutdown_with_timeout(PATIENCE).unwrap();
        let taken = receiver.taken.lock().unwrap();
        assert_eq!(taken.iter().sum::<usize>() as u64, ended - lost);
        assert!(taken.iter().all(|batch| *batch <= TOGETHER), "{taken:?}");
        assert_eq!(metrics().spans.sent.get(), ended - lost);
    }
}
