//! Subscriptions to tasks: one connection for all that somebody in this process listens to, for as long as there are
//! any. The channels of a task that nobody listens to cost nothing.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::task::TaskNews;
use prynai_bus::{NewsReceiver, Watchers};
use prynai_process::backoff::Backoff;
use redis::PushInfo;
use tokio::sync::{Notify, mpsc, watch};
use tokio::time::{Instant, interval, timeout, timeout_at};
use uuid::Uuid;

use super::subscription::{Live, Registration, Subscriptions, WAITING_MESSAGES, message, probe};
use crate::connection::budget::DEADLINE;
use crate::connection::connector::Connector;
use crate::connection::hot::HotConnection;
use crate::connection::link::Link;
use crate::fault::{Fault, ends_connection};
use crate::metrics::metrics;
use crate::wire::keys::Keys;
use crate::wire::sealing::TaskKeys;
use crate::wire::{lines, told_task};

/// How often it is found out who listens no longer.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Channels that one command subscribes to, at most.
const AT_ONCE: usize = 256;

/// How these subscriptions are called when they hear nothing.
const NAME: &str = "tasks";

/// The subscriptions to tasks of one bus.
pub(crate) struct TaskChannels(Arc<Shared>);

struct Shared {
    keys: Keys,
    task_keys: TaskKeys,
    connector: Connector,
    hot: Arc<HotConnection>,
    live: Arc<Live>,
    watched: Mutex<Watched>,
    /// Somebody has begun to listen.
    begun: Notify,
    /// How many of those who began to listen are sure to hear.
    heard: watch::Sender<u64>,
}

/// Who listens.
#[derive(Default)]
struct Watched {
    watchers: Watchers<StreamId, TaskNews>,
    /// How many have begun so far.
    begun: u64,
    /// Whether a task serves them.
    is_served: bool,
}

/// A connection that hears.
struct Hearing {
    link: Link,
    probe_channel: String,
    channels: HashSet<StreamId>,
    /// Channel and payload of what was published.
    messages: mpsc::Receiver<(Vec<u8>, Vec<u8>)>,
    /// Messages were dropped.
    overflowed: Arc<AtomicBool>,
    /// Number of the newest probe that was heard.
    heard: watch::Receiver<u64>,
}

/// Why a connection is not used any more.
enum Ended {
    NobodyListens,
    Lost(String),
}

impl TaskChannels {
    /// None as yet. Those that hear nothing are told with the others.
    pub(crate) fn beside(subscriptions: &Subscriptions, keys: Keys, task_keys: TaskKeys) -> Self {
        Self(Arc::new(Shared {
            keys,
            task_keys,
            connector: subscriptions.connector.clone(),
            hot: subscriptions.hot.clone(),
            live: subscriptions.live.clone(),
            watched: Mutex::default(),
            begun: Notify::new(),
            heard: watch::channel(0).0,
        }))
    }

    /// Listens to these tasks. Returns once Redis has confirmed that.
    pub(crate) async fn watch(&self, names: &[StreamId]) -> Result<NewsReceiver<TaskNews>, Fault> {
        let shared = &self.0;
        let (news, own) = {
            let mut watched = shared.lock();
            let news = watched.watchers.add(names);
            watched.begun += 1;
            if !std::mem::replace(&mut watched.is_served, true) {
                tokio::spawn(shared.clone().serve());
            }
            (news, watched.begun)
        };
        shared.begun.notify_one();
        let mut heard = shared.heard.subscribe();
        match timeout(DEADLINE, heard.wait_for(|heard| *heard >= own)).await {
            Ok(Ok(_)) => Ok(news),
            _ => Err(Fault::away("the subscription was not confirmed in time")),
        }
    }
}

impl Shared {
    async fn serve(self: Arc<Self>) {
        let registration = self.live.register(NAME);
        let mut backoff = Backoff::endless();
        loop {
            match self.connect_and_follow().await {
                Ok(mut hearing) => {
                    let Ended::Lost(reason) = self.hear(&mut hearing, &registration).await else {
                        return;
                    };
                    metrics().subscriptions_lost.inc();
                    tracing::warn!(
                        channel = NAME,
                        reason,
                        "subscription lost; subscribing again"
                    );
                    backoff = Backoff::endless();
                }
                // A Redis that is away is told elsewhere.
                Err(fault) => tracing::debug!(channel = NAME, %fault, "cannot subscribe"),
            }
            registration.hears(false);
            backoff.pause().await;
            if self.is_over() {
                return;
            }
        }
    }

    async fn connect_and_follow(&self) -> Result<Hearing, Fault> {
        let mut hearing = self.connect().await?;
        self.follow(&mut hearing).await?;
        Ok(hearing)
    }

    async fn connect(&self) -> Result<Hearing, Fault> {
        let probe_channel = self
            .keys
            .probe_channel(&Uuid::new_v4().simple().to_string());
        let (forward, messages) = mpsc::channel(WAITING_MESSAGES);
        let (hear, heard) = watch::channel(0);
        let overflowed = Arc::new(AtomicBool::new(false));
        let (overflow, probes) = (overflowed.clone(), probe_channel.clone());
        let on_push = move |push: PushInfo| {
            let Some((channel, payload)) = message(push) else {
                return;
            };
            if channel == probes.as_bytes() {
                hear.send_replace(lines::text(&payload).parse().unwrap_or_default());
            } else if forward.try_send((channel, payload)).is_err() {
                overflow.store(true, Ordering::Release);
            }
        };
        let connect = async {
            let mut link = self.connector.link_with(on_push).await?;
            link.connection.subscribe(&probe_channel).await?;
            Ok::<_, Fault>(link)
        };
        let link = timeout(DEADLINE, connect)
            .await
            .map_err(|_| unconfirmed())??;
        Ok(Hearing {
            link,
            probe_channel,
            channels: HashSet::new(),
            messages,
            overflowed,
            heard,
        })
    }

    async fn hear(&self, hearing: &mut Hearing, registration: &Registration) -> Ended {
        metrics().gaps.inc();
        self.lock().watchers.gap();
        registration.hears(true);
        let lost = hearing.link.lost.clone();
        let probe_channel = hearing.probe_channel.clone();
        let probed = probe(&self.hot, &probe_channel, hearing.heard.clone());
        tokio::pin!(probed);
        let mut look = interval(LOOK_EVERY);
        loop {
            let is_other = tokio::select! {
                () = lost.cancelled() => return Ended::Lost("disconnected".to_owned()),
                () = &mut probed => return Ended::Lost("deaf: a probe was published and not heard".to_owned()),
                () = self.begun.notified() => true,
                _ = look.tick() => {
                    let is_other = self.lock().watchers.forget_closed();
                    if is_other && self.is_over() {
                        return Ended::NobodyListens;
                    }
                    is_other
                }
                message = hearing.messages.recv() => {
                    let Some((channel, payload)) = message else {
                        return Ended::Lost("disconnected".to_owned());
                    };
                    self.hand_on(&channel, &payload);
                    if hearing.overflowed.swap(false, Ordering::AcqRel) {
                        metrics().gaps.inc();
                        self.lock().watchers.gap();
                    }
                    false
                }
            };
            if is_other && let Err(fault) = self.follow(hearing).await {
                return Ended::Lost(fault.to_string());
            }
        }
    }

    /// Subscribes to the tasks that somebody listens to, and to no others.
    async fn follow(&self, hearing: &mut Hearing) -> Result<(), Fault> {
        let (begun, wanted) = {
            let watched = self.lock();
            let wanted: HashSet<_> = watched.watchers.followed().copied().collect();
            (watched.begun, wanted)
        };
        let channels = |names: &[StreamId]| -> Vec<_> {
            names.iter().map(|name| self.keys.log(name)).collect()
        };
        let new: Vec<_> = wanted.difference(&hearing.channels).copied().collect();
        let old: Vec<_> = hearing.channels.difference(&wanted).copied().collect();
        let connection = &mut hearing.link.connection;
        let change = async {
            for names in new.chunks(AT_ONCE) {
                connection.subscribe(channels(names)).await?;
            }
            for names in old.chunks(AT_ONCE) {
                match connection.unsubscribe(channels(names)).await {
                    Err(error) if ends_connection(&error) => return Err(error),
                    // What comes of them is dropped.
                    Err(error) => {
                        tracing::debug!(%error, "cannot end the subscription to a task");
                    }
                    Ok(()) => {}
                }
            }
            Ok(())
        };
        let deadline = Instant::now() + DEADLINE;
        timeout_at(deadline, change)
            .await
            .map_err(|_| unconfirmed())??;
        hearing.channels = wanted;
        self.heard.send_replace(begun);
        Ok(())
    }

    fn hand_on(&self, channel: &[u8], payload: &[u8]) {
        let log = lines::text(channel);
        let Some(name) = self.keys.stream_of_log(&log) else {
            return;
        };
        let told = told_task::read_published(&self.task_keys, &log, &lines::text(payload));
        let sight = told.unwrap_or_else(|error| {
            tracing::debug!(stream = %name, %error, "a published task cannot be read; this process reads what is stored");
            None
        });
        self.lock().watchers.tell(&name, &TaskNews { name, sight });
    }

    /// Whether nobody listens; then nobody is served from now on, until somebody does.
    fn is_over(&self) -> bool {
        let mut watched = self.lock();
        watched.watchers.forget_closed();
        let is_over = watched.watchers.followed().next().is_none();
        watched.is_served &= !is_over;
        is_over
    }

    fn lock(&self) -> MutexGuard<'_, Watched> {
        // Nothing panics while it holds the lock.
        self.watched.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn unconfirmed() -> Fault {
    Fault::away("the subscription was not confirmed in time")
}
