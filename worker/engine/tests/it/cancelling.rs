use prynai_bus::wire::event::EventKind;
use prynai_bus::{EventLog, LogState};
use serde_json::json;

use crate::probe::probe;
use crate::stage::{Stage, soon};

#[tokio::test]
async fn a_cancel_reaches_the_handler_and_nothing_more_is_written() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let request = stage.modern_call("polite", json!({}));
    let call = stage.enqueue(&request).await;
    soon("the call", watch.begun.recv()).await;
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
    let call = stage.enqueue(&request).await;
    soon("the call", watch.begun.recv()).await;
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
