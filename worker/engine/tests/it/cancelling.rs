//! Calls that end before their handler has answered: cancelled, past their deadline, or of a gateway that is gone.

use std::time::Duration;

use prynai_bus::ids::{GatewayId, StreamId};
use prynai_bus::wire::event::EventKind;
use prynai_bus::{EventLog, Liveness, LogState, RequestQueue, SignalChannel};
use serde_json::json;

use crate::probe::probe;
use crate::stage::{Stage, message, soon};

#[tokio::test]
async fn a_cancel_reaches_the_handler_and_nothing_more_is_written() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let request = stage.modern_call("polite", json!({}));
    let call = stage.begin(&request, &mut watch).await;
    stage.cancel(&call).await;
    assert_eq!(stage.event().await.kind, EventKind::Cancelled);
    let ended = soon("the handler's end", watch.ended.recv()).await;
    assert_eq!(ended, Some("polite"));
    worker.stop(&stage).await;
    let log = stage.bus.read_log(&call.stream, None, 0).await;
    let log = log.expect("is read").expect("the log");
    assert_eq!(log.state, LogState::Cancelled);
    assert!(log.events.is_empty(), "{:?}", log.events);
}

#[tokio::test]
async fn a_handler_that_ignores_the_cancel_is_dropped() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve_at_once(probe, 1);
    let request = stage.modern_call("stubborn", json!({}));
    let call = stage.begin(&request, &mut watch).await;
    stage.cancel(&call).await;
    assert_eq!(stage.event().await.kind, EventKind::Cancelled);
    let ended = soon("the handler's end", watch.ended.recv()).await;
    assert_eq!(ended, Some("dropped"));
    // Its permit is free again.
    let request = stage.modern_call("anything", json!({}));
    stage.response(&request).await;
    worker.stop(&stage).await;
}

#[tokio::test]
async fn what_is_cancelled_while_it_waits_is_never_begun() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let request = stage.modern_call("anything", json!({}));
    let call = stage.enqueue(&request).await;
    stage.cancel(&call).await;
    assert_eq!(stage.event().await.kind, EventKind::Cancelled);
    let worker = stage.serve(probe);
    let after = stage.modern_call("anything", json!({}));
    stage.response(&after).await;
    worker.stop(&stage).await;
    assert!(soon("the other", watch.begun.recv()).await.is_some());
    assert!(watch.begun.recv().await.is_none(), "both were begun");
    let (_, running) = stage.bus.queue_depth();
    assert_eq!(running, 0);
}

#[tokio::test(start_paused = true)]
async fn a_modern_call_ends_when_its_gateway_is_gone() {
    let stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let gone = GatewayId::generate();
    stage.bus.beat(&gone, Duration::from_secs(6)).await.unwrap();
    let mut request = stage.modern_call("polite", json!({}));
    request.holder = gone.clone();
    let call = stage.begin(&request, &mut watch).await;
    let ended = soon("the handler's end", watch.ended.recv()).await;
    assert_eq!(ended, Some("polite"));
    let marked = stage.bus.cancelled_among(&[call.stream]).await;
    assert_eq!(marked.unwrap(), [call.stream]);

    // What it had queued is not begun.
    request.stream = StreamId::generate();
    stage.enqueue(&request).await;
    soon("the end of the other", async {
        while stage.bus.queue_depth() != (0, 0) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
    worker.stop(&stage).await;
    assert_eq!(watch.begun.recv().await, None, "it was begun for nobody");
}

#[tokio::test(start_paused = true)]
async fn a_gateway_that_was_only_silent_keeps_its_calls() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let gateway = stage.gateway.clone();
    let beat = async |life| stage.bus.beat(&gateway, life).await.unwrap();
    beat(Duration::from_secs(1)).await;
    let request = stage.modern_call("hold", json!({}));
    stage.begin(&request, &mut watch).await;
    // Two looks find it silent, the third does not.
    tokio::time::sleep(Duration::from_millis(5_500)).await;
    beat(Duration::from_secs(3600)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    watch.release.add_permits(1);
    let events = stage.rest_of(request.stream).await;
    assert!(message(&events[0])["result"].is_object(), "{events:?}");
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_legacy_call_outlives_its_gateway() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let gateway = stage.gateway.clone();
    stage.bus.beat(&gateway, Duration::ZERO).await.unwrap();
    let params = json!({"name": "hold"});
    let request = stage.legacy_with("tools/call", &params, &json!({}));
    stage.begin(&request, &mut watch).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    watch.release.add_permits(1);
    let events = stage.rest_of(request.stream).await;
    assert!(message(&events[0])["result"].is_object(), "{events:?}");
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_ends_at_its_deadline() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let mut request = stage.modern_call("stubborn", json!({}));
    request.deadline_ms = Some(stage.bus.now_ms() + 10_000);
    let response = stage.response(&request).await;
    let ended = soon("the handler's end", watch.ended.recv()).await;
    assert_eq!(ended, Some("dropped"));
    let expected = json!({"reason": "deadline", "outcome": "unknown"});
    assert_eq!(response["error"]["data"], expected, "{response}");
    worker.stop(&stage).await;
}
