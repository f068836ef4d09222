//! One connection: who is there, and how long it may keep us waiting.

use std::any::Any;
use std::convert::Infallible;
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, Request, StatusCode, Version, header};
use axum::response::Response;
use futures::future::BoxFuture;
use futures::{FutureExt, StreamExt, future, ready, stream};
use hyper::body::{Body as _, Incoming};
use hyper::server::conn::{http1, http2};
use hyper::service::Service;
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;
use tower_http::catch_panic::{DefaultResponseForPanic, ResponseForPanic};

use crate::listen::http_version::{self, Begun, HttpVersion};
use crate::listen::idle::{self, Activity, Answer, Open, Patience, Registered, UnderWay, Watched};
use crate::listen::stall::StallGuard;
use crate::listen::tls::Tls;
use crate::message::request_head::ClientAddress;

/// Time a client gets for the first request of a connection, and for headers that have begun.
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

/// What answers the requests of connections. Cheap to clone.
pub(crate) trait Respond: Clone + Send + Sync + 'static {
    /// Answers a request that came from `client`.
    fn respond(
        &self,
        request: Request<Incoming>,
        client: ClientAddress,
    ) -> BoxFuture<'static, Response>;
}

impl Respond for Router {
    fn respond(
        &self,
        request: Request<Incoming>,
        _: ClientAddress,
    ) -> BoxFuture<'static, Response> {
        let responding = TowerToHyperService::new(self.clone()).call(request);
        Box::pin(responding.map(|Ok(response)| response))
    }
}

/// Serves connections.
pub(crate) struct Connections<R> {
    servers: Arc<Servers>,
    responder: R,
    tls: Option<Tls>,
    stopping: CancellationToken,
    patience: Patience,
    open: Open,
    /// When connections get no further request.
    closing: CancellationToken,
    /// Counts those that are open.
    served: TaskTracker,
}

/// What serves connections of either version of HTTP.
struct Servers {
    http1: http1::Builder,
    http2: http2::Builder<TokioExecutor>,
}

/// Serves HTTP on one connection.
struct Http<R> {
    servers: Arc<Servers>,
    service: FromPeer<R>,
    place: Registered,
    closing: CancellationToken,
    served: TaskTrackerToken,
}

/// The service of one connection.
struct FromPeer<R> {
    peer: ClientAddress,
    activity: Arc<Activity>,
    responder: R,
}

/// An answer that is being made.
struct Answering {
    response: BoxFuture<'static, Response>,
    /// Until there is a response, which carries it on.
    under_way: Option<UnderWay>,
    multiplexed: bool,
}

// === impl Connections ===

impl<R: Respond> Connections<R> {
    /// Connections over TLS, if it is given, each of which may be `idle` for so long between two requests. After
    /// `stopping` no handshake is waited for.
    pub(crate) fn new(
        responder: R,
        tls: Option<Tls>,
        idle: Duration,
        stopping: CancellationToken,
    ) -> Self {
        let mut http1 = http1::Builder::new();
        http1
            .timer(TokioTimer::new())
            .header_read_timeout(None)
            .max_buf_size(HEAD_LIMIT);
        let mut http2 = http2::Builder::new(TokioExecutor::new());
        http2
            .timer(TokioTimer::new())
            .max_concurrent_streams(CONCURRENT_STREAMS)
            .max_header_list_size(HEAD_LIMIT as u32)
            .max_send_buf_size(HEAD_LIMIT)
            .max_pending_accept_reset_streams(RESET_STREAMS)
            .max_local_error_reset_streams(RESET_STREAMS)
            .keep_alive_interval(PING_INTERVAL)
            .keep_alive_timeout(PING_TIMEOUT);
        Self {
            servers: Arc::new(Servers { http1, http2 }),
            responder,
            tls,
            stopping,
            patience: Patience {
                head: HEADER_TIMEOUT,
                idle,
            },
            open: Open::default(),
            closing: CancellationToken::new(),
            served: TaskTracker::new(),
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
            tracing::debug!(%error, "cannot set TCP_NODELAY on a connection");
        }
        let place = self.open.register(self.patience);
        let http = Http {
            servers: self.servers.clone(),
            service: FromPeer {
                peer: ClientAddress(peer),
                activity: place.activity.clone(),
                responder: self.responder.clone(),
            },
            place,
            closing: self.closing.clone(),
            served: self.served.token(),
        };
        let Some(tls) = self.tls.clone() else {
            return http.run(StallGuard::new(stream, WRITE_TIMEOUT)).boxed();
        };
        let stopping = self.stopping.clone();
        async move {
            // Boxed each, so that a connection does not keep the room that its handshake took.
            let handshake = tls.accept(stream, WRITE_TIMEOUT, &stopping).boxed();
            if let Some(stream) = handshake.await {
                http.run(stream).boxed().await;
            }
        }
        .boxed()
    }

    /// Makes room: closes the connection that has been idle for the longest. `false` when none is idle.
    pub(crate) fn close_idlest(&self) -> bool {
        self.open.close_idlest()
    }

    /// Completes when every connection has ended; none gets a further request.
    pub(crate) async fn finish(self) {
        self.closing.cancel();
        self.served.close();
        self.served.wait().await;
    }
}

// === impl Http ===

impl<R: Respond> Http<R> {
    async fn run<S>(self, stream: S)
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
    {
        // Boxed each, so that a connection does not keep the room that its beginning took.
        let version = tokio::time::timeout(HEADER_TIMEOUT, http_version::read(stream)).boxed();
        let version = tokio::select! {
            // What has come is served.
            biased;
            version = version => version,
            () = self.closing.cancelled() => return,
        };
        match version {
            Ok(Ok((HttpVersion::Http1, stream))) => {
                let connection =
                    |http: &Servers, io, service| http.http1.serve_connection(io, service);
                self.serve(stream, connection).boxed().await;
            }
            Ok(Ok((HttpVersion::Http2, stream))) => {
                let connection =
                    |http: &Servers, io, service| http.http2.serve_connection(io, service);
                self.serve(stream, connection).boxed().await;
            }
            Ok(Err(error)) => tracing::debug!(%error, "a connection ended early"),
            Err(_) => tracing::debug!("closed a connection whose request did not arrive in time"),
        }
    }

    fn serve<S, C>(
        self,
        stream: Begun<S>,
        connection: impl FnOnce(&Servers, TokioIo<Watched<Begun<S>>>, FromPeer<R>) -> C,
    ) -> impl Future<Output = ()> + Send
    where
        S: AsyncRead + AsyncWrite + Send + Unpin + 'static,
        C: GracefulConnection<Error = hyper::Error> + Send,
    {
        let io = TokioIo::new(Watched {
            inner: stream,
            activity: self.place.activity.clone(),
        });
        let connection = connection(&self.servers, io, self.service);
        let (place, closing, served) = (self.place, self.closing, self.served);
        async move {
            if let Err(error) = idle::serve(connection, &place.activity, closing).await {
                tracing::debug!(%error, "a connection ended early");
            }
            drop((place, served));
        }
    }
}

// === impl FromPeer, Answering ===

impl<R: Respond> Service<Request<Incoming>> for FromPeer<R> {
    type Response = axum::http::Response<Answer>;
    type Error = Infallible;
    type Future = Answering;

    fn call(&self, mut request: Request<Incoming>) -> Answering {
        let multiplexed = request.version() == Version::HTTP_2;
        let under_way = self.activity.begin(multiplexed);
        mark_secrets(request.headers_mut());
        // hyper refuses what it must still read for; of HTTP/2 it refuses all.
        let response = if !multiplexed && head_size(&request) > HEAD_LIMIT {
            let mut refusal = Response::default();
            *refusal.status_mut() = StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE;
            future::ready(refusal).boxed()
        } else {
            let begun = AssertUnwindSafe(|| self.responder.respond(request, self.peer));
            catch_unwind(begun).unwrap_or_else(|panic| future::ready(failed(panic)).boxed())
        };
        Answering {
            response,
            under_way: Some(under_way),
            multiplexed,
        }
    }
}

impl Future for Answering {
    type Output = Result<axum::http::Response<Answer>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        // A bug in the answer to one request ends that request only.
        let polled = catch_unwind(AssertUnwindSafe(|| self.response.as_mut().poll(cx)));
        let response = match polled {
            Ok(polled) => ready!(polled),
            Err(panic) => failed(panic),
        };
        let response = if self.multiplexed {
            response.map(given_up_when_stalled)
        } else {
            response
        };
        let under_way = self.under_way.take();
        Poll::Ready(Ok(response.map(|body| Answer::new(body, under_way))))
    }
}

/// What the client gets when there is a bug; tells what is known of it.
fn failed(panic: Box<dyn Any + Send>) -> Response {
    DefaultResponseForPanic::default()
        .response_for_panic(panic)
        .map(Body::new)
}

/// Bytes of a request's head, without what stands between its parts.
fn head_size(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query();
    let target = target.map_or(0, |target| target.as_str().len());
    let headers = request.headers().iter();
    let headers = headers.map(|(name, value)| name.as_str().len() + value.len());
    target + headers.sum::<usize>()
}

/// Keeps credentials out of whatever prints headers.
fn mark_secrets(headers: &mut HeaderMap) {
    const SECRETS: [HeaderName; 3] = [
        header::AUTHORIZATION,
        header::PROXY_AUTHORIZATION,
        header::COOKIE,
    ];
    for (name, value) in headers {
        if SECRETS.contains(name) {
            value.set_sensitive(true);
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

#[cfg(test)]
mod tests;
