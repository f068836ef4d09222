//! Connections for one caller at a time.

use std::sync::{Arc, Mutex, PoisonError};

use bb8_redis::bb8::{self, Pool, RunError};
use redis::FromRedisValue;
use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::{CancellationToken, DropGuard};

use super::budget::{DEADLINE, LARGE, allowance};
use super::command::Command;
use super::connector::Connector;
use crate::fault::Fault;

/// Large commands of one process that are under way at the same time: they share one way.
const LARGE_AT_ONCE: usize = 4;

/// Connections the pool holds at most.
const POOL_SIZE: u32 = 16;

/// Connections for one caller at a time.
pub(crate) struct PooledConnections {
    pool: Arc<Mutex<Pool<Connector>>>,
    large: Semaphore,
    _keeper: DropGuard,
}

impl PooledConnections {
    pub(crate) fn new(connector: Connector) -> Self {
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

    /// Sends a command on a connection of its own and waits for its answer; a large one waits for its turn first.
    pub(crate) async fn run<T: FromRedisValue>(&self, command: &Command<T>) -> Result<T, Fault> {
        let bytes = command.bytes();
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
        // A command that is given up half-way leaves a connection that nobody else can use.
        let abandoned = link.lost.clone().drop_guard();
        let answer = link.run(command, deadline).await;
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
