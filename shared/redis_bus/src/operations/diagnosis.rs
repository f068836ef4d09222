//! What only a closer look finds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use prynai_bus::operations::{Diagnosis, GatewaySight, Orphan, Persistence};
use prynai_process::clock::unix_millis;
use redis::{cmd, pipe};

use super::RedisOperations;
use crate::bus::clock::{Time, unix_ms};
use crate::connection::command::Command;
use crate::fault::Fault;
use crate::scripts::{HANDED_BACK, millis};
use crate::server::info::fact;
use crate::wire::keys::GROUP;

/// Claims and streams that are looked at.
const SAMPLE: usize = 100;

/// A claim of a worker that never said how long its leases last counts as orphaned after this, in milliseconds.
const LONGEST_LEASE_MS: u64 = 60_000;

/// So many times its lease a claim may be old: others look for it twice a second.
const LEASES: u64 = 3;

/// A claim as `XPENDING` tells it.
type Pending = (String, String, u64, u64);

impl RedisOperations {
    pub(super) async fn read_diagnosis(&self) -> Result<Diagnosis, Fault> {
        let mut found = Diagnosis::default();
        let asked = Instant::now();
        let time = self.run(&Command::<Time>::single(cmd("TIME"))).await?;
        let (own_ms, error_ms) = (unix_millis(), asked.elapsed().as_millis());
        found.now_ms = unix_ms(time);
        found.clock_ahead_ms = own_ms
            .cast_signed()
            .saturating_sub(found.now_ms.cast_signed());
        found.clock_error_ms = u64::try_from(error_ms).unwrap_or(u64::MAX);
        let gateways = self.read_gateways().await?;
        found.gateway_versions = versions(&gateways);
        found.orphans = self.orphans().await?;
        self.look_at_open_streams(&mut found).await?;
        found.persistence = self.persistence(found.now_ms).await?;
        Ok(found)
    }

    async fn orphans(&self) -> Result<Vec<Orphan>, Fault> {
        let workers = self.read_workers().await?;
        let lease_ms = |name: &str| {
            let worker = workers.iter().find(|worker| worker.worker == name);
            worker.and_then(|worker| worker.lease_ms)
        };
        let mut pending = cmd("XPENDING");
        pending.arg(self.keys.queue()).arg(GROUP);
        pending.arg("-").arg("+").arg(SAMPLE);
        let pending = Command::<Vec<Pending>>::single(pending);
        let pending = self.run_if_there(&pending).await?.unwrap_or_default();
        let orphans = pending.into_iter().filter(|(_, worker, idle_ms, _)| {
            let lease_ms = lease_ms(worker).unwrap_or(LONGEST_LEASE_MS);
            let is_handed_back = *idle_ms >= millis(HANDED_BACK);
            !is_handed_back && *idle_ms > lease_ms.saturating_mul(LEASES)
        });
        let orphans = orphans.map(|(entry, worker, renewed_ms_ago, delivery)| Orphan {
            entry,
            worker,
            renewed_ms_ago,
            delivery,
        });
        Ok(orphans.collect())
    }

    /// The streams that are open for longest: who of them still has a log, and a gateway.
    async fn look_at_open_streams(&self, found: &mut Diagnosis) -> Result<(), Fault> {
        let mut oldest = cmd("ZRANGE");
        oldest.arg(self.keys.unfinished()).arg(0).arg(SAMPLE - 1);
        let streams: Vec<String> = self.run(&Command::single(oldest)).await?;
        let streams: Vec<_> = streams
            .iter()
            .filter_map(|name| name.parse().ok())
            .collect();
        if streams.is_empty() {
            return Ok(());
        }
        let mut logs = pipe();
        for stream in &streams {
            logs.cmd("HMGET")
                .arg(self.keys.log(stream))
                .arg(&["state", "holder"]);
        }
        let logs: Vec<(Option<String>, Option<String>)> =
            self.run(&Command::pipeline(logs)).await?;
        let holders: BTreeSet<String> = logs
            .iter()
            .filter_map(|(_, holder)| holder.clone())
            .collect();
        let holders: Vec<String> = holders.into_iter().collect();
        let living: BTreeSet<String> = match holders.is_empty() {
            true => BTreeSet::new(),
            false => {
                let seen = self.look_at_gateways(&holders).await?.into_iter();
                seen.filter(|gateway| gateway.is_alive)
                    .map(|gateway| gateway.gateway)
                    .collect()
            }
        };
        for (stream, (state, holder)) in streams.iter().zip(logs) {
            match (state.as_deref(), holder) {
                (None, _) => found.lost_logs += 1,
                (Some("open"), Some(holder)) if !living.contains(&holder) => {
                    found.abandoned_streams.push(stream.to_string());
                }
                _ => {}
            }
        }
        Ok(())
    }

    async fn persistence(&self, now_ms: u64) -> Result<Option<Persistence>, Fault> {
        let info = Command::<String>::single(cmd("INFO"));
        let facts = match self.run(&info).await {
            Ok(facts) => facts,
            Err(fault) if fault.is_forbidden() => return Ok(None),
            Err(fault) => return Err(fault),
        };
        Ok(Some(persistence(&facts, now_ms)))
    }
}

/// What `INFO` says of files. A managed Redis leaves fields out: what is absent has not failed.
fn persistence(facts: &str, now_ms: u64) -> Persistence {
    let has_failed = |name| fact(facts, name) == Some("err");
    let number = |name| fact(facts, name).and_then(|number| number.parse::<u64>().ok());
    let saved_s = number("rdb_last_save_time").filter(|_| number("rdb_saves") != Some(0));
    Persistence {
        appends: fact(facts, "aof_enabled").map(|enabled| enabled == "1"),
        has_append_failed: has_failed("aof_last_write_status"),
        has_snapshot_failed: has_failed("rdb_last_bgsave_status"),
        snapshot_ms_ago: saved_s.map(|s| now_ms.saturating_sub(s.saturating_mul(1000))),
        replicas: number("connected_slaves").unwrap_or(0),
    }
}

/// How many of the living gateways tell each version.
fn versions(gateways: &[GatewaySight]) -> Vec<(String, u64)> {
    let mut versions = BTreeMap::new();
    for gateway in gateways.iter().filter(|gateway| gateway.is_alive) {
        let version = gateway
            .version
            .clone()
            .unwrap_or_else(|| "unknown".to_owned());
        *versions.entry(version).or_insert(0) += 1;
    }
    versions.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_a_server_says_has_failed_has_failed() {
        let silent = persistence("# Persistence\r\nloading:0\r\n", 1);
        assert_eq!(silent.appends, None);
        assert!(!silent.has_append_failed && !silent.has_snapshot_failed);
        let failed = persistence(
            "aof_enabled:1\r\naof_last_write_status:err\r\nrdb_last_bgsave_status:err\r\n",
            1,
        );
        assert_eq!(failed.appends, Some(true));
        assert!(failed.has_append_failed && failed.has_snapshot_failed);
    }
}
