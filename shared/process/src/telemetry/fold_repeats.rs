//! Hands events that repeat to the queue, which counts them.

use tracing::{Event, Metadata, Subscriber};
use tracing_subscriber::layer::{Context, Filter};

use super::TRACE_ONLY;
use super::log_queue::LogQueue;
use super::repeats::Repeated;

/// Keeps events out of the log that were counted instead.
pub(super) struct FoldRepeats(LogQueue);

impl FoldRepeats {
    pub(super) fn new(queue: LogQueue) -> Self {
        Self(queue)
    }
}

impl<S: Subscriber> Filter<S> for FoldRepeats {
    fn enabled(&self, metadata: &Metadata<'_>, _: &Context<'_, S>) -> bool {
        metadata.target() != TRACE_ONLY
    }

    fn event_enabled(&self, event: &Event<'_>, _: &Context<'_, S>) -> bool {
        Repeated::of(event).is_none_or(|event| self.0.is_first(event))
    }
}
