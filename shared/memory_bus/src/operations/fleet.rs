//! The fleet, which is this process.

use std::time::Duration;

use prynai_bus::LogState;
use prynai_bus::RequestQueue;
use prynai_bus::ids::{GatewayId, WorkerId};
use prynai_bus::operations::{Diagnosis, GatewaySight, Orphan, Overview, WorkerSight};
use tokio::time::Instant;

use super::ms_since;
use crate::bus::{MemoryBus, lock};
use crate::stored::gateway::GatewayLife;
use crate::stored::partition::{Lease, Partition, WorkerSeen};

/// Processes of one kind that are told.
const MOST: usize = 1000;

/// Claims and streams that a closer look finds.
const SAMPLE: usize = 100;

/// A worker looks for lost requests twice a second; one that was not heard of for longer, and has no lease, is gone.
const QUIET: Duration = Duration::from_secs(10);

/// A worker with room claims each second, and takes at once what waits.
const UNCLAIMED: Duration = Duration::from_secs(5);

/// A claim of a worker that never said how long its leases last counts as orphaned after this.
const LONGEST_LEASE: Duration = Duration::from_secs(60);

/// So many times its lease a claim may be old: others look for it twice a second.
const LEASES: u32 = 3;

impl MemoryBus {
    pub(super) fn read_overview(&self) -> Overview {
        let has_catalog = lock(&self.catalog).is_some();
        let sessions = lock(&self.sessions).iter().count() as u64;
        let partition = lock(&self.partition);
        let waiting = partition.waiting.front();
        let running = partition.running.values().next();
        Overview {
            now_ms: self.now_ms(),
            waiting: partition.waiting.len() as u64,
            oldest_waiting_ms: waiting.map(|waiting| ms_since(waiting.since)),
            running: partition.running.len() as u64,
            oldest_running_ms: running.map(|running| ms_since(running.since)),
            unattributed: 0,
            has_group: true,
            dead_letters: partition.dead_letters.len() as u64,
            unfinished_streams: partition.log_counts.open.get(),
            cancelled: partition.log_counts.cancelled.get(),
            sessions,
            session_calls: partition.call_count,
            tasks: Some(partition.count_tasks()),
            open_tasks: Some(partition.open_tasks(self.unix_ms())),
            has_catalog,
            server: None,
        }
    }

    pub(super) fn read_workers(&self) -> Vec<WorkerSight> {
        let partition = lock(&self.partition);
        let workers = partition.workers.iter().take(MOST);
        workers
            .map(|(worker, seen)| partition.worker_sight(worker, seen))
            .collect()
    }

    pub(super) fn read_gateways(&self) -> Vec<GatewaySight> {
        let gateways = lock(&self.gateways);
        let partition = lock(&self.partition);
        let noted = gateways.iter().filter(|(_, life)| life.heard.is_some());
        let mut sights: Vec<_> = noted
            .map(|(gateway, life)| partition.gateway_sight(gateway, Some(life)))
            .collect();
        sights.sort_by_key(|sight| (!sight.is_alive, sight.heard_ms_ago));
        sights.truncate(MOST);
        sights
    }

    /// A gateway, or what stands for one of a replayed request.
    pub(super) fn look_at_gateway(&self, gateway: &GatewayId) -> GatewaySight {
        let gateways = lock(&self.gateways);
        lock(&self.partition).gateway_sight(gateway, gateways.get(gateway))
    }

    pub(super) fn read_diagnosis(&self) -> Diagnosis {
        let living = self.read_gateways().into_iter().filter(|g| g.is_alive);
        let living = living.count() as u64;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let orphans = lock(&self.partition).orphans();
        Diagnosis {
            now_ms: self.now_ms(),
            orphans,
            abandoned_streams: self.abandoned_streams(),
            gateway_versions: (living > 0)
                .then_some((version, living))
                .into_iter()
                .collect(),
            ..Diagnosis::default()
        }
    }

    fn abandoned_streams(&self) -> Vec<String> {
        let gateways = lock(&self.gateways);
        let partition = lock(&self.partition);
        let running = partition.running.values().take(SAMPLE);
        let open = running.filter_map(|running| {
            let stream = running.request.stream;
            let log = partition.logs.get(&stream)?;
            (log.state() == LogState::Open).then_some((stream, log.holder.as_ref()?))
        });
        let lives = |holder| gateways.get(holder).is_some_and(GatewayLife::is_alive);
        open.filter(|(_, holder)| !lives(holder))
            .map(|(stream, _)| stream.to_string())
            .collect()
    }
}

impl Partition {
    pub(super) fn worker_sight(&self, worker: &WorkerId, seen: &WorkerSeen) -> WorkerSight {
        let mut own = self.running.values().filter(|r| r.worker == *worker);
        let oldest = own.next();
        let is_listening = self.signals.is_heard(worker);
        let has_stopped = seen.has_stopped();
        let lease = seen.lease.filter(|_| !has_stopped);
        let is_heard = seen.heard.elapsed() <= lease.unwrap_or_default().max(QUIET);
        let is_idle = oldest.is_none() && is_listening;
        let is_alive = !has_stopped && (is_heard || is_idle);
        let drains_until = seen.drains_until;
        let is_draining = is_alive && drains_until.is_some_and(|until| Instant::now() < until);
        let waits = self.waiting.front();
        let waits = waits.is_some_and(|waiting| waiting.since.elapsed() > UNCLAIMED);
        WorkerSight {
            worker: worker.to_string(),
            is_alive,
            has_stopped,
            is_silent: is_alive && is_idle && !is_heard && !is_draining && waits,
            is_draining,
            is_listening,
            heard_ms_ago: ms_since(seen.heard),
            lease_ms: lease.map(|lease| lease.as_millis() as u64),
            oldest_ms: oldest.map(|running| ms_since(running.since)),
            oldest: oldest.map(|running| running.entry.to_string()),
            running: u64::from(oldest.is_some()) + own.count() as u64,
        }
    }

    fn gateway_sight(&self, gateway: &GatewayId, life: Option<&GatewayLife>) -> GatewaySight {
        let is_alive = life.is_some_and(GatewayLife::is_alive);
        let is_gateway = is_alive && life.is_some_and(|life| life.heard.is_some());
        let version = env!("CARGO_PKG_VERSION").to_owned();
        GatewaySight {
            gateway: gateway.to_string(),
            is_alive,
            is_listening: self.events.is_heard(gateway),
            version: is_gateway.then_some(version),
            heard_ms_ago: life.and_then(|life| life.heard).map(ms_since),
        }
    }

    fn orphans(&self) -> Vec<Orphan> {
        let claims = self.running.values().take(SAMPLE);
        let orphans = claims.filter_map(|running| {
            let Lease::Since(renewed) = running.lease else {
                return None;
            };
            let owner = self.workers.get(&running.worker);
            let lease = owner.filter(|owner| !owner.has_stopped());
            let lease = lease.and_then(|owner| owner.lease).unwrap_or(LONGEST_LEASE);
            (renewed.elapsed() > lease.saturating_mul(LEASES)).then(|| Orphan {
                entry: running.entry.to_string(),
                worker: running.worker.to_string(),
                renewed_ms_ago: ms_since(renewed),
                delivery: running.delivery.into(),
            })
        });
        orphans.collect()
    }
}
