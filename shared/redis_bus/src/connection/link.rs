//! One connection, and what is known of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::FromRedisValue;
use redis::aio::MultiplexedConnection;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;
use tokio_util::task::AbortOnDropHandle;

use crate::connection::command::Command;
use crate::connection::driver::Driver;
use crate::connection::generation::Generation;
use crate::fault::{Fault, ends_connection, is_wrong_peer};
use crate::metrics::metrics;
use crate::server::peer::Peer;

/// One connection. RESP3, so that the library reports its end at once.
#[derive(Clone)]
pub(crate) struct Link {
    pub(crate) connection: MultiplexedConnection,
    pub(crate) _driver: Driver,
    /// What keeps it signed in with a token, if it is.
    pub(crate) _signed_in: Option<Arc<AbortOnDropHandle<()>>>,
    /// Fires when the connection can no longer be used.
    pub(crate) lost: CancellationToken,
    /// All connections that were made since one last led to the wrong server.
    pub(crate) generation: Generation,
    /// The server at its other end.
    pub(crate) peer: Peer,
    /// How many answers came on it.
    pub(crate) answers: Arc<AtomicU64>,
}

impl Link {
    /// Sends a command and waits for its answer, until `deadline` at most.
    pub(crate) async fn run<T: FromRedisValue>(
        &mut self,
        command: &Command<T>,
        deadline: Instant,
    ) -> Result<T, Fault> {
        let answers = self.answers.load(Ordering::Relaxed);
        let sent = Instant::now();
        match timeout_at(deadline, command.run(&mut self.connection)).await {
            Ok(Ok(answer)) => {
                metrics().round_trip.observe(sent.elapsed().as_secs_f64());
                self.answers.fetch_add(1, Ordering::Relaxed);
                Ok(answer)
            }
            Ok(Err(error)) => {
                if ends_connection(&error) {
                    metrics().cut_off.inc();
                    self.lost.cancel();
                } else {
                    metrics().refused.inc();
                    self.answers.fetch_add(1, Ordering::Relaxed);
                }
                if is_wrong_peer(&error) {
                    self.generation.end(&mut self.connection, &error).await;
                }
                Err(error.into())
            }
            Err(_) => {
                metrics().unanswered.inc();
                // Redis may only be slow, and is if others have their answers. But a connection whose other end
                // vanished looks the same as one on which nobody hears anything.
                if self.answers.load(Ordering::Relaxed) == answers {
                    self.lost.cancel();
                }
                Err(Fault::away("no answer in time"))
            }
        }
    }
}
