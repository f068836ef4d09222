//! How many sessions one caller may have, and how large they may be.

use std::time::{Duration, Instant};

use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::{Session, SessionChange};
use prynai_bus::{BusError, BusLimits, ShareFull};
use prynai_test_redis::assert_eventually;

use super::is_full;
use crate::scene::{Kind, Scene, json, session};

for_both_buses! {
    sessions_of_a_share_are_bounded,
    bytes_of_a_shares_sessions_are_bounded,
    a_session_that_fell_idle_makes_room,
    a_session_in_use_goes_on_counting,
}

impl Scene {
    async fn create_as(&self, owner: &Principal, client_info: &str) -> Result<SessionId, BusError> {
        let id = SessionId::generate();
        let session = Session {
            principal: owner.clone(),
            client_info: json(client_info),
            ..session(&id)
        };
        self.gateways.create_session(&session).await.map(|()| id)
    }
}

async fn sessions_of_a_share_are_bounded(kind: Kind) {
    let limits = BusLimits {
        caller_sessions: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let full = ShareFull::Sessions { limit: 2 };
    let (one, two) = (Principal::named("one"), Principal::named("two"));
    let here = Principal::anonymous_at([192, 0, 2, 1].into());
    let there = Principal::anonymous_at([192, 0, 2, 2].into());
    for owner in [&one, &two, &here, &there] {
        let first = scene.create_as(owner, "{}").await.expect("has room");
        scene.create_as(owner, "{}").await.expect("has room");
        is_full(&scene.create_as(owner, "{}").await, full);
        // What ends makes room, once.
        for _ in 0..2 {
            let ended = scene.gateways.end_session(&first, owner).await;
            ended.unwrap();
        }
        scene.create_as(owner, "{}").await.expect("has room again");
        is_full(&scene.create_as(owner, "{}").await, full);
    }
}

async fn bytes_of_a_shares_sessions_are_bounded(kind: Kind) {
    let limits = BusLimits {
        caller_kept: 64 * 1024,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let full = ShareFull::Kept { limit: 64 * 1024 };
    let owner = Principal::named("noisy");
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(15 * 1024));
    let mut sessions = Vec::new();
    let refused = loop {
        match scene.create_as(&owner, &large).await {
            Ok(id) => sessions.push(id),
            refused => break refused,
        }
    };
    is_full(&refused, full);
    assert_eq!(sessions.len(), 3, "of 15 KiB each in 64 KiB");
    scene
        .create_as(&Principal::named("other"), &large)
        .await
        .expect("has its own room");

    // Subscriptions count as well, and what was refused is not there.
    let uri = |number: usize| format!("test://{number}/{}", "x".repeat(2_000));
    let mut subscribed = 0;
    let refused = loop {
        let change = SessionChange::Subscribe(uri(subscribed));
        match scene.change(&sessions[0], change).await {
            Ok(true) => subscribed += 1,
            refused => break refused,
        }
    };
    is_full(&refused, full);
    assert!(subscribed < 9, "{subscribed} subscriptions of 2 kB each");
    assert_eq!(scene.subscriptions(&sessions[0]).await.len(), subscribed);
    let again = scene.change(&sessions[0], SessionChange::Subscribe(uri(subscribed)));
    is_full(&again.await, full);
    let ended = scene.gateways.end_session(&sessions[1], &owner).await;
    ended.unwrap();
    let again = scene.change(&sessions[0], SessionChange::Subscribe(uri(subscribed)));
    assert!(again.await.unwrap(), "an ended session makes no room");
}

async fn a_session_that_fell_idle_makes_room(kind: Kind) {
    let limits = BusLimits {
        caller_sessions: 1,
        session_idle: Duration::from_secs(1),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = Principal::named("one");
    scene.create_as(&owner, "{}").await.expect("has room");
    is_full(
        &scene.create_as(&owner, "{}").await,
        ShareFull::Sessions { limit: 1 },
    );
    assert_eventually!(scene.create_as(&owner, "{}").await.is_ok());
}

async fn a_session_in_use_goes_on_counting(kind: Kind) {
    let limits = BusLimits {
        caller_sessions: 1,
        session_idle: Duration::from_secs(4),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = Principal::named("one");
    let id = scene.create_as(&owner, "{}").await.expect("has room");
    // For longer than it was counted for at first.
    let begun = Instant::now();
    assert_eventually!({
        assert!(scene.keep_as(&owner, &id).await, "a session in use ended");
        is_full(
            &scene.create_as(&owner, "{}").await,
            ShareFull::Sessions { limit: 1 },
        );
        begun.elapsed() > Duration::from_secs(7)
    });
}
