use std::time::Duration;

use prynai_bus::RequestQueue;
use prynai_bus::ids::WorkerId;
use prynai_bus::wire::event::EventKind;
use serde_json::json;

use crate::probe::probe;
use crate::stage::{Stage, message, text};

#[tokio::test]
async fn a_soft_stop_lets_running_calls_finish_and_begins_nothing() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    let request = stage.modern_call("hold", json!({}));
    stage.begin(&request, &mut watch).await;
    worker.shutdown.begin();
    let late = stage.modern_call("anything", json!({}));
    stage.enqueue(&late).await;
    watch.release.add_permits(1);
    let event = stage.event().await;
    assert_eq!(
        (event.stream, event.kind),
        (request.stream, EventKind::Final)
    );
    assert_eq!(text(&message(&event)), "released");
    worker.ended().await;
    assert_eq!(stage.bus.queue_depth(), (1, 0));
}

#[tokio::test]
async fn a_hard_stop_hands_running_calls_back_at_once() {
    let stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let worker = stage.serve(probe);
    for tool in ["hold", "stubborn"] {
        let request = stage.modern_call(tool, json!({}));
        stage.begin(&request, &mut watch).await;
    }
    worker.shutdown.abort();
    worker.ended().await;
    let other = WorkerId::generate();
    let lease = Duration::from_secs(3600);
    let claims = stage
        .bus
        .reclaim(&other, lease, 10)
        .await
        .expect("reclaims");
    let deliveries: Vec<u32> = claims.iter().map(|claim| claim.delivery).collect();
    assert_eq!(deliveries, [2, 2]);
}

#[tokio::test]
async fn an_idle_worker_stops_at_once() {
    let stage = Stage::new().await;
    let (probe, _watch) = probe();
    let worker = stage.serve(probe);
    worker.stop(&stage).await;
}
