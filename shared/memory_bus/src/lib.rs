//! The ports inside one process: the default of the standalone server.
//!
//! Nothing here is waited for while a lock is held, no task runs in the background, and nothing
//! outlives the bus. Read in this order:
//!
//! 1. `partition`: queue entries and stream logs (`log`), which change together and so share one lock
//! 2. one file per port
//! 3. `news`: bounded subscriptions
//! 4. `expiry`: maps whose entries have a lifetime
//!
//! Time is [`tokio::time::Instant`], so a test with a paused clock sees lifetimes end at once.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use prynai_bus::ids::{EntryId, GatewayId, OperationId, SessionId, StreamId};
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Share;
use prynai_bus::wire::session::Session;
use prynai_bus::{Bus, BusError, BusLimits, StateScope};
use prynai_process::clock::unix_millis;
use tokio::sync::Notify;
use tokio::time::Instant;

mod catalog;
mod change_feed;
mod event_log;
mod expiry;
mod kept;
mod liveness;
mod log;
mod news;
mod outcome_store;
mod partition;
mod request_queue;
mod session_store;
mod signal_channel;
mod state_store;
#[cfg(test)]
mod tests;

pub use partition::DeadLetter;

use change_feed::Feed;
use expiry::ExpiringMap;
use kept::Account;
use outcome_store::Record;
use partition::Partition;

/// The bus of a single process. It keeps what the contracts of [`prynai_bus`] ask for, and forgets
/// everything when it is dropped.
pub struct MemoryBus {
    limits: BusLimits,
    /// When the bus began, by its own clock and by that of the wall, Unix milliseconds.
    started: Instant,
    started_ms: u64,
    partition: Mutex<Partition>,
    /// Fires when an entry begins to wait. A claim that leaves entries behind fires it again, so
    /// that no other claim sleeps beside them.
    work: Notify,
    /// Locked before those that ended.
    sessions: Mutex<ExpiringMap<SessionId, StoredSession>>,
    /// Those whose calls may still run.
    ended_sessions: Mutex<ExpiringMap<SessionId, StoredSession>>,
    gateways: Mutex<ExpiringMap<GatewayId, ()>>,
    feed: Mutex<Feed>,
    catalog: Mutex<Option<CatalogRecord>>,
    /// Of all scopes but those of sessions.
    state: Mutex<ExpiringMap<(StateScope, String), String>>,
    /// What the operations on state answered that must not be done twice. Locked before state and sessions.
    answered: Mutex<ExpiringMap<OperationId, i64>>,
    /// By the record's name.
    outcomes: Mutex<ExpiringMap<String, Record>>,
    /// What is kept for each caller.
    accounts: Mutex<HashMap<Share, Account>>,
}

struct StoredSession {
    session: Session,
    subscriptions: BTreeSet<String>,
    /// When it was last counted to its share.
    counted: Instant,
    calls: HashMap<StreamId, StoredCall>,
    /// The tool author's, by key.
    state: ExpiringMap<String, String>,
}

#[derive(Clone)]
struct StoredCall {
    /// As text, so that `1` and `"1"` differ.
    request_id: RawJson,
    entry: Option<EntryId>,
    /// Before it was placed.
    cancelled: bool,
}

impl MemoryBus {
    /// An empty bus.
    pub fn new(limits: BusLimits) -> Arc<Self> {
        Arc::new(Self {
            feed: Mutex::new(Feed::new(limits.feed)),
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
            accounts: Mutex::default(),
        })
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
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
