//! Where a real bus keeps things, and how time is made to pass there.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{Bus, BusLimits};
use prynai_memory_bus::MemoryBus;
use prynai_redis_bus::RedisBus;
use prynai_test_redis::server::{RedisServer, unique_prefix};

/// How long an entry stays its worker's. Longer than all the retentions that pass in a sequence.
pub(super) const LEASE: Duration = Duration::from_secs(100 * 3600);

/// How long the log of a stream is kept that is over.
const RETENTION: Duration = Duration::from_secs(3600);

/// How long any other log is kept. Longer than all the leases that pass in a sequence.
const OPEN_RETENTION: Duration = Duration::from_secs(9 * 365 * 24 * 3600);

/// Makes leases that were not handed back as old as a lease may be. KEYS: the queue. ARGV: a lease in milliseconds.
const AGE_LEASES: &str = "
    for _, lease in ipairs(redis.call('XPENDING', KEYS[1], 'workers', '-', '+', 100)) do
      if lease[3] <= tonumber(ARGV[1]) + 1000 * 3600 then
        -- A minute more: on a busy machine there may be a silence that does not count.
        redis.call('XCLAIM', KEYS[1], 'workers', lease[2], 0, lease[1], 'IDLE', ARGV[1] + 60000, 'JUSTID')
      end
    end";

/// Deletes logs that are to be kept for so long at most. KEYS: the logs. ARGV: milliseconds.
const AGE_LOGS: &str = "
    for _, log in ipairs(KEYS) do
      if redis.call('PTTL', log) <= tonumber(ARGV[1]) then redis.call('DEL', log) end
    end";

/// Where a real bus keeps things.
pub(super) enum Store {
    /// Its runtime's clock is paused.
    Memory(Arc<MemoryBus>),
    Redis {
        bus: Arc<RedisBus>,
        server: Arc<RedisServer>,
        prefix: String,
    },
}

impl Store {
    pub(super) fn in_memory() -> Self {
        Self::Memory(MemoryBus::new(limits()))
    }

    pub(super) async fn on(server: &Arc<RedisServer>) -> Self {
        let prefix = unique_prefix();
        let url = server.url().parse().expect("a URL");
        let bus = RedisBus::connect(&url, &prefix, limits()).await;
        Self::Redis {
            bus: bus.expect("connected"),
            server: Arc::clone(server),
            prefix,
        }
    }

    pub(super) fn bus(&self) -> Arc<dyn Bus> {
        match self {
            Self::Memory(bus) => bus.clone(),
            Self::Redis { bus, .. } => bus.clone(),
        }
    }

    /// Lets pass what ends the retention of the logs of streams that are over.
    pub(super) async fn let_logs_expire(&self, requests: &[RequestEnvelope]) {
        match self {
            Self::Memory(_) => tokio::time::advance(RETENTION).await,
            Self::Redis { .. } => {
                let streams = requests.iter().map(|request| request.stream);
                let logs = streams.map(|stream| format!("log:{stream}"));
                self.run(AGE_LOGS, logs.collect(), RETENTION).await;
            }
        }
    }

    /// Lets pass what ends every lease, and with it the retention of such logs.
    pub(super) async fn let_leases_end(&self, requests: &[RequestEnvelope]) {
        match self {
            Self::Memory(_) => tokio::time::advance(LEASE).await,
            Self::Redis { .. } => {
                self.let_logs_expire(requests).await;
                self.run(AGE_LEASES, vec!["requests".to_owned()], LEASE)
                    .await;
            }
        }
    }

    pub(super) async fn dead_letters(&self) -> usize {
        match self {
            Self::Memory(bus) => bus.dead_letters().len(),
            Self::Redis { server, .. } => server.command(&["XLEN", &self.key("dead")]).await,
        }
    }

    async fn run(&self, script: &str, keys: Vec<String>, time: Duration) {
        let Self::Redis { server, .. } = self else {
            return;
        };
        let (count, time) = (keys.len().to_string(), time.as_millis().to_string());
        let keys: Vec<_> = keys.iter().map(|key| self.key(key)).collect();
        let mut eval = vec!["EVAL", script, &count];
        eval.extend(keys.iter().map(String::as_str));
        eval.push(&time);
        server.command::<()>(&eval).await;
    }

    fn key(&self, name: &str) -> String {
        match self {
            Self::Memory(_) => name.to_owned(),
            Self::Redis { prefix, .. } => format!("{prefix}{{main.0}}:{name}"),
        }
    }
}

fn limits() -> BusLimits {
    BusLimits {
        modern_retention: RETENTION,
        open_retention: OPEN_RETENTION,
        ..BusLimits::default()
    }
}
