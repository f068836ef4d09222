//! A step that is taken to its end although its client is gone.

use std::pin::Pin;
use std::task::{Context, Poll};

use tokio_util::task::TaskTracker;

/// Runs a step in the task that waits for it. If that task gives it up half-way, the rest runs in a task of its own,
/// and what comes of it is dropped there. So a step that nobody gives up costs no task.
pub(crate) struct DetachOnDrop<F: Future<Output: Send> + Send + 'static> {
    /// Until it has ended.
    step: Option<Pin<Box<F>>>,
    tasks: TaskTracker,
}

impl<F: Future<Output: Send> + Send + 'static> DetachOnDrop<F> {
    /// `tasks`: those that a stopping gateway waits for.
    pub(crate) fn new(step: F, tasks: &TaskTracker) -> Self {
        Self {
            step: Some(Box::pin(step)),
            tasks: tasks.clone(),
        }
    }
}

impl<F: Future<Output: Send> + Send + 'static> Future for DetachOnDrop<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let Some(step) = &mut self.step else {
            return Poll::Pending;
        };
        let polled = step.as_mut().poll(cx);
        if polled.is_ready() {
            self.step = None;
        }
        polled
    }
}

impl<F: Future<Output: Send> + Send + 'static> Drop for DetachOnDrop<F> {
    fn drop(&mut self) {
        if let Some(step) = self.step.take() {
            self.tasks.spawn(step);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use tokio::sync::oneshot;

    #[tokio::test]
    async fn a_step_that_is_given_up_is_taken_to_its_end() {
        let tasks = TaskTracker::new();
        let (go, gone) = oneshot::channel();
        let (done, is_done) = oneshot::channel();
        let step = async move {
            let _: Result<(), _> = gone.await;
            let _: Result<(), ()> = done.send(());
        };
        let mut waiting = DetachOnDrop::new(step, &tasks);
        assert!(futures::poll!(&mut waiting).is_pending());
        assert!(tasks.is_empty());
        drop(waiting);
        assert_eq!(tasks.len(), 1);
        go.send(()).unwrap();
        is_done.await.unwrap();
    }

    #[tokio::test]
    async fn a_step_that_was_taken_leaves_no_task() {
        let tasks = TaskTracker::new();
        assert_eq!(DetachOnDrop::new(async { 7 }, &tasks).await, 7);
        assert!(tasks.is_empty());
        // Never begun.
        drop(DetachOnDrop::new(async {}, &tasks));
        assert_eq!(tasks.len(), 1);
    }
}
