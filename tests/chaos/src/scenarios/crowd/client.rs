//! One client of a crowd, and the connections that many of them share.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::client::conn::http2::{self, SendRequest};
use hyper::{Request, Response};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prynai_test_harness::client::{BOTH, LEGACY, legacy};
use serde_json::{Value, json};
use tokio::net::TcpStream;

use crate::clients::http::{Frames, whole};

/// How long a client waits to be served.
const PATIENCE: Duration = Duration::from_secs(120);

/// A client's stream of changes, as it is open.
pub struct Open {
    pub(super) session: String,
    frames: Frames,
    /// The newest event id that the client was sent.
    pub(super) place: Option<String>,
    /// Keeps the connection open.
    _connection: Connection,
}

/// Why a client was not served, as it was told.
pub(super) type Refusal = String;

pub(super) type Connection = SendRequest<Full<Bytes>>;

pub(super) async fn connect(address: SocketAddr) -> Option<Connection> {
    let connected = async {
        let stream = TcpStream::connect(address).await.ok()?;
        stream.set_nodelay(true).ok()?;
        let handshake = http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
        let (sender, connection) = handshake.await.ok()?;
        tokio::spawn(connection);
        Some(sender)
    };
    tokio::time::timeout(PATIENCE, connected).await.ok()?
}

pub(super) async fn initialize(
    connection: &Connection,
    address: SocketAddr,
) -> Result<String, Refusal> {
    let params = json!({
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": { "name": "one of many", "version": "1" },
    });
    let body = legacy(0, "initialize", params).to_string();
    let request = Request::post(endpoint(address))
        .header("content-type", "application/json")
        .header("accept", BOTH)
        .body(Full::from(body));
    let response = send(connection, request.expect("is a request")).await?;
    let session = response.headers().get("mcp-session-id");
    let session = session.and_then(|id| id.to_str().ok()).map(str::to_owned);
    whole(response).await.ok_or_else(broken)?;
    session.ok_or_else(broken)
}

pub(super) async fn listen(
    connection: &Connection,
    address: SocketAddr,
    session: String,
    place: Option<String>,
) -> Result<Open, Refusal> {
    let mut request = Request::get(endpoint(address))
        .header("accept", "text/event-stream")
        .header("mcp-protocol-version", LEGACY)
        .header("mcp-session-id", &session);
    if let Some(place) = &place {
        request = request.header("last-event-id", place);
    }
    let request = request.body(Full::default()).expect("is a request");
    let mut open = Open {
        session,
        frames: Frames::of(send(connection, request).await?),
        place,
        _connection: connection.clone(),
    };
    let first = tokio::time::timeout(PATIENCE, open.frames.next()).await;
    let first = first.ok().flatten().ok_or_else(broken)?;
    open.place = first.id.or(open.place);
    Ok(open)
}

fn endpoint(address: SocketAddr) -> String {
    format!("http://{address}/mcp")
}

async fn send(
    connection: &Connection,
    request: Request<Full<Bytes>>,
) -> Result<Response<Incoming>, Refusal> {
    let mut connection = connection.clone();
    let answered = async {
        connection.ready().await.ok()?;
        connection.send_request(request).await.ok()
    };
    let answered = tokio::time::timeout(PATIENCE, answered).await;
    let response = answered.ok().flatten().ok_or_else(broken)?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let body = whole(response).await.unwrap_or_default();
    let body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let reason = body["error"]["data"]["reason"].as_str();
    Err(format!(
        "{} {}",
        status.as_u16(),
        reason.unwrap_or("without a reason")
    ))
}

pub(super) fn broken() -> Refusal {
    "no answer".to_owned()
}

impl Open {
    /// The next message of the stream, but for comments; `None` when it has ended.
    pub async fn message(&mut self) -> Option<Value> {
        loop {
            let frame = self.frames.next().await?;
            self.place = frame.id.or(self.place.take());
            if let Some(data) = frame.data.filter(|data| !data.is_empty()) {
                return serde_json::from_str(&data).ok();
            }
        }
    }
}
