//! What the audit gets of what is refused here. What is not refused comes to a worker, and the worker's end of the call
//! brings its record.
//!
//! Refusals of one kind within a second are one record with their number: whoever floods the gateway does not flood the
//! audit, where the newest records push out the oldest.

mod refusals;

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prynai_bus::ids::GatewayId;
use prynai_bus::wire::audit::AuditLine;
use prynai_bus::wire::principal::Principal;
use prynai_bus::{AuditLog, Bus, RequestQueue};
use prynai_process::telemetry::audit;

use self::refusals::{Refusal, Refusals};
use crate::metrics::metrics;
use crate::operation::Asked;
use crate::refusal::RequestError;

/// How long refusals are gathered.
const GATHERED: Duration = Duration::from_secs(1);

/// Records that one call of the bus adds.
const AT_ONCE: usize = 128;

/// Records that wait for the bus while it is away; any more are lost, and counted.
const MOST_WAITING: usize = 2048;

/// Notes refusals. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Audit(Option<Arc<Noted>>);

struct Noted {
    gateway: GatewayId,
    log: Arc<dyn AuditLog>,
    clock: Arc<dyn RequestQueue>,
    refusals: Mutex<Refusals>,
    /// Records that the bus does not have yet.
    waiting: tokio::sync::Mutex<Vec<AuditLine>>,
}

impl Audit {
    /// The audit of a gateway, and the task that brings what it notes to the bus; it never ends.
    pub(crate) fn new(
        gateway: GatewayId,
        bus: Arc<dyn Bus>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let is_on = bus.records_kept() > 0 || audit::is_open();
        let noted = is_on.then(|| {
            Arc::new(Noted {
                gateway,
                log: bus.clone(),
                clock: bus,
                refusals: Mutex::default(),
                waiting: tokio::sync::Mutex::default(),
            })
        });
        let task = run(noted.clone());
        (Self(noted), task)
    }

    /// What a caller asked for is refused.
    pub(crate) fn refused(&self, caller: &Principal, asked: &Asked, error: &RequestError) {
        if let (Some(noted), Some(method)) = (&self.0, asked.method()) {
            noted.lock().add(Refusal {
                caller: Some(caller),
                method: Some(method),
                name: asked.name(),
                reason: error.label(),
                rule: error.rule(),
                code: Some(error.code()),
                address: None,
            });
        }
    }

    /// A caller without a token that counts is refused.
    pub(crate) fn not_let_in(&self, address: IpAddr, reason: &'static str) {
        if let Some(noted) = &self.0 {
            noted.lock().add(Refusal {
                caller: None,
                method: None,
                name: None,
                reason,
                rule: None,
                code: None,
                address: Some(address),
            });
        }
    }

    /// Brings to the bus what was noted last; for the end of the process.
    pub(crate) async fn flush(&self) {
        if let Some(noted) = &self.0 {
            noted.bring().await;
        }
    }
}

async fn run(noted: Option<Arc<Noted>>) {
    let Some(noted) = noted else {
        return std::future::pending().await;
    };
    loop {
        tokio::time::sleep(GATHERED).await;
        noted.bring().await;
    }
}

impl Noted {
    fn lock(&self) -> MutexGuard<'_, Refusals> {
        self.refusals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Brings what waits, and what was noted since, to the file and to the bus.
    async fn bring(&self) {
        let mut waiting = self.waiting.lock().await;
        let gathered = self.lock().take();
        let now_ms = self.clock.now_ms();
        let mut lost = 0;
        for line in gathered.lines(&self.gateway) {
            if audit::is_open() {
                audit::write(&line.stamped(now_ms));
            }
            match waiting.len() < MOST_WAITING {
                true => waiting.push(line),
                false => lost += 1,
            }
        }
        metrics().audit_lost.inc_by(lost);
        if self.log.records_kept() == 0 {
            return waiting.clear();
        }
        while !waiting.is_empty() {
            // Some at a time, so that what the bus has is not brought again with what it has not.
            let some = waiting.len().min(AT_ONCE);
            match self.log.note(&waiting[..some]).await {
                Ok(()) => drop(waiting.drain(..some)),
                Err(error) => return tracing::debug!(%error, "the audit waits for the bus"),
            }
        }
    }
}

impl Drop for Noted {
    fn drop(&mut self) {
        let left = self.waiting.get_mut().len() as u64;
        metrics().audit_lost.inc_by(left);
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::BusLimits;
    use prynai_bus::operations::{AuditFrom, Operations};
    use prynai_memory_bus::MemoryBus;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_refused_within_a_second_is_one_record() {
        let bus = MemoryBus::new(BusLimits::default());
        let (audit, task) = Audit::new(GatewayId::generate(), bus.clone());
        let task = tokio::spawn(task);
        let asked = Asked::new("tools/call", Some("echo"), None, None);
        let caller = Principal::named("alice");
        for _ in 0..10_000 {
            audit.refused(&caller, &asked, &RequestError::CallerBusy);
        }
        tokio::time::sleep(2 * GATHERED).await;
        let records = bus.audit(AuditFrom::Newest(10)).await.expect("reads");
        let [only] = &records[..] else {
            panic!("{records:?}");
        };
        let record = only.record.as_ref().expect("is readable");
        assert_eq!(record.count(), 10_000);
        assert_eq!(record.principal.as_deref(), Some("alice"));
        assert_eq!(record.reason.as_deref(), Some("caller_limit"));
        task.abort();
    }

    #[tokio::test]
    async fn without_anybody_who_keeps_it_nothing_is_noted() {
        let bus = MemoryBus::new(BusLimits {
            audit: 0,
            ..BusLimits::default()
        });
        let (audit, _) = Audit::new(GatewayId::generate(), bus);
        assert!(audit.0.is_none());
    }
}
