//! The bus on Redis 7.0 or later.
//!
//! The request path shares one pipelined connection (`connection`); each atomic step is one Lua
//! script (`scripts`, `lua/`); all names are spelled in `keys`. Every call fails with
//! [`BusError::Unavailable`] within a second while Redis is away, and works again when it is back.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use redis::{FromRedisValue, cmd, parse_redis_url};
use tokio::time::Instant;

use crate::backoff::Backoff;
use crate::bus::{Bus, BusError, BusLimits};
use crate::ids::WorkerId;
use crate::settings::RedisSettings;
use crate::wire::signature::EnvelopeKeys;

mod blocking_read;
mod catalog;
mod change_feed;
mod connection;
mod deliveries;
mod error;
mod event_log;
mod forgeries;
mod kept;
mod keys;
mod lines;
mod outcome_store;
mod queue_entry;
mod queue_gauge;
mod request_queue;
mod scripts;
mod server;
mod server_clock;
mod session_store;
mod signal_channel;
mod state_store;
mod subscription;
mod unreadable;

use connection::{Connector, DEADLINE, HotConnection, LARGE, PooledConnections};
use deliveries::Deliveries;
use error::Fault;
use forgeries::Forgeries;
use keys::Keys;
use queue_gauge::QueueGauge;
use scripts::Call;
use server_clock::ServerClock;
use subscription::Subscriptions;

/// The bus on Redis.
pub struct RedisBus {
    keys: Keys,
    limits: BusLimits,
    connector: Connector,
    hot: Arc<HotConnection>,
    pool: PooledConnections,
    subscriptions: Subscriptions,
    gauge: QueueGauge,
    clock: Arc<ServerClock>,
    envelope_keys: EnvelopeKeys,
    forgeries: Forgeries,
    /// What the workers of this process were given; a process has one.
    deliveries: Mutex<HashMap<WorkerId, Arc<Deliveries>>>,
    /// When `reclaim` last looked for what dead processes left behind, in seconds since `started`.
    last_sweep: AtomicU64,
    started: Instant,
}

/// Checks a Redis URL without connecting.
///
/// # Errors
///
/// What is wrong with it, without repeating it: it may hold a password.
pub fn check_url(url: &str) -> Result<(), String> {
    let known = parse_redis_url(url)
        .is_some_and(|url| matches!(url.scheme(), "redis" | "rediss") && url.has_host());
    if known && Connector::new(url).is_ok() {
        Ok(())
    } else {
        Err(connection::INVALID_URL.to_owned())
    }
}

impl RedisBus {
    /// Connects to the Redis at `url` and makes the consumer group if there is none. All keys begin
    /// with `prefix`. Warns when the eviction policy puts entries at risk. Nothing is signed.
    ///
    /// # Errors
    ///
    /// [`BusError::Unavailable`] within a second or two when Redis cannot be reached, and
    /// [`BusError::Unexpected`] when it is older than 7.0 or the URL is wrong.
    pub async fn connect(
        url: &str,
        prefix: &str,
        limits: BusLimits,
    ) -> Result<Arc<Self>, BusError> {
        Self::connect_with_keys(url, prefix, limits, EnvelopeKeys::default()).await
    }

    /// As [`RedisBus::connect`], with keys that sign what is enqueued and posted; what is claimed and taken
    /// must be signed with one of them.
    ///
    /// # Errors
    ///
    /// As [`RedisBus::connect`].
    pub async fn connect_with_keys(
        url: &str,
        prefix: &str,
        limits: BusLimits,
        envelope_keys: EnvelopeKeys,
    ) -> Result<Arc<Self>, BusError> {
        let connector = Connector::new(url)?;
        let hot = HotConnection::connect(connector.clone()).await?;
        server::check(&hot).await?;
        let clock = Arc::new(ServerClock::read(&hot).await?);
        Self::on(
            connector,
            hot,
            clock,
            Keys::new(prefix),
            limits,
            envelope_keys,
        )
        .await
    }

    async fn on(
        connector: Connector,
        hot: HotConnection,
        clock: Arc<ServerClock>,
        keys: Keys,
        limits: BusLimits,
        envelope_keys: EnvelopeKeys,
    ) -> Result<Arc<Self>, BusError> {
        let hot = Arc::new(hot);
        let bus = Self {
            keys,
            limits,
            clock,
            pool: PooledConnections::new(connector.clone()),
            subscriptions: Subscriptions::new(connector.clone(), hot.clone()),
            connector,
            hot,
            gauge: QueueGauge::default(),
            envelope_keys,
            forgeries: Forgeries::default(),
            deliveries: Mutex::default(),
            last_sweep: AtomicU64::new(0),
            started: Instant::now(),
        };
        bus.make_group().await?;
        bus.read_queue_length().await?;
        Ok(Arc::new(bus))
    }

    /// As [`RedisBus::connect_with_keys`], as it is set.
    ///
    /// # Errors
    ///
    /// As [`RedisBus::connect`]; [`BusError::Unexpected`] also when the keys are wrong.
    pub async fn connect_as_set(
        settings: &RedisSettings,
        limits: BusLimits,
    ) -> Result<Arc<Self>, BusError> {
        let (url, prefix) = (&settings.redis_url, &settings.keys.key_prefix);
        let keys = settings.envelope.keys().map_err(BusError::Unexpected)?;
        Self::connect_with_keys(url, prefix, limits, keys).await
    }

    /// As [`RedisBus::connect_as_set`], but waits for a Redis that is away, for as long as it takes.
    ///
    /// # Errors
    ///
    /// [`BusError::Unexpected`] when Redis is older than 7.0, or the URL or the keys are wrong.
    pub async fn connect_when_there(
        settings: &RedisSettings,
        limits: BusLimits,
    ) -> Result<Arc<Self>, BusError> {
        let mut backoff = Backoff::endless();
        let mut told = false;
        loop {
            match Self::connect_as_set(settings, limits.clone()).await {
                Err(error) if error.is_passing() => {
                    if !told {
                        tracing::warn!(reason = %error, "Redis is away; waiting for it");
                        told = true;
                    }
                }
                decided => return decided,
            }
            backoff.pause().await;
        }
    }

    /// Makes the consumer group, unless it is there.
    async fn make_group(&self) -> Result<(), Fault> {
        let running = self.hot.run(&scripts::make_group(&self.keys)).await?;
        if running > 0 {
            tracing::warn!(
                requests = running,
                "who ran the requests of the lost consumer group is unknown"
            );
        }
        Ok(())
    }

    /// Sends a call, on the shared connection unless it is large. When the consumer group turns out to be gone it is made
    /// again and the call repeated. That does nothing twice: a script that needs the group fails before
    /// it has written anything, but for `sweep.lua`, which removes what a second time finds removed, and
    /// `reclaim.lua`, which notes a silence that a second time finds noted.
    async fn run<T: FromRedisValue>(&self, call: &Call<T>) -> Result<T, Fault> {
        match self.send(call).await {
            Err(fault) if fault.is_group_gone() => {
                self.repair_group().await?;
                self.send(call).await
            }
            answer => answer,
        }
    }

    async fn send<T: FromRedisValue>(&self, call: &Call<T>) -> Result<T, Fault> {
        match call.bytes() > LARGE {
            true => self.run_pooled(call).await,
            false => self.hot.run(call).await,
        }
    }

    async fn repair_group(&self) -> Result<(), Fault> {
        tracing::error!(
            key = self.keys.queue(),
            "the consumer group is gone: Redis has lost data, or somebody deleted it; making it again"
        );
        self.make_group().await
    }

    /// Sends a call on a connection of its own.
    async fn run_pooled<T: FromRedisValue>(&self, call: &Call<T>) -> Result<T, Fault> {
        // Knows whether Redis is away, and fails at once if so.
        self.hot.link(Instant::now() + DEADLINE).await?;
        self.pool.run(call).await
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn health(&self) -> Result<(), BusError> {
        // Not PING: a Redis that is out of memory or read-only answers it and serves nothing.
        let mut write = cmd("SET");
        write.arg(self.keys.health()).arg("1").arg("EX").arg(60);
        self.hot.run(&Call::<()>::command(write)).await?;
        match self.subscriptions.deaf() {
            Some(channel) => Err(BusError::Deaf(channel)),
            None => Ok(()),
        }
    }

    async fn apart(self: Arc<Self>) -> Result<Arc<dyn Bus>, BusError> {
        let (connector, keys) = (self.connector.clone(), self.keys.clone());
        let hot = HotConnection::connect(connector.clone()).await?;
        let (limits, envelope_keys) = (self.limits.clone(), self.envelope_keys.clone());
        let clock = Arc::clone(&self.clock);
        Ok(Self::on(connector, hot, clock, keys, limits, envelope_keys).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_url_is_refused_without_being_repeated() {
        for wrong in [
            "",
            "localhost:6379",
            "http://u:secret@h",
            "redis://u:secret@h:port",
            "redis://",
        ] {
            let reason = check_url(wrong).unwrap_err();
            assert!(!reason.contains("secret"), "{reason}");
        }
        for right in [
            "redis://127.0.0.1:6379",
            "rediss://user:secret@host:6380/1",
            "redis://[::1]",
        ] {
            assert_eq!(check_url(right), Ok(()), "{right}");
        }
    }
}
