//! Gateways and workers.

use std::collections::{BTreeMap, HashMap};

use prynai_bus::ids::{GatewayId, WorkerId};
use prynai_bus::operations::{GatewaySight, WorkerSight};
use redis::{Value, cmd, from_redis_value, pipe};

use super::RedisOperations;
use super::entries::added_ms;
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::wire::keys::{GROUP, NOBODY};

/// Processes of one kind that are told.
const MOST: usize = 1000;

/// Processes that one pipeline asks about.
const AT_ONCE: usize = 100;

/// A worker looks for lost requests twice a second; one that was not heard of for longer, and has no lease, is gone.
const QUIET_MS: u64 = 10_000;

/// A worker with room claims each second, and takes at once what waits.
const UNCLAIMED_MS: u64 = 5_000;

impl RedisOperations {
    pub(super) async fn read_workers(&self) -> Result<Vec<WorkerSight>, Fault> {
        let mut consumers = cmd("XINFO");
        consumers.arg("CONSUMERS").arg(self.keys.queue()).arg(GROUP);
        let consumers = Command::<Vec<HashMap<String, Value>>>::single(consumers);
        let consumers = self.run_if_there(&consumers).await?.unwrap_or_default();
        let mut workers: Vec<_> = consumers.iter().filter_map(worker).collect();
        workers.retain(|worker| worker.worker != NOBODY);
        workers.sort_by(|a, b| a.worker.cmp(&b.worker));
        workers.truncate(MOST);
        let now_ms = self.now_ms().await?;
        for workers in workers.chunks_mut(AT_ONCE) {
            self.complete(workers, now_ms).await?;
        }
        self.mark_silent(&mut workers, now_ms).await?;
        Ok(workers)
    }

    /// Marks those that claim nothing although requests wait. As long as none does, nobody can tell: Redis before 7.2
    /// does not note that a worker asked if it got nothing.
    async fn mark_silent(&self, workers: &mut [WorkerSight], now_ms: u64) -> Result<(), Fault> {
        let is_quiet = |worker: &&mut WorkerSight| {
            let is_idle = worker.is_alive && worker.running == 0 && !worker.is_draining;
            is_idle && !was_heard(worker)
        };
        let mut quiet = workers.iter_mut().filter(is_quiet).peekable();
        if quiet.peek().is_none() {
            return Ok(());
        }
        let oldest = self.oldest_waiting().await?;
        let waits_since = oldest.as_deref().and_then(added_ms);
        if waits_since.is_some_and(|since| now_ms.saturating_sub(since) > UNCLAIMED_MS) {
            quiet.for_each(|worker| worker.is_silent = worker.is_listening);
        }
        Ok(())
    }

    /// Adds what the list of consumers does not say.
    async fn complete(&self, workers: &mut [WorkerSight], now_ms: u64) -> Result<(), Fault> {
        let channels = workers
            .iter()
            .map(|worker| self.keys.worker_channel(&worker.worker));
        let listening = self.listening(channels.collect()).await?;
        let mut leases = cmd("HMGET");
        leases.arg(self.keys.leases());
        for worker in &*workers {
            leases.arg(&worker.worker);
        }
        let leases: Vec<Option<u64>> = self.run(&Command::single(leases)).await?;
        let mut draining = pipe();
        for worker in &*workers {
            let worker = WorkerId::from(worker.worker.as_str());
            draining.cmd("EXISTS").arg(self.keys.draining(&worker));
        }
        let draining: Vec<bool> = self.run(&Command::pipeline(draining)).await?;
        for (worker, is_draining) in workers.iter_mut().zip(draining) {
            worker.is_draining = is_draining;
        }
        let mut oldest = pipe();
        for worker in &*workers {
            oldest.cmd("XPENDING").arg(self.keys.queue()).arg(GROUP);
            oldest.arg("-").arg("+").arg(1).arg(&worker.worker);
        }
        type First = Vec<(String, String, u64, u64)>;
        let oldest: Vec<First> = self.run(&Command::pipeline(oldest)).await?;
        for (((worker, lease_ms), oldest), is_listening) in
            workers.iter_mut().zip(leases).zip(oldest).zip(listening)
        {
            worker.has_stopped = lease_ms == Some(0);
            let lease_ms = lease_ms.filter(|lease_ms| *lease_ms > 0);
            worker.lease_ms = lease_ms;
            worker.is_listening = is_listening;
            // Redis before 7.2 does not note that a worker asked if it got nothing.
            let is_idle = worker.running == 0 && is_listening;
            worker.is_alive = !worker.has_stopped && (was_heard(worker) || is_idle);
            worker.is_draining &= worker.is_alive;
            if let Some((entry, ..)) = oldest.into_iter().next() {
                worker.oldest_ms = added_ms(&entry).map(|added| now_ms.saturating_sub(added));
                worker.oldest = Some(entry);
            }
        }
        Ok(())
    }

    pub(super) async fn read_gateways(&self) -> Result<Vec<GatewaySight>, Fault> {
        let mut noted = cmd("ZRANGE");
        noted
            .arg(self.keys.gateways())
            .arg(0)
            .arg(MOST)
            .arg("REV")
            .arg("WITHSCORES");
        let noted: Vec<(String, f64)> = self.run(&Command::single(noted)).await?;
        // Those of a release that notes nothing.
        let channels = self.keys.gateway_channels();
        let mut all = cmd("PUBSUB");
        all.arg("CHANNELS").arg(format!("{channels}*"));
        let all: Vec<String> = self.run(&Command::single(all)).await?;
        let heard = all.iter().filter_map(|name| name.strip_prefix(&channels));
        let mut gateways: BTreeMap<String, Option<f64>> =
            heard.map(|name| (name.to_owned(), None)).collect();
        gateways.extend(noted.into_iter().map(|(name, at)| (name, Some(at))));
        let now_ms = self.now_ms().await?;
        let mut sights = Vec::with_capacity(gateways.len());
        let names: Vec<_> = gateways.keys().take(MOST).cloned().collect();
        for names in names.chunks(AT_ONCE) {
            for mut sight in self.look_at_gateways(names).await? {
                let at = gateways.get(&sight.gateway).copied().flatten();
                sight.heard_ms_ago = at.map(|at| now_ms.saturating_sub(at as u64));
                sights.push(sight);
            }
        }
        sights.sort_by_key(|sight| (!sight.is_alive, sight.heard_ms_ago));
        Ok(sights)
    }

    /// Whether these gateways live, and hear.
    pub(super) async fn look_at_gateways(
        &self,
        names: &[String],
    ) -> Result<Vec<GatewaySight>, Fault> {
        let channels = names.iter().map(|name| self.keys.gateway_channel(name));
        let listening = self.listening(channels.collect()).await?;
        let mut lives = pipe();
        for name in names {
            let gateway = GatewayId::from(name.as_str());
            lives.cmd("GET").arg(self.keys.gateway_life(&gateway));
        }
        let lives: Vec<Option<String>> = self.run(&Command::pipeline(lives)).await?;
        let seen = names.iter().zip(lives).zip(listening);
        let seen = seen.map(|((name, life), is_listening)| GatewaySight {
            gateway: name.clone(),
            is_alive: life.is_some(),
            // Earlier releases wrote a mere 1.
            version: life.filter(|version| version.contains('.')),
            is_listening,
            heard_ms_ago: None,
        });
        Ok(seen.collect())
    }

    /// Whether somebody hears each of these channels.
    async fn listening(&self, channels: Vec<String>) -> Result<Vec<bool>, Fault> {
        if channels.is_empty() {
            return Ok(Vec::new());
        }
        let mut ask = cmd("PUBSUB");
        ask.arg("NUMSUB").arg(&channels);
        let heard: HashMap<String, u64> = self.run(&Command::single(ask)).await?;
        let listeners = |channel| heard.get(channel).copied().unwrap_or(0);
        Ok(channels.iter().map(|name| listeners(name) > 0).collect())
    }
}

/// Whether a worker was heard of within its lease.
fn was_heard(worker: &WorkerSight) -> bool {
    worker.heard_ms_ago <= worker.lease_ms.unwrap_or(0).max(QUIET_MS)
}

/// A worker as the list of consumers tells it.
fn worker(consumer: &HashMap<String, Value>) -> Option<WorkerSight> {
    let number = |name| from_redis_value::<u64>(consumer.get(name)?.clone()).ok();
    Some(WorkerSight {
        worker: from_redis_value(consumer.get("name")?.clone()).ok()?,
        is_alive: false,
        has_stopped: false,
        is_silent: false,
        is_draining: false,
        is_listening: false,
        heard_ms_ago: number("idle")?,
        lease_ms: None,
        running: number("pending")?,
        oldest_ms: None,
        oldest: None,
    })
}
