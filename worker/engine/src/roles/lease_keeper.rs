//! Keeps the leases of running calls, on a thread that no handler can block.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::{Bus, BusError, RequestQueue};
use prynai_process::backoff::Backoff;
use prynai_process::outage::Outage;
use tokio::runtime::{self, Handle};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::roles::runtime_watch;
use crate::roles::worker::Worker;

/// Entries that one call of the bus renews at most.
const BATCH: usize = 500;

/// A runtime that stands still for so many leases counts as dead: what it runs is left to other workers.
const DEAD_AFTER_LEASES: u32 = 10;

/// Renews the leases of everything that runs, three times per lease.
#[derive(Clone)]
pub(crate) struct LeaseKeeper(pub(crate) Arc<Worker>);

impl LeaseKeeper {
    /// Tells the bus how long this worker's leases last; before its first claim.
    pub(crate) async fn begin(&self) {
        self.until_done(self.0.requests.as_ref(), false).await;
    }

    /// Renews all leases now.
    pub(crate) async fn renew(&self) -> Result<(), BusError> {
        self.renew_on(self.0.requests.as_ref(), false).await
    }

    /// How long a lease lasts without being renewed.
    pub(crate) fn lease(&self) -> Duration {
        self.0.config.lease
    }

    /// Whether another worker may own by now what the bus handed out since `asked`: its reply lay there while the
    /// runtime stood still, and nobody renewed leases that nobody knew of. `waited`: how long the bus had for it.
    pub(crate) fn is_late(&self, asked: Instant, waited: Duration) -> bool {
        asked.elapsed() > waited + self.lease() / 3
    }

    /// Runs until it is dropped, on a thread of its own, and on connections of its own to `bus`.
    pub(crate) async fn run(self, bus: Arc<dyn Bus>) {
        let stop = CancellationToken::new();
        let _stop = stop.clone().drop_guard();
        let (done, ended) = oneshot::channel::<()>();
        let handlers = Handle::current();
        let keep = move || -> std::io::Result<()> {
            let _done = done;
            let mut runtime = runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build()?;
            runtime.block_on(stop.run_until_cancelled(self.keep(bus, handlers)));
            Ok(())
        };
        let thread = std::thread::Builder::new().name("leases".to_owned());
        match thread.spawn(keep) {
            Ok(_) => drop(ended.await),
            Err(error) => tracing::error!(
                %error,
                "cannot start the thread that renews leases, so the worker stops; look for limits on threads and memory"
            ),
        }
    }

    async fn keep(self, bus: Arc<dyn Bus>, handlers: Handle) {
        let stands_since = Cell::new(None);
        tokio::join!(
            runtime_watch::run(&handlers, &stands_since),
            self.keep_leases(bus, &stands_since)
        );
    }

    async fn keep_leases(&self, bus: Arc<dyn Bus>, stands_since: &Cell<Option<Instant>>) {
        let requests = connect_apart(bus).await;
        let mut is_dead = false;
        loop {
            tokio::time::sleep(self.lease() / 3).await;
            let stands = stands_since.get().map(|since| since.elapsed());
            let was_dead = is_dead;
            is_dead = stands.is_some_and(|stands| stands > self.lease() * DEAD_AFTER_LEASES);
            if !is_dead {
                self.until_done(requests.as_ref(), stands.is_some()).await;
            } else if !was_dead {
                tracing::error!(
                    "handlers have blocked the runtime for {DEAD_AFTER_LEASES} leases; \
                     other workers take over its calls"
                );
            }
        }
    }

    /// Tried again at once: after a third of the lease it may be too late.
    async fn until_done(&self, requests: &dyn RequestQueue, stands_still: bool) {
        let mut outage = Outage::endless();
        while let Err(error) = self.renew_on(requests, stands_still).await {
            if outage.begins() {
                tracing::warn!(
                    %error,
                    "the leases of running calls cannot be renewed; trying again. If other workers still reach the \
                     bus, they take the calls over when their leases end"
                );
            }
            outage.pause().await;
        }
        if outage.ends() {
            tracing::info!("leases are renewed again");
        }
    }

    /// While the runtime stands still, the table may not know yet what was handed out last; so all leases of this
    /// worker are renewed then.
    async fn renew_on(
        &self,
        requests: &dyn RequestQueue,
        stands_still: bool,
    ) -> Result<(), BusError> {
        let worker = &self.0.config.id;
        if stands_still {
            return requests.renew_all(worker, self.lease()).await;
        }
        let entries = self.0.running.entries();
        let (first, others) = entries.split_at(entries.len().min(BATCH));
        for entries in std::iter::once(first).chain(others.chunks(BATCH)) {
            requests.renew(worker, self.lease(), entries).await?;
        }
        Ok(())
    }
}

async fn connect_apart(bus: Arc<dyn Bus>) -> Arc<dyn RequestQueue> {
    let mut backoff = Backoff::endless();
    loop {
        match Arc::clone(&bus).apart().await {
            Ok(bus) => return bus,
            Err(error) => {
                tracing::debug!(%error, "cannot connect to renew leases; trying again");
            }
        }
        backoff.pause().await;
    }
}
