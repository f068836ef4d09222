//! The accept loop.
//!
//! Our own on hyper instead of `axum::serve`: an idle event stream costs half the memory, and timeouts
//! can be set.

use std::borrow::Borrow;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use prynai_process::lifecycle::Shutdown;
use prynai_process::outage::Alarm;
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use crate::listen::connection::{Connections, Respond};
use crate::metrics::metrics;

/// How long a new connection waits for the place of one that is closed for it.
const MAKING_ROOM: Duration = Duration::from_secs(1);

/// Pause after accepting failed, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Connections that the kernel keeps until the accept loop comes round to them: as many as a crowd brings at once.
/// Linux has a bound of its own (`net.core.somaxconn`, 4096 as a rule), and resets what is beyond.
const BACKLOG: u32 = 4096;

/// All that a client of one connection too many is told. Waiting instead would tell it, and the
/// balancer's probe, nothing at all.
const TOO_MANY: &[u8] =
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// Places for connections.
struct Places {
    free: Arc<Semaphore>,
    most: NonZeroUsize,
    /// There are too few: told each time that they run out.
    scarce: Alarm,
}

/// Listens on an address, with room for a crowd.
///
/// # Errors
///
/// When the address cannot be bound, in words for the operator.
pub fn listen(address: SocketAddr) -> io::Result<TcpListener> {
    bind(address).map_err(|error| {
        let reason =
            format!("cannot listen on {address}: {error}. Choose another address with --listen");
        io::Error::new(error.kind(), reason)
    })
}

fn bind(address: SocketAddr) -> io::Result<TcpListener> {
    let socket = match address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // On Windows it would let two processes share the port.
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(address)?;
    socket.listen(BACKLOG)
}

/// Accepts connections, `most` at a time, until the soft stop, each a task of `tasks`; then lets those
/// that are open finish, until the hard stop.
pub(crate) async fn accept<R: Respond>(
    listener: impl Borrow<TcpListener>,
    connections: Connections<R>,
    most: NonZeroUsize,
    shutdown: &Shutdown,
    tasks: &TaskTracker,
) {
    let places = Places::new(most);
    let failing = Alarm::default();
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.borrow().accept() => match accepted {
                Ok(accepted) => {
                    failing.clear();
                    accepted
                }
                Err(error) => {
                    pause_after(&error, &failing).await;
                    continue;
                }
            },
            () = shutdown.soft().cancelled() => break,
        };
        let place = places.take();
        if place.is_none() && !connections.close_idlest() {
            metrics().connections_refused.inc();
            places.tell_refusal();
            turn_away(stream, connections.are_plain());
            continue;
        }
        let free = places.free.clone();
        let served = connections.serve(stream, peer.ip());
        let hard = shutdown.hard().clone();
        tasks.spawn(async move {
            let served = async {
                let _place = match place {
                    Some(place) => place,
                    // The semaphore is never closed.
                    None => match timeout(MAKING_ROOM, free.acquire_owned()).await {
                        Ok(Ok(place)) => place,
                        _ => return,
                    },
                };
                served.await;
            };
            tokio::select! {
                () = served => {}
                () = hard.cancelled() => {}
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = connections.finish() => {}
        () = shutdown.hard().cancelled() => {}
    }
}

impl Places {
    fn new(most: NonZeroUsize) -> Self {
        let permits = most.get().min(Semaphore::MAX_PERMITS);
        Self {
            free: Arc::new(Semaphore::new(permits)),
            most,
            scarce: Alarm::default(),
        }
    }

    fn take(&self) -> Option<OwnedSemaphorePermit> {
        let place = self.free.clone().try_acquire_owned().ok();
        // Not with every connection that comes and goes at the limit.
        if self.free.available_permits() > self.most.get() / 10 {
            self.scarce.clear();
        }
        place
    }

    fn tell_refusal(&self) {
        if self.scarce.raise() {
            tracing::warn!(
                limit = self.most,
                "too many connections, and none of them is idle: closing new ones; raise --max-connections or add gateways"
            );
        }
    }
}

fn turn_away(stream: TcpStream, plain: bool) {
    // A handshake only to say so would cost more than to serve it.
    if plain {
        // An error means that the client is gone.
        let _ = stream.try_write(TOO_MANY);
    }
}

async fn pause_after(error: &io::Error, failing: &Alarm) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    );
    if !of_the_peer {
        if failing.raise() {
            tracing::warn!(%error, "cannot accept connections; trying again (as a rule the limit of open files is reached)");
        }
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
