//! A worker as `serve` starts it, and requests that are put on its bus directly.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::{GatewayId, SessionId, StreamId};
use prynai_bus::testing::{json, modern_request, session};
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::request::{Era, RequestEnvelope};
use prynai_bus::{Bus, News, NewsReceiver};
use prynai_process::lifecycle::Shutdown;
use prynai_worker::{WorkerConfig, WorkerSettings};
use tokio::task::JoinHandle;

use crate::handler::Fixed;
use crate::request::{FIRST_ID, LEGACY, Request};

/// Longer than a run takes.
const LIFE: Duration = Duration::from_secs(3600);

/// A worker, and what stands in the place of its gateway: it does at the bus what a gateway would do.
pub(crate) struct Direct {
    bus: Arc<dyn Bus>,
    news: NewsReceiver<StreamEvent>,
    request: RequestEnvelope,
    running: Running,
}

/// A worker that runs.
pub(crate) struct Running {
    shutdown: Shutdown,
    task: JoinHandle<()>,
}

/// Starts a worker. It has announced its tools when this returns.
pub(crate) async fn start(bus: Arc<dyn Bus>, config: WorkerConfig) -> Running {
    let shutdown = Shutdown::new();
    let serve = prynai_worker::serve(Fixed::new(), bus.clone(), config, shutdown.clone());
    let task = tokio::spawn(serve);
    while bus.read_catalog().await.expect("reads").is_none() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    Running { shutdown, task }
}

impl Direct {
    /// A worker on this bus.
    pub(crate) async fn on(bus: Arc<dyn Bus>, settings: WorkerSettings, request: Request) -> Self {
        let gateway = GatewayId::generate();
        let news = bus.event_news(&gateway).await.expect("subscribes");
        bus.beat(&gateway, LIFE).await.expect("beats");
        let mut envelope = RequestEnvelope {
            method: request.method().to_owned(),
            name: request.name().map(str::to_owned),
            request_id: Some(json(&FIRST_ID.to_string())),
            message: json(&request.message().to_string()),
            ..modern_request(&gateway)
        };
        if request.is_legacy() {
            let session = session(&SessionId::generate());
            bus.create_session(&session).await.expect("is created");
            envelope.era = Era::Legacy;
            envelope.protocol_version = LEGACY.to_owned();
            envelope.session = Some(session);
        }
        Self {
            running: start(bus.clone(), settings.config()).await,
            bus,
            news,
            request: envelope,
        }
    }

    /// Has a request answered, and gives the events of its stream.
    pub(crate) async fn request(&mut self) -> Vec<StreamEvent> {
        let request = RequestEnvelope {
            stream: StreamId::generate(),
            queued_at_ms: self.bus.now_ms(),
            ..self.request.clone()
        };
        let stream = request.stream;
        let queued = match &request.session {
            None => self.bus.enqueue(&request).await,
            Some(session) => {
                let recalled = self.bus.recall_session(&session.id, &request.principal);
                assert!(recalled.await.expect("is read").is_some());
                self.bus.enqueue_call(&request).await
            }
        };
        queued.expect("is queued");
        let events = self.events().await;
        assert!(events.iter().all(|event| event.stream == stream));
        if request.era == Era::Modern {
            self.bus.release(&[stream]).await.expect("is released");
        }
        events
    }

    /// Stops the worker.
    pub(crate) async fn stop(self) {
        self.running.shutdown.begin();
        self.running.task.await.expect("ends");
    }

    async fn events(&mut self) -> Vec<StreamEvent> {
        let mut events = Vec::new();
        loop {
            match self.news.recv().await.expect("news") {
                News::Gap => {}
                News::Item(event) => {
                    let is_last = event.ends_stream();
                    events.push(event);
                    if is_last {
                        return events;
                    }
                }
            }
        }
    }
}
