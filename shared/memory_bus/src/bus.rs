//! [`MemoryBus`]: what it holds, each under a lock of its own.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use prynai_bus::ids::{GatewayId, OperationId, SessionId};
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::principal::Share;
use prynai_bus::{Bus, BusError, BusLimits, DownstreamToken, StateScope};
use prynai_process::clock::unix_millis;
use tokio::sync::Notify;
use tokio::time::Instant;

use crate::stored::account::Account;
use crate::stored::audit::Audit;
use crate::stored::expiry::ExpiringMap;
use crate::stored::feed::Feed;
use crate::stored::gateway::GatewayLife;
use crate::stored::partition::{DeadLetter, Partition};
use crate::stored::record::Record;
use crate::stored::session::StoredSession;

/// The bus of a single process. It keeps what the contracts of [`prynai_bus`] ask for, and forgets
/// everything when it is dropped.
pub struct MemoryBus {
    pub(crate) limits: BusLimits,
    /// When the bus began, by its own clock and by that of the wall, Unix milliseconds.
    pub(crate) started: Instant,
    pub(crate) started_ms: u64,
    /// Locked after sessions.
    pub(crate) partition: Mutex<Partition>,
    /// Fires when an entry begins to wait. A claim that leaves entries behind fires it again, so
    /// that no other claim sleeps beside them.
    pub(crate) work: Notify,
    /// Locked before those that ended.
    pub(crate) sessions: Mutex<ExpiringMap<SessionId, StoredSession>>,
    /// Those whose calls may still run.
    pub(crate) ended_sessions: Mutex<ExpiringMap<SessionId, StoredSession>>,
    /// For a day after their last beat; the holders of replayed requests for as long as they live.
    pub(crate) gateways: Mutex<ExpiringMap<GatewayId, GatewayLife>>,
    pub(crate) feed: Mutex<Feed>,
    pub(crate) catalog: Mutex<Option<CatalogRecord>>,
    /// Of all scopes but those of sessions.
    pub(crate) state: Mutex<ExpiringMap<(StateScope, String), String>>,
    /// What the operations on state answered that must not be done twice. Locked before state and sessions.
    pub(crate) answered: Mutex<ExpiringMap<OperationId, i64>>,
    /// By the record's name.
    pub(crate) outcomes: Mutex<ExpiringMap<String, Record>>,
    /// Locked after all others.
    pub(crate) audit: Mutex<Audit>,
    /// When each bucket that is not full is full again, in microseconds since the bus began.
    pub(crate) buckets: Mutex<ExpiringMap<String, u64>>,
    /// What is written once, by its name.
    pub(crate) written_once: Mutex<ExpiringMap<String, String>>,
    /// By principal and scope.
    pub(crate) downstream_tokens: Mutex<ExpiringMap<(String, String), DownstreamToken>>,
    /// What is kept for each caller.
    pub(crate) accounts: Mutex<HashMap<Share, Account>>,
}

impl MemoryBus {
    /// An empty bus.
    pub fn new(limits: BusLimits) -> Arc<Self> {
        Arc::new(Self {
            feed: Mutex::new(Feed::new(limits.feed)),
            audit: Mutex::new(Audit::new(limits.audit)),
            limits,
            started: Instant::now(),
            started_ms: unix_millis(),
            partition: Mutex::default(),
            work: Notify::new(),
            sessions: Mutex::default(),
            ended_sessions: Mutex::default(),
            answered: Mutex::default(),
            gateways: Mutex::default(),
            catalog: Mutex::default(),
            state: Mutex::default(),
            outcomes: Mutex::default(),
            buckets: Mutex::default(),
            written_once: Mutex::default(),
            downstream_tokens: Mutex::default(),
            accounts: Mutex::default(),
        })
    }

    /// The time, Unix milliseconds: it never goes back, whatever the clock of the wall does.
    pub(crate) fn unix_ms(&self) -> u64 {
        let passed = u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX);
        self.started_ms.saturating_add(passed)
    }

    /// How many requests wait, and how many run.
    pub fn queue_depth(&self) -> (usize, usize) {
        let partition = lock(&self.partition);
        (partition.waiting.len(), partition.running.len())
    }

    /// The newest entries that could not be served, oldest first.
    pub fn dead_letters(&self) -> Vec<DeadLetter> {
        lock(&self.partition).dead_letters()
    }
}

#[async_trait]
impl Bus for MemoryBus {
    async fn health(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn apart(self: Arc<Self>) -> Result<Arc<dyn Bus>, BusError> {
        Ok(self)
    }
}

/// A panic under the lock stays with the caller that panicked: every change is made of single
/// steps, each of which leaves the data whole.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
