//! Brings the client's side to running calls.

use std::sync::Arc;

use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::{News, NewsReceiver};
use prynai_process::backoff::Backoff;
use prynai_process::outage::Outage;
use tokio::sync::Notify;

use crate::roles::worker::Worker;

/// Passes wake-ups on to running calls, and looks at the stored state whenever it may have missed
/// some.
pub(crate) struct SignalListener {
    pub(crate) worker: Arc<Worker>,
    pub(crate) news: NewsReceiver<Signal>,
    /// Told after every gap: a bus that was away may have lost the catalog.
    pub(crate) announce_again: Arc<Notify>,
}

/// Subscribes a worker to its wake-ups, again and again while the bus is away.
pub(crate) async fn subscribe(worker: &Worker) -> NewsReceiver<Signal> {
    let mut outage = Outage::endless();
    loop {
        match worker.signals.signal_news(&worker.config.id).await {
            Ok(news) => return news,
            Err(error) if outage.begins() => {
                tracing::warn!(%error, "cannot subscribe to cancels and mail, so calls hear of neither; trying again")
            }
            Err(error) => tracing::debug!(%error, "cannot subscribe to cancels and mail"),
        }
        outage.pause().await;
    }
}

impl SignalListener {
    /// Runs until it is dropped.
    pub(crate) async fn run(mut self) {
        loop {
            match self.news.recv().await {
                Some(News::Item(signal)) if signal.drain => self.drain(),
                Some(News::Item(signal)) => match signal.kind {
                    SignalKind::Cancel => self.worker.running.cancel(&signal.stream),
                    SignalKind::Mail => self.worker.running.wake_for_mail(&signal.stream),
                },
                Some(News::Gap) => self.catch_up().await,
                None => {
                    tracing::warn!("the subscription to cancels and mail ended; subscribing again");
                    self.news = subscribe(&self.worker).await;
                    self.catch_up().await;
                }
            }
        }
    }

    /// Told again and again, so that a lost signal costs a moment; it begins once.
    fn drain(&self) {
        if self.worker.shutdown.soft().is_cancelled() {
            return;
        }
        let running = self.worker.running.streams().len();
        tracing::info!(
            running,
            "draining, as an operator asked: no more requests are claimed"
        );
        self.worker.shutdown.begin();
    }

    async fn catch_up(&self) {
        self.announce_again.notify_one();
        let mut backoff = Backoff::endless();
        loop {
            let streams = self.worker.running.streams();
            if streams.is_empty() {
                return;
            }
            match self.worker.signals.cancelled_among(&streams).await {
                Ok(cancelled) => {
                    cancelled.iter().for_each(|s| self.worker.running.cancel(s));
                    streams
                        .iter()
                        .for_each(|s| self.worker.running.wake_for_mail(s));
                    return;
                }
                Err(error) => {
                    tracing::debug!(%error, "cannot look for missed cancels and mail; trying again")
                }
            }
            backoff.pause().await;
        }
    }
}
