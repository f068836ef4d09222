//! Which worker is woken, and which gateways are still there.

use std::time::Duration;

use prynai_bus::ids::{GatewayId, WorkerId};
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_test_redis::assert_eventually;

use crate::scene::{Kind, LONG_LEASE, claim_one, next};

for_both_buses! {
    wake_ups_reach_their_worker_only,
    a_gateway_is_there_for_as_long_as_it_said,
}

async fn wake_ups_reach_their_worker_only(kind: Kind) {
    let scene = kind.scene().await;
    let other = WorkerId::generate();
    let mut ours = scene.signals_of(&scene.worker).await;
    let mut theirs = scene.signals_of(&other).await;

    let our_call = scene.owned().await;
    let claim = {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
        claim_one(&*scene.workers, &other).await
    };
    scene.cancel(&our_call).await;
    scene.cancel(&claim.ownership(&other)).await;

    let their_stream = claim.request.stream;
    assert_eq!(
        next(&mut theirs).await,
        Signal::new(their_stream, SignalKind::Cancel)
    );
    assert_eq!(
        next(&mut ours).await,
        Signal::new(our_call.stream, SignalKind::Cancel)
    );
}

async fn a_gateway_is_there_for_as_long_as_it_said(kind: Kind) {
    let scene = kind.scene().await;
    let [there, brief, never] = [(); 3].map(|()| GatewayId::generate());
    let all = [there.clone(), brief.clone(), never.clone()];
    let silent = async || scene.workers.silent_among(&all).await.unwrap();
    let beat = async |gateway, life| scene.gateways.beat(gateway, life).await.unwrap();
    beat(&there, LONG_LEASE).await;
    beat(&brief, LONG_LEASE).await;
    assert_eq!(silent().await, std::slice::from_ref(&never));
    beat(&brief, Duration::from_millis(1)).await;
    assert_eventually!(silent().await == [brief.clone(), never.clone()]);
    beat(&brief, LONG_LEASE).await;
    assert_eq!(silent().await, std::slice::from_ref(&never));
    assert!(scene.workers.silent_among(&[]).await.unwrap().is_empty());
}
