//! What is queued stays as it is until it is finished, and is counted.

use std::time::Duration;

use prynai_bus::ids::{EntryId, SessionId};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::{BusError, BusLimits, Finish};

use crate::scene::{Kind, LONG_LEASE, Scene, claim, claim_one, json, legacy_request};

for_both_buses! {
    a_request_arrives_as_it_was_queued,
    the_queue_is_bounded,
    the_depth_tells_waiting_from_running,
    an_entry_is_pending_until_it_is_finished,
    a_knock_is_queued_only_when_nothing_else_is,
    many_knocks_at_once_are_one,
    no_entry_is_trimmed,
    empty_lists_change_nothing,
}

async fn a_request_arrives_as_it_was_queued(kind: Kind) {
    let scene = kind.scene().await;
    let modern = RequestEnvelope {
        name: Some("écho \"x\"\n".to_owned()),
        request_id: Some(json("\"1\"")),
        headers: [("mcp-param-region".to_owned(), "eu".to_owned())].into(),
        deadline_ms: Some(1_785_000_030_000),
        message: json(r#"{"id":"1","params":{"n":1.0,"big":12345678901234567890}}"#),
        ..scene.request()
    };
    let legacy = legacy_request(&scene.gateway, &SessionId::generate());

    for request in [modern, legacy] {
        assert_eq!(scene.claimed(&request).await.request, request);
    }
}

async fn the_queue_is_bounded(kind: Kind) {
    let limits = BusLimits {
        queue: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = scene.owned().await;
    scene.gateways.enqueue(&scene.request()).await.unwrap();

    // One runs, one waits: both count.
    let refused = scene.gateways.enqueue(&scene.request()).await;
    assert!(
        matches!(refused, Err(BusError::QueueFull { limit: 2 })),
        "{refused:?}"
    );

    scene.respond(&owner, 1).await;
    scene.gateways.enqueue(&scene.request()).await.unwrap();
}

async fn the_depth_tells_waiting_from_running(kind: Kind) {
    let scene = kind.scene().await;
    let backlog = async || {
        let seen = scene.gateways.backlog().await.unwrap();
        let waits = seen.oldest > Duration::ZERO;
        (seen.waiting, seen.running, waits, seen.dead_letters)
    };
    assert_eq!(scene.depth().await, (0, 0));
    assert_eq!(backlog().await, (0, 0, false, 0));
    let seen = scene.gateways.workers_seen().await.unwrap();
    assert_eq!(seen, None, "no worker was ever there");
    for _ in 0..3 {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
    }
    assert_eq!(scene.depth().await, (3, 0));
    // The clock of the bus may count in milliseconds.
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert_eq!(backlog().await, (3, 0, true, 0));

    let claims = claim(&*scene.workers, &scene.worker, 2).await;
    assert_eq!(scene.depth().await, (1, 2));
    assert_eq!(backlog().await, (1, 2, true, 0));

    scene.respond(&claims[0].ownership(&scene.worker), 1).await;
    assert_eq!(scene.depth().await, (1, 1));

    scene
        .workers
        .dead_letter(&claims[1], "hopeless")
        .await
        .unwrap();
    assert_eq!(scene.depth().await, (1, 0));
    assert_eq!(backlog().await, (1, 0, true, 1));

    claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(backlog().await, (0, 1, false, 1));
    let quiet = Duration::from_millis(50);
    tokio::time::sleep(quiet).await;
    let seen = async || scene.gateways.workers_seen().await.unwrap().expect("one");
    let before = seen().await;
    assert!(
        before.heard >= quiet && before.absent >= quiet,
        "{before:?}"
    );
    scene
        .workers
        .renew(&scene.worker, LONG_LEASE, &[])
        .await
        .unwrap();
    assert_eq!(seen().await.absent, Duration::ZERO, "its lease lasts");
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    claim_one(&*scene.workers, &scene.worker).await;
    assert!(seen().await.heard < before.heard);
}

async fn an_entry_is_pending_until_it_is_finished(kind: Kind) {
    let scene = kind.scene().await;
    let is_pending = async |entry: &EntryId| scene.gateways.is_pending(entry).await.unwrap();
    let entry = scene.gateways.enqueue(&scene.request()).await.unwrap();
    assert!(is_pending(&entry).await);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert!(is_pending(&entry).await);
    scene.respond(&claim.ownership(&scene.worker), 1).await;
    assert!(!is_pending(&entry).await);
}

fn knock(scene: &Scene) -> RequestEnvelope {
    let now = scene.gateways.now_ms();
    RequestEnvelope::knock(scene.gateway.clone(), now, "2026-07-28").unwrap()
}

async fn a_knock_is_queued_only_when_nothing_else_is(kind: Kind) {
    let scene = kind.scene().await;
    let first = knock(&scene);
    let at = scene.gateways.knock(&first).await.unwrap();
    assert_eq!(
        (at, scene.depth().await),
        (Duration::ZERO, (1, 0)),
        "it waits"
    );
    // The clock of the bus may count in milliseconds.
    tokio::time::sleep(Duration::from_millis(20)).await;
    let at = scene.gateways.knock(&knock(&scene)).await.unwrap();
    assert!(at >= Duration::from_millis(10), "{at:?}");
    assert_eq!(scene.depth().await, (1, 0), "there is one already");

    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(claim.request, first);
    scene.gateways.knock(&knock(&scene)).await.unwrap();
    assert_eq!(scene.depth().await, (0, 1), "one runs");

    // As a worker ends a notification.
    let end = Finish {
        ownership: claim.ownership(&scene.worker),
        earlier: Vec::new(),
        event: None,
        record: None,
    };
    assert_eq!(scene.workers.finish(&[end]).await.unwrap(), [Ok(())]);
    assert_eq!(scene.depth().await, (0, 0));
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    scene.gateways.knock(&knock(&scene)).await.unwrap();
    assert_eq!(scene.depth().await, (1, 0), "a request waits");
}

async fn many_knocks_at_once_are_one(kind: Kind) {
    let scene = kind.scene().await;
    let knocks: Vec<_> = (0..64).map(|_| knock(&scene)).collect();
    let at_once = knocks.iter().map(|knock| scene.gateways.knock(knock));
    let told = futures::future::try_join_all(at_once).await.unwrap();
    let added = told.iter().filter(|age| age.is_zero());
    assert_eq!((added.count(), scene.depth().await), (1, (1, 0)));
}

async fn no_entry_is_trimmed(kind: Kind) {
    const ENTRIES: usize = 1_000;
    let scene = kind.scene().await;
    for _ in 0..ENTRIES {
        scene.gateways.enqueue(&scene.request()).await.unwrap();
    }
    assert_eq!(scene.depth().await, (ENTRIES, 0));

    let mut claimed = 0;
    while claimed < ENTRIES {
        claimed += claim(&*scene.workers, &scene.worker, 64).await.len();
    }
    assert_eq!(scene.depth().await, (0, ENTRIES));
}

async fn empty_lists_change_nothing(kind: Kind) {
    let scene = kind.scene().await;
    let none: [EntryId; 0] = [];
    scene.claimed(&scene.request()).await;
    assert_eq!(scene.workers.finish(&[]).await.unwrap(), []);
    scene
        .workers
        .renew(&scene.worker, LONG_LEASE, &none)
        .await
        .unwrap();
    scene
        .workers
        .hand_back(&scene.worker, &none, true)
        .await
        .unwrap();
    scene.gateways.release(&[]).await.unwrap();
    assert_eq!(scene.workers.cancelled_among(&[]).await.unwrap(), []);
    assert_eq!(scene.depth().await, (0, 1));
}
