//! Plain HTTP/1, one connection per request: cheap enough for thousands of clients in one process, and dropping an
//! answer closes its connection.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::{Buf, Bytes, BytesMut};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use prynai_test_harness::client::Frame;

/// How long a client of a chaos run waits for a connection to come about.
const CONNECT: Duration = Duration::from_secs(5);

/// Why there is no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoAnswer {
    /// There was no connection: nobody can have seen the request.
    Unsent,
    /// The connection broke after that.
    Broken,
}

/// A body read as server-sent events.
pub struct Frames {
    body: Incoming,
    read: BytesMut,
}

/// Sends a request and gives its answer as soon as its head is there.
///
/// # Errors
///
/// When there is none.
pub async fn send(
    address: SocketAddr,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, NoAnswer> {
    let connect = tokio::time::timeout(CONNECT, TcpStream::connect(address)).await;
    let stream = connect
        .map_err(|_| NoAnswer::Unsent)?
        .map_err(|_| NoAnswer::Unsent)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
        .await
        .map_err(|_| NoAnswer::Unsent)?;
    tokio::spawn(connection);
    let answered = sender.send_request(request).await;
    answered.map_err(|_| NoAnswer::Broken)
}

/// The whole body; `None` when it breaks off.
pub async fn whole(response: Response<Incoming>) -> Option<Bytes> {
    let body = response.into_body().collect().await.ok()?;
    Some(body.to_bytes())
}

/// Whether the body is an event stream.
pub fn is_event_stream(response: &Response<Incoming>) -> bool {
    let media = response.headers().get("content-type");
    media.is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"))
}

// === impl Frames ===

impl Frames {
    /// The events of a body.
    pub fn of(response: Response<Incoming>) -> Self {
        Self {
            body: response.into_body(),
            read: BytesMut::new(),
        }
    }

    /// The next whole frame; `None` when the stream ended or broke off, which to a client is the same.
    pub async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(end) = self.read.windows(2).position(|two| two == b"\n\n") {
                let frame = self.read.split_to(end);
                self.read.advance(2);
                let text = std::str::from_utf8(&frame).expect("frames are UTF-8");
                return Some(Frame::parse(text));
            }
            let part = self.body.frame().await?.ok()?;
            if let Some(data) = part.data_ref() {
                self.read.extend_from_slice(data);
            }
        }
    }
}
