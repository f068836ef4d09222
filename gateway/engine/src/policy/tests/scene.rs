//! The endpoint on a memory bus, with callers of the test's choice and a worker that answers everything.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use axum::body::{Body, BodyDataStream};
use axum::http::{Request, StatusCode, header};
use axum::response::Response;
use axum::routing::any;
use axum::{Extension, Router};
use clap::Parser;
use futures::StreamExt;
use http_body_util::BodyExt;
use prynai_bus::ids::{GatewayId, WorkerId};
use prynai_bus::wire::FORMAT;
use prynai_bus::wire::catalog::{CatalogRecord, CatalogTool, TaskUse};
use prynai_bus::wire::change::Change;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{BusLimits, Catalog, ChangeFeed, Finish, RequestQueue};
use prynai_memory_bus::MemoryBus;
use prynai_process::lifecycle::Shutdown;
use serde_json::{Value, json};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;
use tower::ServiceExt;

use super::*;
use crate::message::request_head::Caller;
use crate::policy::Policy;
use crate::settings::GatewaySettings;
use crate::state::AppState;
use crate::streamable_http;

/// Only a broken test waits for so long.
const PATIENCE: Duration = Duration::from_secs(30);

const MODERN: &str = "2026-07-28";

/// A gateway's endpoint.
pub(super) struct Scene {
    endpoint: Router,
    pub(super) bus: Arc<MemoryBus>,
    policy: watch::Sender<Option<Arc<Rules>>>,
    queued: mpsc::UnboundedReceiver<RequestEnvelope>,
    _background: JoinSet<()>,
}

/// One caller's way to talk: each message for itself, or in a session.
pub(super) struct Client<'a> {
    scene: &'a Scene,
    caller: Principal,
    /// Id and revision.
    session: Option<(String, String)>,
}

/// A body of server-sent events.
pub(super) struct Events(BodyDataStream);

#[derive(Parser)]
struct Settings {
    #[command(flatten)]
    gateway: GatewaySettings,
}

impl Scene {
    /// With a policy, if there is a text.
    pub(super) async fn new(text: Option<&str>) -> Self {
        Self::with_limits(text, BusLimits::default()).await
    }

    /// The same on a bus with these bounds.
    pub(super) async fn with_limits(text: Option<&str>, limits: BusLimits) -> Self {
        let bus = MemoryBus::new(limits);
        bus.announce_catalog(&catalog()).await.unwrap();
        let settings = Settings::parse_from(["gateway"]).gateway;
        let (policy, in_force) = watch::channel(text.map(|text| Arc::new(rules(text))));
        let (tell, queued) = mpsc::unbounded_channel();
        let mut background = JoinSet::new();
        background.spawn(answer_everything(bus.clone(), tell));
        let state = AppState::start(
            GatewayId::generate(),
            bus.clone(),
            settings,
            Policy(in_force),
            Shutdown::new(),
            &mut background,
        );
        let state = state.await.unwrap();
        let serve = |Extension(caller): Extension<Caller>, request| async move {
            streamable_http::endpoint(&state, caller, request).await
        };
        let endpoint = Router::new().route("/mcp", any(serve));
        Self {
            endpoint,
            bus,
            policy,
            queued,
            _background: background,
        }
    }

    /// Puts another policy in force.
    pub(super) fn change_policy(&self, text: &str) {
        self.policy.send_replace(Some(Arc::new(rules(text))));
    }

    /// Tells everybody that a resource was updated.
    pub(super) async fn update(&self, uri: &str) {
        let uri = uri.to_owned();
        let change = Change::ResourceUpdated { uri };
        self.bus.publish_change(&change).await.unwrap();
    }

    /// The next request that was queued.
    pub(super) async fn queued(&mut self) -> RequestEnvelope {
        let queued = tokio::time::timeout(PATIENCE, self.queued.recv()).await;
        queued
            .expect("is queued in time")
            .expect("the worker lives")
    }

    /// Fails if anything has been queued that was not looked at. Requests are queued before they are answered.
    pub(super) async fn assert_nothing_queued(&mut self) {
        let (waiting, _) = self.bus.queue_depth();
        assert_eq!(waiting, 0);
        if let Ok(queued) = self.queued.try_recv() {
            panic!("was queued: {queued:?}");
        }
    }

    /// A caller in the modern era.
    pub(super) fn modern(&self, caller: Principal) -> Client<'_> {
        Client {
            scene: self,
            caller,
            session: None,
        }
    }

    /// A caller with a session.
    pub(super) async fn legacy(&self, caller: Principal, version: &str) -> Client<'_> {
        let mut client = self.modern(caller);
        let params = json!({"protocolVersion": version, "capabilities": {}, "clientInfo": {}});
        let opening = request("initialize", params);
        let response = client
            .send(client.http("POST").body(opening.to_string().into()))
            .await;
        assert_eq!(response.status(), StatusCode::OK);
        let id = response.headers()["mcp-session-id"]
            .to_str()
            .unwrap()
            .to_owned();
        client.session = Some((id, version.to_owned()));
        client
    }
}

impl Client<'_> {
    /// The same session with another token.
    pub(super) fn with_token_of(&self, caller: Principal) -> Self {
        Self {
            scene: self.scene,
            caller,
            session: self.session.clone(),
        }
    }

    /// Sends a request.
    pub(super) async fn ask(&self, method: &str, params: Value) -> Response {
        self.post(request(method, params)).await
    }

    /// Sends a request and gives its status and its JSON.
    pub(super) async fn answer(&self, method: &str, params: Value) -> (StatusCode, Value) {
        json_of(self.ask(method, params).await).await
    }

    /// Sends a message.
    pub(super) async fn post(&self, mut message: Value) -> Response {
        let mut http = self.http("POST");
        if self.session.is_none() {
            let meta = &mut message["params"]["_meta"];
            meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
            let can = &mut meta["io.modelcontextprotocol/clientCapabilities"];
            if can.is_null() {
                *can = json!({});
            }
            let method = message["method"].as_str().unwrap();
            http = http.header("mcp-method", method);
            let name = match method {
                "tools/call" | "prompts/get" => &message["params"]["name"],
                "resources/read" => &message["params"]["uri"],
                "tasks/get" => &message["params"]["taskId"],
                _ => &Value::Null,
            };
            if let Some(name) = name.as_str() {
                http = http.header("mcp-name", name);
            }
        }
        self.send(http.body(message.to_string().into())).await
    }

    /// Opens the session's stream of changes.
    pub(super) async fn changes(&self) -> Events {
        let response = self.send(self.http("GET").body(Body::empty())).await;
        assert_eq!(response.status(), StatusCode::OK);
        Events::of(response)
    }

    fn http(&self, method: &str) -> axum::http::request::Builder {
        let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let caller = Caller {
            principal: self.caller.clone(),
            address,
            expires: None,
            token: None,
        };
        let http = Request::builder()
            .method(method)
            .uri("/mcp")
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::ACCEPT, "application/json, text/event-stream")
            .extension(caller);
        match &self.session {
            Some((id, version)) => http
                .header("mcp-session-id", id)
                .header("mcp-protocol-version", version),
            None if method == "POST" => http,
            None => panic!("there is no session"),
        }
    }

    async fn send(&self, request: Result<Request<Body>, axum::http::Error>) -> Response {
        let mut request = request.unwrap();
        if self.session.is_none() && request.headers().contains_key("mcp-method") {
            let version = MODERN.parse().unwrap();
            request
                .headers_mut()
                .insert("mcp-protocol-version", version);
        }
        let answered = self.scene.endpoint.clone().oneshot(request);
        let answered = tokio::time::timeout(PATIENCE, answered).await;
        answered.expect("is answered in time").unwrap()
    }
}

impl Events {
    pub(super) fn of(response: Response) -> Self {
        let media = &response.headers()[header::CONTENT_TYPE];
        assert_eq!(media, "text/event-stream");
        Self(response.into_body().into_data_stream())
    }

    /// The next message.
    pub(super) async fn message(&mut self) -> Value {
        loop {
            let chunk = tokio::time::timeout(PATIENCE, self.0.next()).await;
            let chunk = chunk.expect("a message in time").expect("goes on").unwrap();
            let text = std::str::from_utf8(&chunk).unwrap();
            let data = text.lines().find_map(|line| line.strip_prefix("data: "));
            if let Some(data) = data.filter(|data| !data.is_empty()) {
                return serde_json::from_str(data).unwrap();
            }
        }
    }
}

/// A request.
pub(super) fn request(method: &str, params: Value) -> Value {
    json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
}

pub(super) async fn json_of(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let json = match body.is_empty() {
        true => Value::Null,
        false => serde_json::from_slice(&body).unwrap(),
    };
    (status, json)
}

fn catalog() -> CatalogRecord {
    let raw = |value: Value| RawJson::from_value(&value).unwrap();
    let changing = json!({"listChanged": true, "subscribe": true});
    let becomes_task = |tasks| CatalogTool {
        tasks,
        ..CatalogTool::default()
    };
    let reads = CatalogTool {
        read_only: true,
        ..CatalogTool::default()
    };
    CatalogRecord {
        v: FORMAT,
        server_info: raw(json!({"name": "n", "version": "1"})),
        capabilities: raw(json!({"tools": changing, "prompts": changing, "resources": changing})),
        instructions: None,
        protocol_versions: ["2025-03-26", "2025-06-18", "2025-11-25", MODERN]
            .map(str::to_owned)
            .into(),
        tools: [
            ("get".to_owned(), reads),
            ("put".to_owned(), CatalogTool::default()),
            ("grind".to_owned(), becomes_task(TaskUse::Always)),
            ("rebuild".to_owned(), becomes_task(TaskUse::Required)),
        ]
        .into(),
        prompts: Default::default(),
    }
}

async fn answer_everything(
    bus: Arc<dyn RequestQueue>,
    tell: mpsc::UnboundedSender<RequestEnvelope>,
) {
    let worker = WorkerId::generate();
    let never = CancellationToken::new();
    loop {
        let claimed = bus.claim(&worker, 8, PATIENCE, &never).await.unwrap();
        for claim in claimed {
            let ownership = claim.ownership(&worker);
            let request = claim.request;
            let event = request.request_id.as_ref().map(|id| {
                let text = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, id.as_str());
                let answer = RawJson::parse(text).unwrap();
                StreamEvent::new(request.stream, 1, EventKind::Final, answer)
            });
            tell.send(request).unwrap();
            bus.finish(&[Finish {
                ownership,
                record: None,
                earlier: Vec::new(),
                event,
            }])
            .await
            .unwrap();
        }
    }
}
