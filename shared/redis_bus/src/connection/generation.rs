//! Connections that end together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redis::RedisError;
use redis::aio::MultiplexedConnection;
use tokio_util::sync::CancellationToken;

use crate::server::demoted::LastWords;

/// Connections that end together, when one of them finds that it does not lead to the master.
#[derive(Clone)]
pub(crate) struct Generation(Arc<Ending>);

struct Ending {
    ended: CancellationToken,
    has_begun: AtomicBool,
    last_words: LastWords,
}

impl Generation {
    pub(crate) fn new(last_words: LastWords) -> Self {
        Self(Arc::new(Ending {
            ended: CancellationToken::new(),
            has_begun: AtomicBool::new(false),
            last_words,
        }))
    }

    /// Ends all its connections, once. `connection` is one of them, which failed with `error`: its server is not the
    /// master, or not any more.
    pub(crate) async fn end(&self, connection: &mut MultiplexedConnection, error: &RedisError) {
        if self.0.has_begun.swap(true, Ordering::AcqRel) {
            return;
        }
        self.0.last_words.hear(connection).await;
        tracing::warn!(%error, "this is not the Redis to write to, or not yet; connecting anew");
        self.0.ended.cancel();
    }

    /// Fires for a connection of it that is of no use any more, at the latest with all others.
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
