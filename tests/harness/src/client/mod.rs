//! A raw MCP client: it sends what it is told and shows every frame that comes back.

mod reply;

pub use reply::{Events, Frame, Reply};

use std::net::IpAddr;

use prynai_test_redis::PATIENCE;
use reqwest::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HeaderMap};
use reqwest::{ClientBuilder, RequestBuilder, StatusCode};
use serde_json::{Value, json};

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

/// A notification.
pub fn notification(method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "method": method, "params": params })
}

/// What a client answers to a question of the server.
pub fn answering(question: &Value, result: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": question, "result": result })
}

/// A `tools/call` in the form both eras share.
pub fn tool(name: &str, arguments: Value) -> Value {
    json!({ "name": name, "arguments": arguments })
}

/// A `tools/call` of the tool that takes its time, and reports its progress.
pub fn long_running(steps: u32, delay_ms: u64) -> Value {
    let mut call = tool(
        "long_running",
        json!({ "steps": steps, "delay_ms": delay_ms }),
    );
    call["_meta"]["progressToken"] = json!("p");
    call
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
        for name in [&params["name"], &params["uri"], &params["taskId"]] {
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

    /// Sends a legacy message whose answer is to be an event stream, so that its log stays and can be resumed.
    pub async fn legacy_stream(&self, url: &str, session: &Session, message: &Value) -> Reply {
        let request = self
            .request("POST", url)
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "text/event-stream, application/json")
            .header("Mcp-Session-Id", &session.id)
            .body(message.to_string());
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

fn text(value: &Value) -> String {
    value.as_str().expect("is a string").to_owned()
}
