//! Connections that end together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use crate::server::demoted_master::DemotedMaster;

/// Connections that end together as soon as one of them notices that its server is not the master.
#[derive(Clone)]
pub(crate) struct Generation(Arc<Ending>);

struct Ending {
    ended: CancellationToken,
    has_begun: AtomicBool,
    demoted_master: DemotedMaster,
}

impl Generation {
    pub(crate) fn new(demoted_master: DemotedMaster) -> Self {
        Self(Arc::new(Ending {
            ended: CancellationToken::new(),
            has_begun: AtomicBool::new(false),
            demoted_master,
        }))
    }

    /// Ends all its connections, once. `connection` is one of them, and failed with `error`: its server is not the
    /// master, or no longer.
    pub(crate) async fn end(&self, connection: &mut MultiplexedConnection, error: &RedisError) {
        if self.0.has_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        self.0.demoted_master.ask(connection).await;
        tracing::warn!(%error, "this Redis is not the master, or not ready yet; looking for the master again");
        self.0.ended.cancel();
    }

    /// Fires when a connection of it can no longer be used, at the latest when all end.
    pub(crate) fn lost(&self) -> CancellationToken {
        self.0.ended.child_token()
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.0.ended.is_cancelled()
    }

    pub(crate) async fn ended(&self) {
        self.0.ended.cancelled().await;
    }
}
