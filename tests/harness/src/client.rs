//! A raw MCP client: it sends what it is told and shows every frame that comes back.

use std::net::IpAddr;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::BoxStream;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::tls::TlsInfo;
use reqwest::{ClientBuilder, RequestBuilder, Response, StatusCode, Version};
use serde_json::{Value, json};

use prynai_test_redis::PATIENCE;

/// What both eras accept.
pub const BOTH: &str = "application/json, text/event-stream";

/// The newest legacy revision.
pub const LEGACY: &str = "2025-11-25";

/// The modern revision.
pub const MODERN: &str = "2026-07-28";

/// Sends messages; every request on a connection of its own, so that closing a stream closes it.
#[derive(Clone)]
pub struct RawClient {
    http: reqwest::Client,
}

/// A legacy session as a client knows it.
#[derive(Debug, Clone)]
pub struct Session {
    /// `Mcp-Session-Id`.
    pub id: String,
    /// The result of `initialize`.
    pub server: Value,
}

/// An HTTP answer whose body is still to be read.
pub struct Reply {
    response: Response,
}

/// A body read as server-sent events.
pub struct Events {
    chunks: BoxStream<'static, reqwest::Result<bytes::Bytes>>,
    buffer: String,
    /// How much of it was looked through for the end of a frame.
    searched: usize,
}

/// One server-sent event, or a comment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Frame {
    /// `id:`.
    pub id: Option<String>,
    /// `retry:` in milliseconds.
    pub retry: Option<u64>,
    /// `data:` lines, joined.
    pub data: Option<String>,
    /// Whether it has a comment line.
    pub comment: bool,
}

/// A message in the modern era: the request's `_meta` is filled in.
pub fn modern(id: impl Into<Value>, method: &str, params: Value) -> Value {
    modern_with(id, method, params, json!({}))
}

/// A message in the modern era of a client with these capabilities.
pub fn modern_with(id: impl Into<Value>, method: &str, mut params: Value, can: Value) -> Value {
    let meta = &mut params["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = json!(MODERN);
    meta["io.modelcontextprotocol/clientInfo"] = json!({ "name": "raw", "version": "1" });
    meta["io.modelcontextprotocol/clientCapabilities"] = can;
    legacy(id, method, params)
}

/// A request as it is.
pub fn legacy(id: impl Into<Value>, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// A `tools/call` in the form both eras share.
pub fn tool(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

impl RawClient {
    /// A client.
    #[expect(clippy::new_without_default, reason = "a test reads better with new")]
    pub fn new() -> Self {
        Self::at(None, HeaderMap::new())
    }

    /// A client that sends this access token with every request.
    pub fn bearing(token: &str) -> Self {
        let value = format!("Bearer {token}").parse().expect("is ASCII");
        Self::at(None, HeaderMap::from_iter([(AUTHORIZATION, value)]))
    }

    /// A client at an address of its own, such as 127.0.0.2.
    pub fn from(address: IpAddr) -> Self {
        Self::at(Some(address), HeaderMap::new())
    }

    fn at(address: Option<IpAddr>, headers: HeaderMap) -> Self {
        let client = reqwest::Client::builder();
        Self::of(client.local_address(address).default_headers(headers))
    }

    /// A client as it was begun elsewhere, such as one that trusts an authority.
    pub fn of(begun: ClientBuilder) -> Self {
        // Clients ask for it even when they speak plain HTTP; another test may have been faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = begun.pool_max_idle_per_host(0).no_proxy().build();
        Self {
            http: http.expect("a client"),
        }
    }

    /// A POST to be completed and sent with [`RawClient::send`].
    pub fn post(&self, url: &str, body: impl Into<reqwest::Body>) -> RequestBuilder {
        self.http
            .post(url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, BOTH)
            .body(body)
    }

    /// Any other request, to be completed and sent with [`RawClient::send`].
    pub fn request(&self, method: &str, url: &str) -> RequestBuilder {
        let method = method.parse().expect("is a method");
        self.http.request(method, url)
    }

    /// Sends a request.
    pub async fn send(&self, request: RequestBuilder) -> Reply {
        let sent = tokio::time::timeout(PATIENCE, request.send()).await;
        let response = sent.expect("is answered in time").expect("is answered");
        Reply { response }
    }

    /// Sends a modern message with the headers that mirror it.
    pub async fn modern(&self, url: &str, message: &Value) -> Reply {
        self.send(self.modern_request(url, message)).await
    }

    /// A modern message with the headers that mirror it, not sent yet.
    pub fn modern_request(&self, url: &str, message: &Value) -> RequestBuilder {
        let mut request = self
            .post(url, message.to_string())
            .header("MCP-Protocol-Version", MODERN)
            .header("Mcp-Method", text(&message["method"]));
        let params = &message["params"];
        for name in [&params["name"], &params["uri"]] {
            if let Some(name) = name.as_str() {
                request = request.header("Mcp-Name", name);
            }
        }
        request
    }

    /// Sends a legacy message in a session.
    pub async fn legacy(&self, url: &str, session: &Session, message: &Value) -> Reply {
        let request = self
            .post(url, message.to_string())
            .header(
                "MCP-Protocol-Version",
                text(&session.server["protocolVersion"]),
            )
            .header("Mcp-Session-Id", &session.id);
        self.send(request).await
    }

    /// Opens a session with all client capabilities.
    pub async fn open_session(&self, url: &str) -> Session {
        self.open_session_with(
            url,
            LEGACY,
            json!({ "sampling": {}, "elicitation": {}, "roots": {} }),
        )
        .await
    }

    /// Opens a session.
    pub async fn open_session_with(&self, url: &str, version: &str, can: Value) -> Session {
        let params = json!({
            "protocolVersion": version,
            "capabilities": can,
            "clientInfo": { "name": "raw", "version": "1" },
        });
        let message = legacy(0, "initialize", params);
        let reply = self.send(self.post(url, message.to_string())).await;
        assert_eq!(reply.status(), StatusCode::OK);
        let id = text(
            &reply.headers()["mcp-session-id"]
                .to_str()
                .expect("ASCII")
                .into(),
        );
        let server = reply.json().await["result"].clone();
        let session = Session { id, server };
        let initialized = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
        let accepted = self.legacy(url, &session, &initialized).await;
        assert_eq!(accepted.status(), StatusCode::ACCEPTED);
        session
    }

    /// Opens a GET stream of a session, resuming after `last_event_id` if there is one.
    pub async fn stream(&self, url: &str, session: &Session, last_event_id: Option<&str>) -> Reply {
        let mut request = self
            .request("GET", url)
            .header(ACCEPT, "text/event-stream")
            .header("Mcp-Session-Id", &session.id);
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        self.send(request).await
    }

    /// Ends a session.
    pub async fn end_session(&self, url: &str, session: &Session) -> StatusCode {
        let request = self
            .request("DELETE", url)
            .header("Mcp-Session-Id", &session.id);
        self.send(request).await.status()
    }

    /// Reads a JSON document.
    pub async fn get_json(&self, url: &str) -> Value {
        self.send(self.request("GET", url)).await.json().await
    }
}

impl Reply {
    /// The HTTP status.
    pub fn status(&self) -> StatusCode {
        self.response.status()
    }

    /// The HTTP headers.
    pub fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// The version of HTTP.
    pub fn version(&self) -> Version {
        self.response.version()
    }

    /// The server's certificate, to a client that was told to keep it.
    pub fn certificate(&self) -> &[u8] {
        let info = self.response.extensions().get::<TlsInfo>();
        let certificate = info.and_then(TlsInfo::peer_certificate);
        certificate.expect("came over TLS")
    }

    /// Whether the body is an event stream.
    pub fn is_event_stream(&self) -> bool {
        let media = self.headers().get(CONTENT_TYPE);
        media.is_some_and(|media| media.as_bytes().starts_with(b"text/event-stream"))
    }

    /// The body as text.
    pub async fn text(self) -> String {
        let read = tokio::time::timeout(PATIENCE, self.response.text()).await;
        read.expect("is read in time").expect("is readable")
    }

    /// The body as one JSON value.
    pub async fn json(self) -> Value {
        let text = self.text().await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text:?}"))
    }

    /// The body as server-sent events.
    pub fn events(self) -> Events {
        assert!(self.is_event_stream(), "{:?}", self.response);
        Events {
            chunks: self.response.bytes_stream().boxed(),
            buffer: String::new(),
            searched: 0,
        }
    }

    /// Every message of the answer as it was sent.
    pub async fn texts(self) -> Vec<String> {
        if !self.is_event_stream() {
            return vec![self.text().await];
        }
        let mut events = self.events();
        let mut texts = Vec::new();
        while let Some(frame) = events.frame().await {
            texts.extend(frame.data.filter(|data| !data.is_empty()));
        }
        texts
    }

    /// Every message of the answer, whether it is one JSON body or an event stream.
    pub async fn messages(self) -> Vec<Value> {
        if self.is_event_stream() {
            self.events().rest().await
        } else {
            vec![self.json().await]
        }
    }

    /// The last message of the answer: the response.
    pub async fn response(self) -> Value {
        let mut messages = self.messages().await;
        messages.pop().expect("has a response")
    }
}

impl Events {
    /// The next frame, comments included; `None` at the end of the stream.
    pub async fn frame(&mut self) -> Option<Frame> {
        self.frame_within(PATIENCE).await
    }

    /// The next frame, which must come within `limit`.
    pub async fn frame_within(&mut self, limit: Duration) -> Option<Frame> {
        loop {
            if let Some(at) = self.buffer[self.searched..].find("\n\n") {
                let end = self.searched + at;
                let parsed = Frame::parse(&self.buffer[..end]);
                self.buffer.drain(..end + 2);
                self.searched = 0;
                return Some(parsed);
            }
            // The first half of an end may be there already, and is no part of a longer character.
            self.searched = self.buffer.len() - usize::from(self.buffer.ends_with('\n'));
            let chunk = tokio::time::timeout(limit, self.chunks.next()).await;
            let chunk = chunk.expect("the stream goes on in time")?.ok()?;
            self.buffer
                .push_str(std::str::from_utf8(&chunk).expect("frames are whole UTF-8"));
        }
    }

    /// The next message with the id of its event; `None` at the end of the stream.
    pub async fn message(&mut self) -> Option<(Option<String>, Value)> {
        loop {
            let frame = self.frame().await?;
            if let Some(data) = frame.data.filter(|data| !data.is_empty()) {
                let value = serde_json::from_str(&data).expect("data is JSON");
                return Some((frame.id, value));
            }
        }
    }

    /// The next message of this method.
    pub async fn expect(&mut self, method: &str) -> Value {
        loop {
            let message = self.message().await;
            let (_, message) = message.unwrap_or_else(|| panic!("no {method} before the end"));
            if message["method"] == method {
                return message;
            }
        }
    }

    /// All messages until the end of the stream.
    pub async fn rest(mut self) -> Vec<Value> {
        let mut messages = Vec::new();
        while let Some((_, message)) = self.message().await {
            messages.push(message);
        }
        messages
    }
}

impl Frame {
    /// Reads the lines between two empty ones.
    pub fn parse(text: &str) -> Self {
        let mut frame = Self::default();
        for line in text.split('\n') {
            let (field, value) = line.split_once(':').unwrap_or((line, ""));
            let value = value.strip_prefix(' ').unwrap_or(value);
            match field {
                "" => frame.comment = true,
                "id" => frame.id = Some(value.to_owned()),
                "retry" => frame.retry = value.parse().ok(),
                "data" => {
                    let data = frame.data.get_or_insert_default();
                    if !data.is_empty() {
                        data.push('\n');
                    }
                    data.push_str(value);
                }
                other => panic!("an unknown field {other:?} in {text:?}"),
            }
        }
        frame
    }
}

fn text(value: &Value) -> String {
    value.as_str().expect("is a string").to_owned()
}
