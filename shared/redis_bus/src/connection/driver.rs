//! The task behind a connection: it writes what others ask and reads the answers.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;

use tokio_util::task::AbortOnDropHandle;

/// Keeps a connection going; without any of them it ends at once, whatever it waits for.
pub(crate) type Driver = Arc<AbortOnDropHandle<()>>;

/// Starts the task.
pub(crate) fn start(driving: impl Future<Output = ()> + Send + 'static) -> Driver {
    Arc::new(AbortOnDropHandle::new(tokio::spawn(in_turn(driving))))
}

/// Each time that it is woken it lets those go first who are ready to run: what they have to ask then goes to Redis in
/// one write with the rest. tokio would run it right after the first who asks, so that each question had a write of
/// its own, and each answer at Redis too.
async fn in_turn(driving: impl Future<Output = ()>) {
    let mut driving = pin!(driving);
    let mut has_let_others_go = true;
    poll_fn(|cx| {
        has_let_others_go = !has_let_others_go;
        if !has_let_others_go {
            // To the end of the run queue.
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        driving.as_mut().poll(cx)
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use tokio::sync::mpsc;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn what_is_asked_at_the_same_time_is_taken_together() {
        const ASKERS: usize = 8;
        let (ask, mut asked) = mpsc::channel(ASKERS);
        let takes = Arc::new(AtomicUsize::new(0));
        let counted = takes.clone();
        let driver = start(async move {
            let mut batch = Vec::new();
            while asked.recv_many(&mut batch, ASKERS).await > 0 {
                counted.fetch_add(1, Ordering::Relaxed);
                for answer in batch.drain(..) {
                    let answer: tokio::sync::oneshot::Sender<()> = answer;
                    let _ = answer.send(());
                }
            }
        });
        // On a worker of the runtime, as everything that asks.
        let askers = tokio::spawn(async move {
            let mut askers = tokio::task::JoinSet::new();
            for _ in 0..ASKERS {
                let ask = ask.clone();
                askers.spawn(async move {
                    let (answer, answered) = tokio::sync::oneshot::channel();
                    ask.send(answer).await.unwrap();
                    answered.await.unwrap();
                });
            }
            drop(ask);
            askers.join_all().await;
        });
        askers.await.unwrap();
        assert!(takes.load(Ordering::Relaxed) <= 2, "{takes:?}");
        drop(driver);
    }

    #[tokio::test]
    async fn it_ends_with_the_last_who_keeps_it() {
        let (held, dropped) = tokio::sync::oneshot::channel::<()>();
        let driver = start(async move {
            let _held = held;
            std::future::pending::<()>().await;
        });
        let other = driver.clone();
        drop(driver);
        tokio::task::yield_now().await;
        assert!(!other.is_finished());
        drop(other);
        let ended = tokio::time::timeout(Duration::from_secs(30), dropped).await;
        assert!(ended.is_ok_and(|dropped| dropped.is_err()));
    }
}
