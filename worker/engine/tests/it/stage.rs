//! One worker, a gateway that hears of its events, and requests for them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{GatewayId, SessionId, StreamId, WorkerId};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::request::{CallRef, Era, RequestEnvelope};
use prynai_bus::wire::session::Session;
use prynai_bus::{
    Bus, BusLimits, Claim, EventLog, Liveness, News, NewsReceiver, RequestQueue, SignalChannel,
    testing,
};
use prynai_memory_bus::MemoryBus;
use prynai_process::lifecycle::Shutdown;
use prynai_worker_engine::{RequestStateKeys, TaskTerms, WorkerConfig, WorkerHealth};
use rmcp::ServerHandler;
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::probe::Watch;

/// Only a broken test waits for so long.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for what is going to happen.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .unwrap_or_else(|_| panic!("{what} does not happen"))
}

/// The bus, and what is published to the gateway that holds all streams.
pub(crate) struct Stage {
    pub(crate) bus: Arc<MemoryBus>,
    pub(crate) gateway: GatewayId,
    news: NewsReceiver<StreamEvent>,
}

/// A worker that serves.
pub(crate) struct Serving {
    pub(crate) shutdown: Shutdown,
    done: JoinHandle<()>,
}

// === impl Stage ===

impl Stage {
    pub(crate) async fn new() -> Self {
        Self::with_limits(BusLimits::default()).await
    }

    pub(crate) async fn with_limits(limits: BusLimits) -> Self {
        let bus = MemoryBus::new(limits);
        let gateway = GatewayId::generate();
        let news = bus.event_news(&gateway).await.expect("news");
        bus.beat(&gateway, Duration::MAX).await.expect("there");
        Self { bus, gateway, news }
    }

    /// Starts a worker with room for eight calls.
    pub(crate) fn serve(&self, handler: impl ServerHandler) -> Serving {
        self.serve_at_once(handler, 8)
    }

    pub(crate) fn serve_at_once(&self, handler: impl ServerHandler, concurrency: usize) -> Serving {
        self.serve_keyed(handler, concurrency, RequestStateKeys::random())
    }

    /// Starts a worker that signs with these keys.
    pub(crate) fn serve_keyed(
        &self,
        handler: impl ServerHandler,
        concurrency: usize,
        state_keys: RequestStateKeys,
    ) -> Serving {
        let config = WorkerConfig {
            state_keys,
            id: WorkerId::generate(),
            concurrency,
            // It is kept by a thread that knows nothing of a paused clock.
            lease: Duration::from_secs(3600),
            max_attempts: 3,
            idempotency_window: Duration::from_secs(3600),
            max_result: 1024 * 1024,
            caller_kept: 64 * 1024 * 1024,
            health: WorkerHealth::default(),
            tasks: TaskTerms::default(),
        };
        let shutdown = Shutdown::new();
        let bus: Arc<dyn Bus> = self.bus.clone();
        let serve = prynai_worker_engine::serve(handler, bus, config, shutdown.clone());
        Serving {
            shutdown,
            done: tokio::spawn(serve),
        }
    }

    pub(crate) async fn enqueue(&self, request: &RequestEnvelope) -> CallRef {
        let entry = self.bus.enqueue(request).await.expect("enqueues");
        CallRef {
            stream: request.stream,
            entry,
        }
    }

    /// Enqueues a call and waits until the probe runs it.
    pub(crate) async fn begin(&self, request: &RequestEnvelope, watch: &mut Watch) -> CallRef {
        let call = self.enqueue(request).await;
        soon("the call", watch.begun.recv()).await;
        call
    }

    /// Cancels a modern call.
    pub(crate) async fn cancel(&self, call: &CallRef) {
        let (stream, entry) = (&call.stream, Some(&call.entry));
        let cancelled = self.bus.cancel_call(stream, entry, Era::Modern).await;
        cancelled.expect("cancels");
    }

    /// The next event of any stream.
    pub(crate) async fn event(&mut self) -> StreamEvent {
        loop {
            match soon("an event", self.news.recv()).await {
                Some(News::Item(event)) => return event,
                Some(News::Gap) => {}
                None => panic!("the subscription ended"),
            }
        }
    }

    /// Enqueues a request and reads its events up to the last one.
    pub(crate) async fn run(&mut self, request: &RequestEnvelope) -> Vec<StreamEvent> {
        self.enqueue(request).await;
        self.rest_of(request.stream).await
    }

    /// Reads events up to the last one of a stream, the only one that says something.
    pub(crate) async fn rest_of(&mut self, stream: StreamId) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        loop {
            let event = self.event().await;
            assert_eq!(event.stream, stream);
            let ends = event.ends_stream();
            events.push(event);
            if ends {
                return events;
            }
        }
    }

    /// Enqueues a request and reads its response; nothing may come before it.
    pub(crate) async fn response(&mut self, request: &RequestEnvelope) -> Value {
        let events = self.run(request).await;
        let [only] = events.as_slice() else {
            panic!("more than a response: {events:?}");
        };
        assert_eq!((only.kind, only.offset), (EventKind::Final, 1));
        message(only)
    }

    /// Claims everything for a worker that is lost afterwards.
    pub(crate) async fn claim_and_lose(&self) -> Vec<Claim> {
        let worker = WorkerId::generate();
        let never = CancellationToken::new();
        let claims = self
            .bus
            .claim(&worker, 100, Duration::ZERO, &never)
            .await
            .expect("claims");
        self.lose(&worker, &claims).await;
        claims
    }

    /// Lets a worker's requests be taken over at once.
    pub(crate) async fn lose(&self, worker: &WorkerId, claims: &[Claim]) {
        let entries: Vec<_> = claims.iter().map(|claim| claim.entry.clone()).collect();
        let lost = self.bus.hand_back(worker, &entries, true).await;
        lost.expect("hands back");
    }

    pub(crate) async fn post_mail(&self, stream: StreamId, session: &SessionId, mail: Value) {
        let posted = self
            .bus
            .post_mail(&stream, session, &raw(&mail))
            .await
            .expect("posts");
        assert_eq!(posted, prynai_bus::Posted::Accepted);
    }

    pub(crate) fn modern(&self, method: &str, params: Value) -> RequestEnvelope {
        self.modern_with(method, params, json!({}))
    }

    /// A modern request with capabilities of the client.
    pub(crate) fn modern_with(
        &self,
        method: &str,
        mut params: Value,
        capabilities: Value,
    ) -> RequestEnvelope {
        let meta = &mut params["_meta"];
        meta["io.modelcontextprotocol/protocolVersion"] = "2026-07-28".into();
        meta["io.modelcontextprotocol/clientCapabilities"] = capabilities;
        asking(method, &params, testing::modern_request(&self.gateway))
    }

    pub(crate) fn modern_call(&self, tool: &str, arguments: Value) -> RequestEnvelope {
        let params = json!({"name": tool, "arguments": arguments});
        self.modern("tools/call", params)
    }

    /// A request of a new session whose client has these capabilities.
    pub(crate) fn legacy_with(
        &self,
        method: &str,
        params: &Value,
        capabilities: &Value,
    ) -> RequestEnvelope {
        let id = SessionId::generate();
        let request = asking(method, params, testing::legacy_request(&self.gateway, &id));
        let session = Session {
            principal: request.principal.clone(),
            client_info: raw(&json!({"name": "test", "version": "1"})),
            capabilities: raw(capabilities),
            ..testing::session(&id)
        };
        RequestEnvelope {
            session: Some(session),
            ..request
        }
    }
}

/// Makes a plain request one of alice's for `method`.
fn asking(method: &str, params: &Value, request: RequestEnvelope) -> RequestEnvelope {
    let text = |pointer| params[pointer].as_str().map(str::to_owned);
    RequestEnvelope {
        method: method.to_owned(),
        name: text("name").or_else(|| text("uri")),
        request_id: Some(testing::json("7")),
        principal: Principal::named("alice"),
        headers: BTreeMap::from([("x-request-id".to_owned(), "r-1".to_owned())]),
        message: raw(&json!({"jsonrpc": "2.0", "id": 7, "method": method, "params": params})),
        ..request
    }
}

// === impl Serving ===

impl Serving {
    /// Stops in order; nothing may be left to do.
    pub(crate) async fn stop(self, stage: &Stage) {
        self.shutdown.begin();
        self.ended().await;
        assert_eq!(stage.bus.queue_depth(), (0, 0), "work remains");
    }

    pub(crate) async fn ended(self) {
        soon("the end of the worker", self.done)
            .await
            .expect("ends");
    }
}

/// The message of an event.
pub(crate) fn message(event: &StreamEvent) -> Value {
    let message = event.message.as_ref().expect("a message");
    message.read().expect("JSON")
}

pub(crate) fn raw(value: &Value) -> RawJson {
    RawJson::from_value(value).expect("JSON")
}

/// The text of a tool's answer.
pub(crate) fn text(response: &Value) -> &str {
    response["result"]["content"][0]["text"]
        .as_str()
        .unwrap_or_else(|| panic!("no text in {response}"))
}
