//! A load balancer that sends every request to the next gateway, so that no request may rely on where the last one
//! went.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A running proxy; it stops when this is dropped.
pub struct RoundRobin {
    address: SocketAddr,
    resumes: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

type Body = UnsyncBoxBody<Bytes, hyper::Error>;

impl RoundRobin {
    /// Serves on a free port.
    pub async fn start(backends: Vec<SocketAddr>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("is bound");
        let resumes = Arc::default();
        let accepting = accept(listener, Arc::new(backends), Arc::clone(&resumes));
        Self {
            address,
            resumes,
            accepting: tokio::spawn(accepting),
        }
    }

    /// How often a client has tried to resume the stream of a call.
    pub fn resumes(&self) -> usize {
        self.resumes.load(Ordering::Relaxed)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for RoundRobin {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, backends: Arc<Vec<SocketAddr>>, resumes: Arc<AtomicUsize>) {
    let next = Arc::new(AtomicUsize::new(0));
    while let Ok((stream, _)) = listener.accept().await {
        let (backends, next, resumes) = (backends.clone(), next.clone(), resumes.clone());
        tokio::spawn(async move {
            let service = service_fn(|request: Request<Incoming>| {
                // Places in the feed are of another stream.
                let event = request.headers().get("last-event-id");
                if event.is_some_and(|event| !event.as_bytes().starts_with(b"feed-")) {
                    resumes.fetch_add(1, Ordering::Relaxed);
                }
                let turn = next.fetch_add(1, Ordering::Relaxed);
                let backend = backends[turn % backends.len()];
                async move { Ok::<_, Infallible>(forward(backend, request).await) }
            });
            // A client that goes away is no failure of the proxy.
            let _ = hyper::server::conn::http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn forward(backend: SocketAddr, request: Request<Incoming>) -> Response<Body> {
    match try_forward(backend, request).await {
        Ok(response) => response.map(BodyExt::boxed_unsync),
        Err(_) => {
            let body = Empty::new().map_err(|never: Infallible| match never {});
            let mut response = Response::new(body.boxed_unsync());
            *response.status_mut() = StatusCode::BAD_GATEWAY;
            response
        }
    }
}

/// One connection for one request: dropping the answer closes it, so that the gateway sees at once
/// that the client went away.
async fn try_forward(
    backend: SocketAddr,
    request: Request<Incoming>,
) -> Result<Response<Incoming>, Box<dyn std::error::Error + Send + Sync>> {
    let stream = TcpStream::connect(backend).await?;
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    Ok(sender.send_request(request).await?)
}
