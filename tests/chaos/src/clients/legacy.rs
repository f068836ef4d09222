//! A client of 2025-11-25: it has a session, and resumes a stream that breaks at the next gateway.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Request, StatusCode};

use crate::clients::balancer::Balancer;
use crate::clients::http::{self, Frames, NoAnswer};
use crate::clients::modern::{message, refusal};
use crate::clients::observer::Observer;
use crate::clients::record::{Answer, Call};
use prynai_test_harness::client::{BOTH, LEGACY};

/// How long this client waits before it tries again what was refused.
const RETRY: Duration = Duration::from_millis(300);

const INITIALIZE: &str = r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"chaos","version":"1"}}"#;

/// A session, and the gateways that serve it.
pub struct Session<'a> {
    id: String,
    balancer: &'a Balancer,
}

impl<'a> Session<'a> {
    /// Opens one; tries every gateway for as long as it takes.
    pub async fn open(balancer: &'a Balancer, first: usize) -> Self {
        let mut turn = first;
        loop {
            if let Some(id) = initialize(balancer.at(turn)).await {
                return Self { id, balancer };
            }
            turn += 1;
            tokio::time::sleep(RETRY).await;
        }
    }

    /// Makes a call at one gateway and resumes it at the others; gives the answer in case the observer has not seen
    /// one, and how often it was resumed.
    pub async fn call(&self, first: usize, call: &Call, observer: &mut Observer) -> (Answer, u32) {
        let gateway = self.balancer.at(first);
        let body = message(call.number, "tools/call", &call.params(""));
        let response = match http::send(gateway, self.post(gateway, body)).await {
            Ok(response) => response,
            Err(NoAnswer::Unsent) => return (Answer::Unsent, 0),
            Err(NoAnswer::Broken) => return (Answer::Dropped, 0),
        };
        if let Some(refused) = refusal(&response) {
            return (refused, 0);
        }
        if response.status() == StatusCode::NOT_FOUND {
            return (Answer::SessionGone, 0);
        }
        if !http::is_event_stream(&response) {
            if let Some(body) = http::whole(response).await {
                observer.text(&String::from_utf8_lossy(&body));
            }
            return (Answer::Dropped, 0);
        }
        read(response, observer).await;
        self.resume(first + 1, observer).await
    }

    async fn resume(&self, mut at: usize, observer: &mut Observer) -> (Answer, u32) {
        let mut resumed = 0;
        while !observer.is_answered() {
            let Some(last) = observer.last_event() else {
                return (Answer::Dropped, resumed);
            };
            let gateway = self.balancer.at(at);
            at += 1;
            let response = match http::send(gateway, self.get(gateway, last)).await {
                Ok(response) if refusal(&response).is_none() => response,
                // The stream waits.
                Ok(_) | Err(_) => {
                    tokio::time::sleep(RETRY).await;
                    continue;
                }
            };
            resumed += 1;
            match response.status() {
                StatusCode::OK => read(response, observer).await,
                StatusCode::NOT_FOUND => return (Answer::SessionGone, resumed),
                StatusCode::METHOD_NOT_ALLOWED => return (Answer::NotResumable, resumed),
                status => return (Answer::Unexpected(format!("resumed: {status}")), resumed),
            }
        }
        (Answer::Dropped, resumed)
    }

    fn post(&self, gateway: SocketAddr, body: String) -> Request<Full<Bytes>> {
        post(gateway)
            .header("mcp-session-id", &self.id)
            .body(Full::from(body))
            .expect("is a request")
    }

    fn get(&self, gateway: SocketAddr, last_event: &str) -> Request<Full<Bytes>> {
        Request::get("/mcp")
            .header("host", gateway.to_string())
            .header("accept", "text/event-stream")
            .header("mcp-protocol-version", LEGACY)
            .header("mcp-session-id", &self.id)
            .header("last-event-id", last_event)
            .body(Full::default())
            .expect("is a request")
    }
}

async fn read(response: hyper::Response<hyper::body::Incoming>, observer: &mut Observer) {
    let mut frames = Frames::of(response);
    while let Some(frame) = frames.next().await {
        observer.frame(frame);
    }
}

fn post(gateway: SocketAddr) -> hyper::http::request::Builder {
    Request::post("/mcp")
        .header("host", gateway.to_string())
        .header("content-type", "application/json")
        .header("accept", BOTH)
        .header("mcp-protocol-version", LEGACY)
}

async fn initialize(gateway: SocketAddr) -> Option<String> {
    let body = message(0, "initialize", INITIALIZE);
    let request = post(gateway).body(Full::from(body)).expect("is a request");
    let response = http::send(gateway, request).await.ok()?;
    let id = response.headers().get("mcp-session-id")?;
    Some(id.to_str().ok()?.to_owned())
}
