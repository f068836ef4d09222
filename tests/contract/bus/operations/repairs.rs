//! Calls that are cancelled, and workers that are drained.

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::request::Era;
use prynai_bus::wire::signal::SignalKind;

use crate::scene::{Kind, begun, next};

for_both_buses! {
    a_call_is_cancelled_once_and_both_sides_hear_it,
    a_call_that_waits_is_cancelled_as_well,
    a_call_that_is_over_is_left_alone,
    a_worker_is_told_to_drain_if_it_hears,
}

async fn a_call_is_cancelled_once_and_both_sides_hear_it(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let mut signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    let owner = scene.owned().await;
    let cancel = async || {
        let cancelled = operations.cancel(&owner.stream, &owner.entry, Era::Modern);
        cancelled.await.unwrap()
    };
    assert!(cancel().await);
    assert!(!cancel().await, "it is over");
    let event = next(&mut events).await;
    assert_eq!(
        (event.stream, event.kind),
        (owner.stream, EventKind::Cancelled)
    );
    let signal = next(&mut signals).await;
    assert_eq!(
        (signal.stream, signal.kind),
        (owner.stream, SignalKind::Cancel)
    );
    assert!(!signal.drain);
}

async fn a_call_that_waits_is_cancelled_as_well(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let request = scene.request();
    let entry = scene.gateways.enqueue(&request).await.unwrap();
    let cancelled = operations
        .cancel(&request.stream, &entry, Era::Modern)
        .await;
    assert!(cancelled.unwrap());
    let claim = crate::scene::claim_one(&*scene.workers, &scene.worker).await;
    assert!(claim.cancelled);
}

async fn a_call_that_is_over_is_left_alone(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    scene.respond(&owner, 1).await;
    let cancelled = operations.cancel(&owner.stream, &owner.entry, Era::Modern);
    assert!(!cancelled.await.unwrap());
    scene.gateways.release(&[owner.stream]).await.unwrap();
    let cancelled = operations.cancel(&owner.stream, &owner.entry, Era::Modern);
    assert!(!cancelled.await.unwrap(), "nothing is known of it");
}

async fn a_worker_is_told_to_drain_if_it_hears(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let mut signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    assert!(operations.drain(&scene.worker).await.unwrap());
    assert!(next(&mut signals).await.drain);
    let nobody = WorkerId::generate();
    assert!(!operations.drain(&nobody).await.unwrap());
}
