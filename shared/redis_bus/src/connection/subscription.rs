//! Subscriptions: what is published, in order, with a [`News::Gap`] wherever something may be missing.
//!
//! Each has a connection of its own and a task that lives as long as its receiver. The task
//! subscribes, says [`News::Gap`], forwards, and begins again when the connection is lost or goes
//! deaf. It finds that out by sending itself a probe along the way that all publications take: the
//! shared connection, Redis, its own subscription.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use prynai_bus::wire::WireError;
use prynai_bus::{BusError, News, NewsReceiver};
use prynai_process::backoff::Backoff;
use redis::{PushInfo, PushKind, Value, cmd, from_redis_value};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, timeout, timeout_at};
use uuid::Uuid;

use crate::connection::budget::DEADLINE;
use crate::connection::command::Command;
use crate::connection::connector::Connector;
use crate::connection::hot::HotConnection;
use crate::connection::link::Link;
use crate::fault::Fault;
use crate::metrics::metrics;
use crate::wire::keys::Keys;
use crate::wire::lines;

/// Published messages that wait to be forwarded. Beyond it they are dropped and a gap is reported.
pub(super) const WAITING_MESSAGES: usize = 1024;

/// News that wait for their reader.
const WAITING_NEWS: usize = 1024;

/// Time between probes.
const PROBE_EVERY: Duration = Duration::from_secs(1);

/// A probe that takes longer is not heard.
const PROBE_WITHIN: Duration = Duration::from_secs(2);

/// The subscriptions of one bus.
pub(crate) struct Subscriptions {
    pub(super) connector: Connector,
    pub(super) hot: Arc<HotConnection>,
    pub(super) live: Arc<Live>,
}

/// The channels of all subscriptions whose receiver lives, with whether they hear.
#[derive(Default)]
pub(super) struct Live {
    next: AtomicU64,
    hearing: Mutex<HashMap<u64, (String, Arc<AtomicBool>)>>,
}

/// A subscription's place among the live ones, until dropped.
pub(super) struct Registration {
    live: Arc<Live>,
    number: u64,
    hearing: Arc<AtomicBool>,
}

/// What a subscription's task works with.
struct Subscriber<T> {
    channel: String,
    probe_channel: String,
    read: fn(&str) -> Result<T, WireError>,
    connector: Connector,
    hot: Arc<HotConnection>,
    news: mpsc::Sender<News<T>>,
    registration: Registration,
}

/// A confirmed subscription.
struct Confirmed {
    link: Link,
    messages: mpsc::Receiver<Vec<u8>>,
    /// Messages were dropped.
    overflowed: Arc<AtomicBool>,
    /// Number of the newest probe that was heard.
    heard: watch::Receiver<u64>,
}

/// Why forwarding ended.
enum Ended {
    ReceiverGone,
    Lost(&'static str),
}

// === impl Subscriptions ===

impl Subscriptions {
    pub(crate) fn new(connector: Connector, hot: Arc<HotConnection>) -> Self {
        Self {
            connector,
            hot,
            live: Arc::default(),
        }
    }

    /// Subscribes to `channel`, whose messages consist of lines that `read` understands. Returns once
    /// Redis has confirmed the subscription.
    pub(crate) async fn open<T: Send + 'static>(
        &self,
        keys: &Keys,
        channel: String,
        read: fn(&str) -> Result<T, WireError>,
    ) -> Result<NewsReceiver<T>, BusError> {
        let (news, receiver) = mpsc::channel(WAITING_NEWS);
        let subscriber = Subscriber {
            probe_channel: keys.probe_channel(&Uuid::new_v4().simple().to_string()),
            read,
            connector: self.connector.clone(),
            hot: self.hot.clone(),
            news,
            registration: self.live.register(&channel),
            channel,
        };
        let confirmed = subscriber.subscribe().await?;
        tokio::spawn(subscriber.run(confirmed));
        Ok(receiver)
    }

    /// Names the channel of a subscription that hears nothing, if there is one.
    pub(crate) fn deaf(&self) -> Option<String> {
        let hearing = self.live.lock();
        let deaf = hearing
            .values()
            .find(|(_, hearing)| !hearing.load(Ordering::Acquire));
        deaf.map(|(channel, _)| channel.clone())
    }
}

// === impl Live, Registration ===

impl Live {
    pub(super) fn register(self: &Arc<Self>, channel: &str) -> Registration {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        // Not yet confirmed, but not deaf either: that is for the caller of `open` to say.
        let hearing = Arc::new(AtomicBool::new(true));
        self.lock()
            .insert(number, (channel.to_owned(), hearing.clone()));
        Registration {
            live: self.clone(),
            number,
            hearing,
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<u64, (String, Arc<AtomicBool>)>> {
        self.hearing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registration {
    pub(super) fn hears(&self, hears: bool) {
        let heard = self.hearing.swap(hears, Ordering::AcqRel);
        metrics().deaf.add(i64::from(heard) - i64::from(hears));
    }
}

impl Drop for Registration {
    fn drop(&mut self) {
        self.hears(true);
        self.live.lock().remove(&self.number);
    }
}

// === impl Subscriber ===

impl<T: Send + 'static> Subscriber<T> {
    async fn run(self, mut confirmed: Confirmed) {
        loop {
            let Ended::Lost(reason) = self.forward(&mut confirmed).await else {
                return;
            };
            self.registration.hears(false);
            metrics().subscriptions_lost.inc();
            tracing::warn!(
                channel = self.channel,
                reason,
                "subscription lost; subscribing again"
            );
            let Some(again) = self.subscribe_again().await else {
                return;
            };
            confirmed = again;
            self.registration.hears(true);
            tracing::info!(channel = self.channel, "subscribed again");
        }
    }

    async fn subscribe(&self) -> Result<Confirmed, Fault> {
        let deadline = Instant::now() + DEADLINE;
        let (forward, messages) = mpsc::channel(WAITING_MESSAGES);
        let (hear, heard) = watch::channel(0);
        let overflowed = Arc::new(AtomicBool::new(false));
        let overflow = overflowed.clone();
        let probe_channel = self.probe_channel.clone();
        let on_push = move |push: PushInfo| {
            let Some((channel, payload)) = message(push) else {
                return;
            };
            if channel == probe_channel.as_bytes() {
                let number = lines::text(&payload).parse().unwrap_or_default();
                hear.send_replace(number);
            } else if forward.try_send(payload).is_err() {
                overflow.store(true, Ordering::Release);
            }
        };
        let subscribed = async {
            let mut link = self.connector.link_with(on_push).await?;
            let channels = [&self.channel, &self.probe_channel];
            link.connection.subscribe(&channels).await?;
            Ok::<_, Fault>(link)
        };
        let link = timeout_at(deadline, subscribed)
            .await
            .map_err(|_| Fault::away("the subscription was not confirmed in time"))??;
        Ok(Confirmed {
            link,
            messages,
            overflowed,
            heard,
        })
    }

    /// Tries until it succeeds; `None` when the receiver is gone.
    async fn subscribe_again(&self) -> Option<Confirmed> {
        let mut backoff = Backoff::endless();
        let mut is_told = false;
        loop {
            tokio::select! {
                () = self.news.closed() => return None,
                _ = backoff.pause() => {}
            }
            match self.subscribe().await {
                Ok(confirmed) => return Some(confirmed),
                // A Redis that is away is told elsewhere; this one answered, and refused.
                Err(fault) if !is_told && !fault.is_unanswered() => {
                    is_told = true;
                    tracing::warn!(channel = self.channel, %fault, "cannot subscribe; trying again");
                }
                Err(fault) => {
                    tracing::debug!(channel = self.channel, %fault, "cannot subscribe");
                }
            }
        }
    }

    async fn forward(&self, confirmed: &mut Confirmed) -> Ended {
        let lost = confirmed.link.lost.clone();
        let heard = confirmed.heard.clone();
        tokio::select! {
            () = self.news.closed() => Ended::ReceiverGone,
            () = lost.cancelled() => Ended::Lost("disconnected"),
            () = probe(&self.hot, &self.probe_channel, heard) => Ended::Lost("deaf: a probe was published and not heard"),
            ended = self.forward_messages(confirmed) => ended,
        }
    }

    async fn forward_messages(&self, confirmed: &mut Confirmed) -> Ended {
        metrics().gaps.inc();
        if self.news.send(News::Gap).await.is_err() {
            return Ended::ReceiverGone;
        }
        while let Some(payload) = confirmed.messages.recv().await {
            // Read before any is handed on, so that the reader finds what came together together.
            let text = lines::text(&payload);
            let news: Vec<_> = text.lines().map(|line| self.news_of(line)).collect();
            if !self.hand_on(news).await {
                return Ended::ReceiverGone;
            }
            // What was dropped is in the stored state by now, so a gap is never too early.
            if confirmed.overflowed.swap(false, Ordering::AcqRel) {
                metrics().gaps.inc();
                tracing::warn!(
                    channel = self.channel,
                    "messages came faster than this process reads them; it reads what is stored instead"
                );
                if self.news.send(News::Gap).await.is_err() {
                    return Ended::ReceiverGone;
                }
            }
        }
        Ended::Lost("disconnected")
    }

    /// `false` when the receiver is gone.
    async fn hand_on(&self, mut news: Vec<News<T>>) -> bool {
        while !news.is_empty() {
            let rest = news.split_off(news.len().min(WAITING_NEWS));
            let Ok(places) = self.news.reserve_many(news.len()).await else {
                return false;
            };
            places.zip(news).for_each(|(place, news)| place.send(news));
            news = rest;
        }
        true
    }

    fn news_of(&self, line: &str) -> News<T> {
        match (self.read)(line) {
            Ok(item) => News::Item(item),
            Err(error) => {
                tracing::warn!(
                    channel = self.channel,
                    %error,
                    "a published message is of no known form; this process reads what is stored instead"
                );
                News::Gap
            }
        }
    }
}

/// Returns when a probe was published and not heard. While nothing can be published there is
/// nothing to hear either.
pub(super) async fn probe(hot: &HotConnection, channel: &str, mut heard: watch::Receiver<u64>) {
    for number in 1.. {
        tokio::time::sleep(PROBE_EVERY).await;
        let mut publish = cmd("PUBLISH");
        publish.arg(channel).arg(number);
        if hot.run(&Command::<i64>::single(publish)).await.is_err() {
            continue;
        }
        let heard = heard.wait_for(|newest| *newest >= number);
        if !matches!(timeout(PROBE_WITHIN, heard).await, Ok(Ok(_))) {
            return;
        }
    }
}

/// Channel and payload of a published message.
pub(super) fn message(push: PushInfo) -> Option<(Vec<u8>, Vec<u8>)> {
    if push.kind != PushKind::Message {
        return None;
    }
    let mut data = push.data.into_iter();
    match (data.next()?, data.next()?) {
        (Value::BulkString(channel), Value::BulkString(payload)) => Some((channel, payload)),
        (channel, payload) => Some((
            from_redis_value(channel).ok()?,
            from_redis_value(payload).ok()?,
        )),
    }
}
