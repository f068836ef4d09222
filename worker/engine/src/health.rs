//! Whether this worker takes requests, for the probes of orchestrators.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use prynai_bus::Bus;
use prynai_process::lifecycle::Shutdown;

/// A bus that takes longer than this to answer counts as away.
const PATIENCE: Duration = Duration::from_secs(1);

/// Whether this worker takes requests. Cheap to clone; all clones tell of the same worker.
#[derive(Debug, Clone, Default)]
pub struct WorkerHealth(Arc<Told>);

#[derive(Default)]
struct Told {
    /// What is waited for before the worker serves.
    waits_for: Mutex<String>,
    serving: OnceLock<Serving>,
    claims: AtomicBool,
}

struct Serving {
    bus: Arc<dyn Bus>,
    shutdown: Shutdown,
}

impl WorkerHealth {
    /// Says why the worker does not serve yet.
    pub fn waits_for(&self, what: &str) {
        let mut waits_for = self
            .0
            .waits_for
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        what.clone_into(&mut waits_for);
    }

    /// Whether requests are claimed now: the bus answers and is heard, the last claim succeeded, and no stop has begun.
    ///
    /// # Errors
    ///
    /// Why not, in words.
    pub async fn check(&self) -> Result<(), String> {
        let Some(serving) = self.0.serving.get() else {
            let waits_for = self.0.waits_for.lock();
            let waits_for = waits_for.unwrap_or_else(PoisonError::into_inner);
            return Err(match waits_for.as_str() {
                "" => "starting".to_owned(),
                what => format!("waiting for {what}"),
            });
        };
        if serving.shutdown.soft().is_cancelled() {
            return Err("stopping".to_owned());
        }
        match tokio::time::timeout(PATIENCE, serving.bus.health()).await {
            Ok(health) => health.map_err(|error| error.to_string())?,
            Err(_) => return Err("the bus does not answer".to_owned()),
        }
        match self.0.claims.load(Ordering::Relaxed) {
            true => Ok(()),
            false => Err("requests cannot be claimed; the log says why".to_owned()),
        }
    }

    pub(crate) fn serves(&self, bus: Arc<dyn Bus>, shutdown: Shutdown) {
        // One worker has one health.
        let _ = self.0.serving.set(Serving { bus, shutdown });
    }

    /// Whether the last claim succeeded.
    pub(crate) fn claims(&self, succeeded: bool) {
        self.0.claims.store(succeeded, Ordering::Relaxed);
    }
}

impl std::fmt::Debug for Told {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Told")
            .field("serves", &self.serving.get().is_some())
            .field("claims", &self.claims)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use prynai_bus::BusLimits;
    use prynai_memory_bus::MemoryBus;

    use super::*;

    #[tokio::test]
    async fn it_says_why_no_requests_are_taken() {
        let health = WorkerHealth::default();
        assert_eq!(health.check().await, Err("starting".to_owned()));
        health.waits_for("Redis: connection refused");
        let waits = "waiting for Redis: connection refused".to_owned();
        assert_eq!(health.check().await, Err(waits));
        let shutdown = Shutdown::new();
        health.serves(MemoryBus::new(BusLimits::default()), shutdown.clone());
        assert!(
            health
                .check()
                .await
                .is_err_and(|why| why.contains("cannot be claimed"))
        );
        health.claims(true);
        assert_eq!(health.check().await, Ok(()));
        health.claims(false);
        assert!(health.check().await.is_err());
        shutdown.begin();
        assert_eq!(health.check().await, Err("stopping".to_owned()));
    }
}
