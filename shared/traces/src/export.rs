//! The way of ended spans and of the audit's records to the receiver. Whoever has one never waits: a thread sends what
//! has gathered, and when the queue before it is full, it is lost and counted.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use prynai_process::backoff::Backoff;
use prynai_process::outage::Alarm;
use tokio::runtime::Runtime;
use tokio::sync::{Notify, mpsc};

use crate::metrics::Counts;

/// What is sent together.
pub(crate) const TOGETHER: usize = 512;

/// How long it gathers before it is sent.
const GATHERING: Duration = Duration::from_millis(200);

/// How long the receiver may take for what is sent together.
pub(crate) const PATIENCE: Duration = Duration::from_secs(10);

/// What the receiver is sent.
pub(crate) trait Export: Debug + Send + 'static {
    /// One of them.
    type Item: Debug + Send + 'static;

    /// Most that wait.
    const MOST_WAITING: usize;

    /// How long what the receiver does not take is tried again.
    const KEPT: Duration;

    /// The name of the thread that sends them.
    const THREAD: &'static str;

    /// Where they are counted.
    fn counts() -> &'static Counts;

    /// Sends them. What may be tried again is left in `items`.
    async fn send(&self, items: &mut Vec<Self::Item>) -> OTelSdkResult;

    /// Tells the log that the receiver takes none.
    fn tell_away(error: &OTelSdkError);

    /// Tells the log that it does again.
    fn tell_back();
}

/// Where they wait. Cheap to clone.
#[derive(Debug)]
pub(crate) struct ExportQueue<E: Export> {
    items: mpsc::Sender<Item<E::Item>>,
    end: Arc<End>,
}

#[derive(Debug)]
enum Item<T> {
    Ended(T),
    /// Says that all before it was sent, or given up.
    Flush(SyncSender<()>),
}

/// Tells the thread that the process ends.
#[derive(Debug, Default)]
struct End {
    is_near: AtomicBool,
    hurry: Notify,
}

impl<E: Export> ExportQueue<E> {
    /// A queue that a new thread gives to `exporter`, in `runtime`.
    ///
    /// # Errors
    ///
    /// When there is no thread.
    pub(crate) fn start(runtime: Runtime, exporter: E) -> std::io::Result<Self> {
        let (items, ended) = mpsc::channel(E::MOST_WAITING);
        let end = Arc::<End>::default();
        let sending = Sending {
            exporter,
            end: end.clone(),
            alarm: Alarm::default(),
        };
        // Nobody joins it: it may wait for a receiver that does not answer.
        std::thread::Builder::new()
            .name(E::THREAD.to_owned())
            .spawn(move || runtime.block_on(sending.send_all(ended)))?;
        Ok(Self { items, end })
    }

    /// Adds one, if there is room.
    pub(crate) fn push(&self, item: E::Item) {
        if self.items.try_send(Item::Ended(item)).is_err() {
            E::counts().no_room.inc();
        }
    }

    /// From now on nothing gathers, and nothing is kept for a receiver that does not take it.
    pub(crate) fn hurry(&self) {
        self.end.is_near.store(true, Ordering::Relaxed);
        self.end.hurry.notify_one();
    }

    /// Waits until everything is sent or given up, but no longer than this; for the end of the process.
    pub(crate) fn flush(&self, timeout: Duration) -> OTelSdkResult {
        let (sent, all_sent) = std::sync::mpsc::sync_channel(1);
        self.hurry();
        let mut flush = Item::Flush(sent);
        let until = Instant::now() + timeout;
        // A full queue has room again soon, if the receiver takes anything.
        while let Err(full) = self.items.try_send(flush) {
            flush = full.into_inner();
            if Instant::now() >= until {
                return Err(OTelSdkError::Timeout(timeout));
            }
            std::thread::sleep(GATHERING / 10);
        }
        self.hurry();
        let left = until.saturating_duration_since(Instant::now());
        all_sent
            .recv_timeout(left)
            .map_err(|_| OTelSdkError::Timeout(timeout))
    }
}

/// The thread's part.
struct Sending<E> {
    exporter: E,
    end: Arc<End>,
    alarm: Alarm,
}

impl<E: Export> Sending<E> {
    async fn send_all(self, mut ended: mpsc::Receiver<Item<E::Item>>) {
        let mut items = Vec::with_capacity(TOGETHER);
        while let Some(first) = ended.recv().await {
            let gathers = matches!(first, Item::Ended(_)) && ended.len() < TOGETHER;
            if gathers && !self.end.is_near.load(Ordering::Relaxed) {
                // Whoever adds one meanwhile need not wake this thread.
                let _ = tokio::time::timeout(GATHERING, self.end.hurry.notified()).await;
            }
            items.push(first);
            while items.len() < TOGETHER
                && let Ok(next) = ended.try_recv()
            {
                items.push(next);
            }
            let (mut batch, mut flushed) = (Vec::with_capacity(items.len()), Vec::new());
            for item in items.drain(..) {
                match item {
                    Item::Ended(item) => batch.push(item),
                    Item::Flush(sent) => flushed.push(sent),
                }
            }
            if !batch.is_empty() {
                self.send(batch).await;
            }
            for sent in flushed {
                // Whoever waited for it may have given up.
                let _ = sent.try_send(());
            }
        }
    }

    async fn send(&self, mut batch: Vec<E::Item>) {
        let count = batch.len() as u64;
        let mut backoff = Backoff::for_at_most(E::KEPT);
        loop {
            let sent = tokio::time::timeout(PATIENCE, self.exporter.send(&mut batch)).await;
            let error = match sent.unwrap_or(Err(OTelSdkError::Timeout(PATIENCE))) {
                Ok(()) => {
                    E::counts().sent.inc_by(count);
                    if self.alarm.clear() {
                        E::tell_back();
                    }
                    return;
                }
                Err(error) => error,
            };
            if self.alarm.raise() {
                E::tell_away(&error);
            }
            let again = !batch.is_empty() && !self.end.is_near.load(Ordering::Relaxed);
            let again = again
                && tokio::select! {
                    again = backoff.pause() => again,
                    // Once more, and then no more.
                    () = self.end.hurry.notified() => true,
                };
            if !again {
                E::counts().not_taken.inc_by(count);
                return;
            }
        }
    }
}
