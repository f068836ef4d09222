//! [`RedisBus`]: how it connects, and how its ports send commands.

use std::collections::HashMap;
use std::sync::atomic::AtomicU64;
use std::sync::{Arc, Mutex, OnceLock};

use async_trait::async_trait;
use prynai_bus::ids::WorkerId;
use prynai_bus::{Bus, BusError, BusLimits};
use prynai_process::outage::Outage;
use redis::{FromRedisValue, cmd};
use tokio::time::Instant;

use crate::connection::budget::{DEADLINE, LARGE};
use crate::connection::command::Command;
use crate::connection::connector::Connector;
use crate::connection::disk::Disk;
use crate::connection::hot::HotConnection;
use crate::connection::pool::PooledConnections;
use crate::connection::queue_group::QueueGroup;
use crate::connection::subscription::Subscriptions;
use crate::connection::task_channels::TaskChannels;
use crate::fault::Fault;
use crate::queue::deliveries::Deliveries;
use crate::queue::forgeries::Forgeries;
use crate::queue::gauge::QueueGauge;
use crate::server::entra::SignIn;
use crate::server::tls::Tls;
use crate::settings::{
    EnvelopeSettings, RedisSettings, RedisTlsSettings, RedisUrl, TaskDurability,
};
use crate::wire::downstream::DownstreamKeys;
use crate::wire::keys::Keys;
use crate::wire::sealing::TaskKeys;
use crate::wire::signature::EnvelopeKeys;

pub(crate) mod clock;
mod eviction;
mod recent_sessions;

use clock::ServerClock;
use recent_sessions::RecentSessions;

/// The bus on Redis.
pub struct RedisBus {
    pub(crate) keys: Keys,
    pub(crate) limits: BusLimits,
    pub(crate) connector: Connector,
    pub(crate) hot: Arc<HotConnection>,
    pub(crate) pool: PooledConnections,
    pub(crate) subscriptions: Subscriptions,
    pub(crate) task_channels: TaskChannels,
    pub(crate) group: Arc<QueueGroup>,
    pub(crate) gauge: QueueGauge,
    pub(crate) clock: Arc<ServerClock>,
    pub(crate) recent_sessions: RecentSessions,
    pub(crate) envelope_keys: EnvelopeKeys,
    pub(crate) task_keys: TaskKeys,
    /// Makes certain that tasks are on disk, if that is set.
    pub(crate) disk: OnceLock<Disk>,
    pub(crate) downstream_keys: DownstreamKeys,
    pub(crate) forgeries: Forgeries,
    /// What the workers of this process were given; a process has one.
    pub(crate) deliveries: Mutex<HashMap<WorkerId, Arc<Deliveries>>>,
    /// When `reclaim` is to look again for what dead processes left behind, in seconds since `started`. At first it
    /// looks at once: a fleet may be rolled out more often than a process looks.
    pub(crate) next_sweep: AtomicU64,
    pub(crate) started: Instant,
}

/// The keys of a fleet for what lies in Redis.
#[derive(Debug, Clone, Default)]
pub struct FleetKeys {
    /// Sign what gateways put there for workers.
    pub envelope: EnvelopeKeys,
    /// Seal what tasks keep there.
    pub tasks: TaskKeys,
    /// Seal tokens for other APIs.
    pub downstream: DownstreamKeys,
}

impl FleetKeys {
    /// As they are set.
    pub(crate) fn of(settings: &EnvelopeSettings) -> Result<Self, String> {
        Ok(Self {
            envelope: settings.keys()?,
            tasks: settings.task_keys()?,
            downstream: settings.downstream_keys()?,
        })
    }
}

impl RedisBus {
    /// Connects to the Redis at `url` and makes the consumer group if there is none. All keys begin
    /// with `prefix`. Warns when the eviction policy puts entries at risk. Nothing is signed or sealed.
    ///
    /// # Errors
    ///
    /// [`BusError::Unavailable`] within a second or two when Redis cannot be reached, and
    /// [`BusError::Unusable`] when no waiting can mend what is wrong.
    pub async fn connect(
        url: &RedisUrl,
        prefix: &str,
        limits: BusLimits,
    ) -> Result<Arc<Self>, BusError> {
        Self::connect_with_keys(url, prefix, limits, FleetKeys::default()).await
    }

    /// As [`RedisBus::connect`], with keys that sign what is enqueued and posted; what is claimed and taken
    /// must be signed with one of them. So it is with what tasks keep, and keys that seal.
    ///
    /// # Errors
    ///
    /// As [`RedisBus::connect`].
    pub async fn connect_with_keys(
        url: &RedisUrl,
        prefix: &str,
        limits: BusLimits,
        keys_of_fleet: FleetKeys,
    ) -> Result<Arc<Self>, BusError> {
        let tls = RedisTlsSettings::default();
        Self::connect_to(url, &tls, None, prefix, limits, keys_of_fleet).await
    }

    async fn connect_to(
        url: &RedisUrl,
        tls: &RedisTlsSettings,
        sign_in: Option<SignIn>,
        prefix: &str,
        limits: BusLimits,
        keys_of_fleet: FleetKeys,
    ) -> Result<Arc<Self>, BusError> {
        let group = Arc::new(QueueGroup::new(Keys::new(prefix)));
        let connector = Connector::new(url.address().clone(), Tls::new(tls), sign_in, group);
        let hot = HotConnection::connect(connector.clone()).await;
        let hot = hot.map_err(Fault::at_start)?;
        eviction::check(&hot).await;
        let clock = ServerClock::read(&hot).await.map_err(Fault::at_start)?;
        Self::on(
            connector,
            hot,
            Arc::new(clock),
            Keys::new(prefix),
            limits,
            keys_of_fleet,
        )
        .await
    }

    async fn on(
        connector: Connector,
        hot: HotConnection,
        clock: Arc<ServerClock>,
        keys: Keys,
        limits: BusLimits,
        keys_of_fleet: FleetKeys,
    ) -> Result<Arc<Self>, BusError> {
        let hot = Arc::new(hot);
        let subscriptions = Subscriptions::new(connector.clone(), hot.clone());
        let bus = Self {
            task_channels: TaskChannels::beside(
                &subscriptions,
                keys.clone(),
                keys_of_fleet.tasks.clone(),
            ),
            subscriptions,
            keys,
            recent_sessions: RecentSessions::new(limits.session_idle),
            limits,
            clock,
            pool: PooledConnections::new(connector.clone()),
            group: connector.group(),
            connector,
            hot,
            gauge: QueueGauge::default(),
            envelope_keys: keys_of_fleet.envelope,
            task_keys: keys_of_fleet.tasks,
            disk: OnceLock::new(),
            downstream_keys: keys_of_fleet.downstream,
            forgeries: Forgeries::default(),
            deliveries: Mutex::default(),
            next_sweep: AtomicU64::new(0),
            started: Instant::now(),
        };
        bus.read_queue_length().await.map_err(Fault::at_start)?;
        Ok(Arc::new(bus))
    }

    /// As [`RedisBus::connect_with_keys`], as it is set.
    ///
    /// # Errors
    ///
    /// As [`RedisBus::connect`]; [`BusError::Unusable`] also when the keys or the files are wrong.
    pub async fn connect_as_set(
        settings: &RedisSettings,
        limits: BusLimits,
    ) -> Result<Arc<Self>, BusError> {
        let sign_in = SignIn::start(&settings.sign_in).map_err(BusError::Unusable)?;
        Self::connect_signed_in(settings, sign_in, limits).await
    }

    async fn connect_signed_in(
        settings: &RedisSettings,
        sign_in: Option<SignIn>,
        limits: BusLimits,
    ) -> Result<Arc<Self>, BusError> {
        let (url, prefix) = (&settings.redis_url, &settings.keys.key_prefix);
        let keys = FleetKeys::of(&settings.envelope).map_err(BusError::Unusable)?;
        let bus = Self::connect_to(url, &settings.tls, sign_in, prefix, limits, keys).await?;
        if settings.task_durability == TaskDurability::Synced {
            let disk = Disk::behind(bus.connector.clone(), &bus.keys).await;
            // It is new.
            let _ = bus.disk.set(disk.map_err(Fault::at_start)?);
        }
        Ok(bus)
    }

    /// As [`RedisBus::connect_as_set`], but waits for a Redis that is away, for as long as it takes: also for a name
    /// that has no address yet, since that of a container comes with it. `tell` gets what each failed attempt found.
    ///
    /// # Errors
    ///
    /// [`BusError::Unusable`] when no waiting can mend what is wrong.
    pub async fn connect_when_there(
        settings: &RedisSettings,
        limits: BusLimits,
        mut tell: impl FnMut(&str),
    ) -> Result<Arc<Self>, BusError> {
        let mut outage = Outage::endless();
        // One for all attempts: who gives out tokens is not asked whenever Redis is.
        let sign_in = SignIn::start(&settings.sign_in).map_err(BusError::Unusable)?;
        loop {
            match Self::connect_signed_in(settings, sign_in.clone(), limits.clone()).await {
                Err(BusError::Unavailable(reason) | BusError::Refused(reason)) => {
                    if outage.begins() {
                        tracing::warn!(
                            reason,
                            "Redis is away; waiting for it. If it is not, check --redis-url, and whether Redis speaks TLS there"
                        );
                    }
                    tell(&reason);
                }
                decided => return decided,
            }
            outage.pause().await;
        }
    }

    /// Sends a command, on the shared connection unless it is large. When the consumer group turns out to be gone it is
    /// made again and the command repeated. That does nothing twice: a script that needs the group fails before it has
    /// written anything, but for `sweep.lua`, which removes what a second time finds removed, and `reclaim.lua`, which
    /// notes a silence that a second time finds noted.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Command<T>) -> Result<T, Fault> {
        match self.send(command).await {
            Err(fault) if fault.is_group_gone() => {
                self.hot.repair(&self.group).await?;
                self.send(command).await
            }
            answer => answer,
        }
    }

    async fn send<T: FromRedisValue>(&self, command: &Command<T>) -> Result<T, Fault> {
        match command.bytes() > LARGE {
            true => self.run_pooled(command).await,
            false => self.hot.run(command).await,
        }
    }

    /// Sends a command on a connection of its own.
    pub(crate) async fn run_pooled<T: FromRedisValue>(
        &self,
        command: &Command<T>,
    ) -> Result<T, Fault> {
        // Knows whether Redis is away, and fails at once if so.
        self.hot.link(Instant::now() + DEADLINE).await?;
        self.pool.run(command).await
    }
}

#[async_trait]
impl Bus for RedisBus {
    async fn health(&self) -> Result<(), BusError> {
        // Not PING: a Redis that is out of memory or read-only answers it and serves nothing.
        let mut write = cmd("SET");
        write.arg(self.keys.health()).arg("1").arg("EX").arg(60);
        self.hot.run(&Command::<()>::single(write)).await?;
        match self.subscriptions.deaf() {
            Some(channel) => Err(BusError::Deaf(channel)),
            None => Ok(()),
        }
    }

    async fn apart(self: Arc<Self>) -> Result<Arc<dyn Bus>, BusError> {
        let (connector, keys) = (self.connector.clone(), self.keys.clone());
        let hot = HotConnection::connect(connector.clone()).await?;
        let limits = self.limits.clone();
        let keys_of_fleet = FleetKeys {
            envelope: self.envelope_keys.clone(),
            tasks: self.task_keys.clone(),
            downstream: self.downstream_keys.clone(),
        };
        let clock = Arc::clone(&self.clock);
        Ok(Self::on(connector, hot, clock, keys, limits, keys_of_fleet).await?)
    }
}
