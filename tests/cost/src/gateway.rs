//! A gateway as `serve` starts it, and a worker that answers without thinking.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::event::StreamEvent;
use prynai_bus::wire::message::RawJson;
use prynai_bus::{Bus, Claim, Finish};
use prynai_gateway_engine::{GatewaySettings, listen, serve};
use prynai_process::lifecycle::Shutdown;
use tokio_util::sync::CancellationToken;

use crate::request::FIRST_ID;

/// How many requests are claimed at most, and how long the first is waited for.
const BATCH: usize = 64;
const WAIT: Duration = Duration::from_secs(60);

/// Starts a gateway on a port of its own.
pub(crate) async fn start(bus: Arc<dyn Bus>, settings: GatewaySettings) -> SocketAddr {
    let listener = listen(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a free port");
    let address = listener.local_addr().expect("is bound");
    tokio::spawn(async move {
        let served = serve(listener, bus, settings, Shutdown::new()).await;
        served.expect("serves");
    });
    address
}

/// Answers every request with the events that a worker wrote for one like it.
pub(crate) async fn answer_as_recorded(bus: Arc<dyn Bus>, recorded: Vec<StreamEvent>) {
    let worker = WorkerId::generate();
    let never = CancellationToken::new();
    let (response, before) = recorded.split_last().expect("a response");
    loop {
        let claims = bus.claim(&worker, BATCH, WAIT, &never).await;
        let mut endings = Vec::with_capacity(BATCH);
        for claim in claims.expect("claims") {
            let ownership = claim.ownership(&worker);
            for event in before {
                let event = StreamEvent {
                    stream: claim.request.stream,
                    ..event.clone()
                };
                let appended = bus.append(&ownership, &event).await;
                assert_eq!(appended.expect("appends"), Ok(()));
            }
            let event = Some(answering(&claim, response));
            endings.push(Finish {
                ownership,
                record: None,
                earlier: Vec::new(),
                event,
            });
        }
        bus.finish(&endings).await.expect("finishes");
    }
}

fn answering(claim: &Claim, response: &StreamEvent) -> StreamEvent {
    let id = claim.request.request_id.as_ref().expect("a request");
    let message = response.message.as_ref().expect("a message").as_str();
    let message = message.replacen(&FIRST_ID.to_string(), id.as_str(), 1);
    StreamEvent {
        stream: claim.request.stream,
        message: Some(RawJson::parse(message).expect("JSON")),
        ..response.clone()
    }
}
