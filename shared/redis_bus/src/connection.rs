//! Connections to Redis: how each kind is used.
//!
//! | connection | for | reconnects |
//! |---|---|---|
//! | [`HotConnection`] | requests and sessions; shared by all tasks, commands are pipelined | in the background |
//! | [`PooledConnections`] | state and catalog, and all that is [`LARGE`]; one caller at a time | when one is needed |
//! | [`Link`] on its own | a blocking read, a subscription | by its user |

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bb8_redis::bb8::{self, Pool, RunError};
use prynai_process::backoff::Backoff;
use redis::FromRedisValue;
use tokio::sync::{Semaphore, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::budget::{DEADLINE, LARGE, allowance};
use super::connector::Connector;
use super::error::Fault;
use super::link::Link;
use super::queue_group::QueueGroup;
use super::scripts::Call;

/// Large calls of one process that are under way at the same time: they share one way.
const LARGE_AT_ONCE: usize = 4;

/// A connection that lasted so long is replaced at once when it is lost.
const STABLE_AFTER: Duration = Duration::from_secs(1);

/// Connections the pool holds at most.
const POOL_SIZE: u32 = 16;

/// The connection that all tasks share.
pub(super) struct HotConnection {
    state: watch::Receiver<State>,
    _keeper: DropGuard,
}

#[derive(Clone)]
enum State {
    Connecting,
    Up(Link),
    /// The last attempt failed; calls do not wait for the next.
    Down(String),
}

/// Connections for one caller at a time.
pub(super) struct PooledConnections {
    pool: Arc<Mutex<Pool<Connector>>>,
    large: Semaphore,
    _keeper: DropGuard,
}

// === impl HotConnection ===

impl HotConnection {
    /// Connects, and keeps connected until dropped.
    pub(super) async fn connect(connector: Connector) -> Result<Self, Fault> {
        let link = connector.link_to_queue().await?;
        let (sender, state) = watch::channel(State::Up(link.clone()));
        let stop = CancellationToken::new();
        let keeper = keep_connected(connector, link, sender);
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeper));
        Ok(Self {
            state,
            _keeper: stop.drop_guard(),
        })
    }

    /// Sends a call and waits for its answer.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &Call<T>) -> Result<T, Fault> {
        let deadline = Instant::now() + allowance(call.bytes());
        let mut link = self.link(deadline).await?;
        link.run(call, deadline).await
    }

    /// The connection; fails at once when the last attempt to connect failed.
    pub(super) async fn link(&self, deadline: Instant) -> Result<Link, Fault> {
        if let State::Up(link) = &*self.state.borrow()
            && !link.lost.is_cancelled()
        {
            return Ok(link.clone());
        }
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| match state {
            State::Up(link) => !link.lost.is_cancelled(),
            State::Down(_) => true,
            State::Connecting => false,
        });
        match timeout_at(deadline, settled).await {
            Ok(Ok(state)) => match &*state {
                State::Up(link) => Ok(link.clone()),
                State::Down(reason) => Err(Fault::away(reason)),
                State::Connecting => Err(Fault::away("connecting")),
            },
            Ok(Err(_)) => Err(Fault::away("the bus was closed")),
            Err(_) => Err(Fault::away("connecting")),
        }
    }

    /// Makes the consumer group again that was found to be gone.
    pub(super) async fn repair(&self, group: &QueueGroup) -> Result<(), Fault> {
        group.tell(&self.run(&group.make_again()).await?);
        Ok(())
    }

    /// Waits until there is a connection, until `deadline` at most: for callers that would otherwise
    /// ask again at once.
    pub(super) async fn wait_until_up(&self, deadline: Instant) -> Result<(), Fault> {
        let mut state = self.state.clone();
        let up = state.wait_for(|state| matches!(state, State::Up(l) if !l.lost.is_cancelled()));
        if let Ok(Ok(_)) = timeout_at(deadline, up).await {
            return Ok(());
        }
        self.link(Instant::now()).await.map(|_| ())
    }
}

/// Replaces the connection whenever it is lost.
async fn keep_connected(connector: Connector, mut link: Link, state: watch::Sender<State>) {
    let mut backoff = Backoff::endless();
    loop {
        let connected = Instant::now();
        link.lost.cancelled().await;
        drop(link);
        state.send_replace(State::Connecting);
        tracing::warn!("the connection to Redis is lost");
        // One that is cut as soon as it stands is an attempt that failed.
        if connected.elapsed() >= STABLE_AFTER {
            backoff = Backoff::endless();
        } else {
            backoff.pause().await;
        }
        link = loop {
            match connector.link_to_queue().await {
                Ok(link) => break link,
                Err(fault) => {
                    let reason = fault.to_string();
                    connector.tell(&fault);
                    state.send_replace(State::Down(reason));
                }
            }
            backoff.pause().await;
        };
        state.send_replace(State::Up(link.clone()));
        tracing::info!("connected to Redis again");
    }
}

// === impl PooledConnections ===

impl PooledConnections {
    pub(super) fn new(connector: Connector) -> Self {
        let pool = Arc::new(Mutex::new(pool_of(&connector)));
        let stop = CancellationToken::new();
        let keeper = renew_pool(connector, pool.clone());
        tokio::spawn(stop.clone().run_until_cancelled_owned(keeper));
        Self {
            pool,
            large: Semaphore::new(LARGE_AT_ONCE),
            _keeper: stop.drop_guard(),
        }
    }

    /// Sends a call on a connection of its own and waits for its answer; a large one waits for its turn first.
    pub(super) async fn run<T: FromRedisValue>(&self, call: &Call<T>) -> Result<T, Fault> {
        let bytes = call.bytes();
        let _turn = match bytes > LARGE {
            // The semaphore is never closed.
            true => self.large.acquire().await.ok(),
            false => None,
        };
        let pool = self
            .pool
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone();
        let deadline = Instant::now() + allowance(bytes);
        let mut link = timeout_at(deadline, check_out(&pool))
            .await
            .map_err(|_| Fault::away("no connection in time"))??;
        // Whoever is given up half-way leaves a connection that nobody else can use.
        let abandoned = link.lost.clone().drop_guard();
        let answer = link.run(call, deadline).await;
        if !matches!(answer, Err(Fault::Away(_))) {
            abandoned.disarm();
        }
        answer
    }
}

fn pool_of(connector: &Connector) -> Pool<Connector> {
    Pool::builder()
        .max_size(POOL_SIZE)
        // A test is a round trip; a link knows without one whether it was lost.
        .test_on_check_out(false)
        .connection_timeout(DEADLINE)
        .retry_connection(false)
        .build_unchecked(connector.clone())
}

/// Drops the connections that nobody uses when all are to end.
async fn renew_pool(connector: Connector, pool: Arc<Mutex<Pool<Connector>>>) {
    loop {
        connector.generation().ended().await;
        *pool.lock().unwrap_or_else(PoisonError::into_inner) = pool_of(&connector);
    }
}

async fn check_out(pool: &Pool<Connector>) -> Result<bb8::PooledConnection<'_, Connector>, Fault> {
    loop {
        let link = pool.get().await.map_err(|error| match error {
            RunError::User(fault) => fault,
            RunError::TimedOut => Fault::away("no connection in time"),
        })?;
        // Lost while it lay in the pool. To drop it is to remove it, so this ends.
        if !link.lost.is_cancelled() {
            return Ok(link);
        }
    }
}
