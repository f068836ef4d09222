//! The accept loop.
//!
//! Our own on hyper instead of `axum::serve`: an idle event stream costs half the memory, and header
//! timeouts can be set.

use std::io;
use std::time::Duration;

use axum::Router;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::GracefulShutdown;
use hyper_util::service::TowerToHyperService;
use prynai_shared::lifecycle::Shutdown;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::TaskTracker;

/// Time a client gets to send its request headers.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest request head (HTTP/1), in bytes.
const HEAD_LIMIT: usize = 64 * 1024;

/// Pause after accepting failed, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections until the soft stop, each a task of `tasks`; then lets those that are open
/// finish, until the hard stop.
pub(crate) async fn accept(
    listener: TcpListener,
    router: Router,
    shutdown: &Shutdown,
    tasks: &TaskTracker,
) {
    let mut server = auto::Builder::new(TokioExecutor::new());
    server
        .http1()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEAD_LIMIT);
    server.http2().timer(TokioTimer::new());
    let graceful = GracefulShutdown::new();
    loop {
        let stream = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => stream,
                Err(error) => {
                    pause_after(&error).await;
                    continue;
                }
            },
            () = shutdown.soft().cancelled() => break,
        };
        let connection =
            server.serve_connection(prepare(stream), TowerToHyperService::new(router.clone()));
        let connection = graceful.watch(connection.into_owned());
        let hard = shutdown.hard().clone();
        tasks.spawn(async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = hard.cancelled() => {}
            }
        });
    }
    drop(listener);
    tokio::select! {
        () = graceful.shutdown() => {}
        () = shutdown.hard().cancelled() => {}
    }
}

fn prepare(stream: TcpStream) -> TokioIo<TcpStream> {
    // Small frames must not wait for each other; a failure costs only that.
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "TCP_NODELAY cannot be set");
    }
    TokioIo::new(stream)
}

async fn pause_after(error: &io::Error) {
    let of_the_peer = matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionRefused
            | io::ErrorKind::ConnectionReset
    );
    if !of_the_peer {
        tracing::warn!(%error, "no connection can be accepted now");
        tokio::time::sleep(ACCEPT_PAUSE).await;
    }
}
