//! One connection: who is there, and how long it may keep us waiting.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::header::{self, Entry};
use axum::http::{HeaderMap, Request, Response, Version};
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, stream};
use hyper::body::{Body as _, Incoming};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::conn::auto;
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::stall::StallGuard;
use crate::tls::Tls;

/// Time a client gets to send its request headers, the first ones included.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);

/// Largest request head, in bytes; also how much an HTTP/1 connection buffers of an answer before it
/// waits for the client, besides one frame.
const HEAD_LIMIT: usize = 64 * 1024;

/// Time a client may take nothing of what is there for it, before its connection is closed.
const WRITE_TIMEOUT: Duration = Duration::from_secs(30);

/// Requests at a time on one HTTP/2 connection.
const CONCURRENT_STREAMS: u32 = 128;

/// HTTP/2 requests that were reset before they were looked at, or by us for a fault of the client, after
/// which the connection is closed (CVE-2023-44487 and its kin).
const RESET_STREAMS: usize = 20;

/// How often an HTTP/2 client must show that it is there, and how long it may take to.
const PING_INTERVAL: Duration = Duration::from_secs(20);
const PING_TIMEOUT: Duration = Duration::from_secs(10);

/// The address a request came from.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Peer(pub(crate) IpAddr);

/// Serves connections.
pub(crate) struct Connections {
    server: Arc<auto::Builder<TokioExecutor>>,
    router: Router,
    tls: Option<Tls>,
    stopping: CancellationToken,
    graceful: GracefulShutdown,
}

/// Serves HTTP on one connection.
struct Http {
    server: Arc<auto::Builder<TokioExecutor>>,
    service: FromPeer,
    watcher: Watcher,
}

/// The service of one connection.
struct FromPeer {
    peer: Peer,
    begun: Arc<AtomicBool>,
    inner: TowerToHyperService<Router>,
}

// === impl Connections ===

impl Connections {
    /// Connections over TLS, if it is given; `stopping` is when none gets a further request.
    pub(crate) fn new(router: Router, tls: Option<Tls>, stopping: CancellationToken) -> Self {
        let mut server = auto::Builder::new(TokioExecutor::new());
        server
            .http1()
            .timer(TokioTimer::new())
            .header_read_timeout(HEADER_TIMEOUT)
            .max_buf_size(HEAD_LIMIT);
        server
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(CONCURRENT_STREAMS)
            .max_header_list_size(HEAD_LIMIT as u32)
            .max_send_buf_size(HEAD_LIMIT)
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(RESET_STREAMS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            server: Arc::new(server),
            router,
            tls,
            stopping,
            graceful: GracefulShutdown::new(),
        }
    }

    /// Whether clients understand what is written without a handshake.
    pub(crate) fn are_plain(&self) -> bool {
        self.tls.is_none()
    }

    /// Serves a connection to its end.
    pub(crate) fn serve(&self, stream: TcpStream, peer: IpAddr) -> BoxFuture<'static, ()> {
        // Small frames must not wait for each other; a failure costs only that.
        if let Err(error) = stream.set_nodelay(true) {
            tracing::debug!(%error, "TCP_NODELAY cannot be set");
        }
        let http = Http {
            server: self.server.clone(),
            service: FromPeer {
                peer: Peer(peer),
                begun: Arc::default(),
                inner: TowerToHyperService::new(self.router.clone()),
            },
            watcher: self.graceful.watcher(),
        };
        let Some(tls) = self.tls.clone() else {
            return http.serve(StallGuard::new(stream, WRITE_TIMEOUT)).boxed();
        };
        let stopping = self.stopping.clone();
        async move {
            // Boxed each, so that a connection does not keep the room that its handshake took.
            let handshake = tls.accept(stream, WRITE_TIMEOUT, &stopping).boxed();
            if let Some(stream) = handshake.await {
                http.serve(stream).boxed().await;
            }
        }
        .boxed()
    }

    /// Completes when every connection has ended; none gets a further request.
    pub(crate) async fn finish(self) {
        self.graceful.shutdown().await;
    }
}

// === impl Http ===

impl Http {
    fn serve<S>(self, stream: S) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        let begun = self.service.begun.clone();
        let io = TokioIo::new(stream);
        let connection = self.server.serve_connection(io, self.service).into_owned();
        let connection = self.watcher.watch(connection);
        async move {
            tokio::select! {
                ended = connection => {
                    if let Err(error) = ended {
                        tracing::debug!(%error, "a connection ended early");
                    }
                }
                () = silence(&begun) => tracing::debug!("a connection without a request was closed"),
            }
        }
    }
}

/// Completes when no request has begun in time. Until hyper knows which HTTP it is, and on HTTP/2, its own
/// timeout does not run.
async fn silence(begun: &AtomicBool) {
    tokio::time::sleep(HEADER_TIMEOUT).await;
    if begun.load(Ordering::Relaxed) {
        std::future::pending().await
    }
}

// === impl FromPeer ===

impl Service<Request<Incoming>> for FromPeer {
    type Response = Response<Body>;
    type Error = std::convert::Infallible;
    type Future = BoxFuture<'static, Result<Self::Response, Self::Error>>;

    fn call(&self, mut request: Request<Incoming>) -> Self::Future {
        self.begun.store(true, Ordering::Relaxed);
        request.extensions_mut().insert(self.peer);
        mark_secrets(request.headers_mut());
        let multiplexed = request.version() == Version::HTTP_2;
        let answered = self.inner.call(request);
        Box::pin(async move {
            let response = answered.await?;
            Ok(if multiplexed {
                response.map(given_up_when_stalled)
            } else {
                response
            })
        })
    }
}

/// Keeps credentials out of whatever prints headers.
fn mark_secrets(headers: &mut HeaderMap) {
    for name in [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
    ] {
        if let Entry::Occupied(mut values) = headers.entry(name) {
            values
                .iter_mut()
                .for_each(|value| value.set_sensitive(true));
        }
    }
}

/// A body that ends when the client takes nothing for too long. On HTTP/2 one stream of many may stall
/// while the connection itself goes on.
fn given_up_when_stalled(body: Body) -> Body {
    if body.size_hint().exact().is_some() {
        return body;
    }
    let (sender, mut receiver) = mpsc::channel(1);
    tokio::spawn(async move {
        let mut chunks = body.into_data_stream();
        loop {
            let chunk = tokio::select! {
                chunk = chunks.next() => chunk,
                () = sender.closed() => None,
            };
            let Some(chunk) = chunk else { break };
            if sender.send_timeout(chunk, WRITE_TIMEOUT).await.is_err() {
                break;
            }
        }
    });
    Body::from_stream(stream::poll_fn(move |cx| receiver.poll_recv(cx)))
}
