//! What a session is, whose it is, and when it ends.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::{CallerKind, Identity, Principal};
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::{BusError, BusLimits};
use prynai_test_redis::assert_eventually;

use super::is_absent;
use crate::scene::{Kind, json, session};

for_both_buses! {
    a_session_is_read_as_it_was_stored,
    an_unknown_session_is_absent,
    a_session_exists_for_its_own_principal_only,
    a_stranger_does_not_prolong_a_session,
    changes_are_stored,
    concurrent_changes_are_all_stored,
    subscriptions_are_bounded,
    nothing_revives_an_ended_session,
    an_idle_session_ends,
    sessions_are_counted_while_they_live,
    how_long_a_session_lived_is_known_at_its_end,
}

async fn a_session_is_read_as_it_was_stored(kind: Kind) {
    let scene = kind.scene().await;
    let id = SessionId::generate();
    let full = Session {
        principal: Principal::named("tenant/ü"),
        client_info: json(r#"{"name":"c","x":{"big":12345678901234567890}}"#),
        log_level: Some(LogLevel::Warning),
        ..session(&id)
    };
    scene.gateways.create_session(&full).await.unwrap();
    assert_eq!(
        scene.touch_as(&full.principal, &id).await,
        Some(full.clone())
    );
    // Every process reads it.
    let read = scene.workers.touch_session(&id, &full.principal).await;
    assert_eq!(read.unwrap(), Some(full));

    let plain = scene.session().await;
    assert_eq!(scene.touch(&plain).await, Some(session(&plain)));
}

async fn an_unknown_session_is_absent(kind: Kind) {
    let scene = kind.scene().await;
    let id = SessionId::generate();
    is_absent(&scene, &id).await;
    assert_eq!(scene.end(&id).await, None);
}

/// Subjects are any text, and none is another's.
async fn a_session_exists_for_its_own_principal_only(kind: Kind) {
    let scene = kind.scene().await;
    let subjects = [
        "",
        "anonymous",
        "Anonymous",
        "tenant/a",
        "tenant/a ",
        "tenant/ä",
        "te\"n\\u0061nt/a\n\0\u{1F600}\u{2028}",
        r#"{"subject":"tenant/a"}"#,
        "null",
        "1",
    ];
    let mut sessions = Vec::new();
    for subject in subjects {
        let id = SessionId::generate();
        let principal = Principal::named(subject);
        let session = Session {
            principal,
            ..session(&id)
        };
        scene.gateways.create_session(&session).await.unwrap();
        sessions.push(session);
    }
    for owned in &sessions {
        for other in &sessions {
            let seen = scene.touch_as(&other.principal, &owned.id).await;
            let expected = (owned.id == other.id).then(|| owned.clone());
            let kept = scene.keep_as(&other.principal, &owned.id).await;
            assert_eq!(kept, expected.is_some(), "as {:?}", other.principal);
            assert_eq!(seen, expected, "as {:?}", other.principal);
        }
    }
    // The subject decides, whatever the token of the moment says.
    let identity = Identity {
        issuer: "https://issuer.example".to_owned(),
        tenant: None,
        object_id: "a".to_owned(),
        client: None,
        kind: CallerKind::App,
        scopes: Default::default(),
        roles: ["operator".to_owned()].into(),
    };
    let renewed = Principal {
        identity: Some(identity.into()),
        ..sessions[3].principal.clone()
    };
    let seen = scene.touch_as(&renewed, &sessions[3].id).await;
    assert_eq!(seen, Some(sessions[3].clone()));
    let promoted = Session {
        id: SessionId::generate(),
        principal: renewed,
        ..sessions[3].clone()
    };
    scene.gateways.create_session(&promoted).await.unwrap();
    let seen = scene.touch_as(&sessions[3].principal, &promoted.id).await;
    assert_eq!(seen, Some(promoted.clone()));
    assert_eq!(
        scene.touch_as(&sessions[4].principal, &promoted.id).await,
        None
    );
}

async fn a_stranger_does_not_prolong_a_session(kind: Kind) {
    let limits = BusLimits {
        session_idle: Duration::from_secs(1),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let id = scene.session().await;
    let own = scene.called(&id, "1").await;
    let stranger = Principal::named("stranger");

    // Looking for a call does not count as use of the session.
    assert_eventually!(
        {
            assert_eq!(scene.touch_as(&stranger, &id).await, None);
            let recalled = scene.gateways.recall_session(&id, &stranger).await;
            assert_eq!(recalled.unwrap(), None);
            assert!(!scene.keep_as(&stranger, &id).await);
            scene.find(&id, "1").await.is_none()
        },
        "a stranger keeps the session of {own:?} alive"
    );
    is_absent(&scene, &id).await;
}

async fn changes_are_stored(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    for change in [
        SessionChange::LogLevel(LogLevel::Debug),
        SessionChange::Subscribe("file:///a".to_owned()),
        SessionChange::Subscribe("file:///b".to_owned()),
        SessionChange::Subscribe("file:///b".to_owned()),
        SessionChange::LogLevel(LogLevel::Emergency),
        SessionChange::Unsubscribe("file:///a".to_owned()),
        SessionChange::Unsubscribe("file:///never".to_owned()),
    ] {
        assert!(scene.change(&id, change).await.unwrap());
    }
    let expected = Session {
        log_level: Some(LogLevel::Emergency),
        ..session(&id)
    };
    assert_eq!(scene.touch(&id).await, Some(expected));
    assert_eq!(scene.subscriptions(&id).await, ["file:///b"]);
}

async fn concurrent_changes_are_all_stored(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let uris: BTreeSet<String> = (0..40).map(|number| format!("file:///{number}")).collect();
    let subscribe = |(number, uri): (usize, &String)| {
        let bus = [&scene.gateways, &scene.workers][number % 2].clone();
        let (id, change) = (id.clone(), SessionChange::Subscribe(uri.clone()));
        async move { bus.change_session(&id, &change).await.unwrap() }
    };
    let stored = futures::future::join_all(uris.iter().enumerate().map(subscribe)).await;
    assert!(stored.into_iter().all(|stored| stored));
    assert_eq!(scene.subscriptions(&id).await, Vec::from_iter(uris));
}

async fn subscriptions_are_bounded(kind: Kind) {
    let limits = BusLimits {
        session_subscriptions: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let id = scene.session().await;
    let subscribe = |uri: &str| scene.change(&id, SessionChange::Subscribe(uri.to_owned()));
    assert!(subscribe("file:///a").await.unwrap());
    assert!(subscribe("file:///b").await.unwrap());
    let refused = subscribe("file:///c").await;
    assert!(
        matches!(refused, Err(BusError::Full { limit: 2, .. })),
        "{refused:?}"
    );

    // Other changes go on, and what is given up makes room.
    let level = SessionChange::LogLevel(LogLevel::Info);
    assert!(scene.change(&id, level).await.unwrap());
    let give_up = SessionChange::Unsubscribe("file:///a".to_owned());
    assert!(scene.change(&id, give_up).await.unwrap());
    assert!(subscribe("file:///c").await.unwrap());
    assert_eq!(scene.subscriptions(&id).await, ["file:///b", "file:///c"]);
}

async fn nothing_revives_an_ended_session(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    scene.called(&id, "1").await;
    scene.end(&id).await;
    assert_eq!(scene.find(&id, "1").await, None);
    is_absent(&scene, &id).await;
}

async fn an_idle_session_ends(kind: Kind) {
    let limits = BusLimits {
        session_idle: Duration::from_secs(1),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let (used, idle) = (scene.session().await, scene.session().await);
    scene.called(&used, "1").await;
    scene.called(&idle, "1").await;

    // Looking for a call does not count as use of the session.
    assert_eventually!(
        {
            let owner = Principal::anonymous();
            assert!(scene.keep_as(&owner, &used).await, "a session in use ended");
            scene.find(&idle, "1").await.is_none()
        },
        "the idle session never ended"
    );
    is_absent(&scene, &idle).await;
    assert_eq!(scene.end(&idle).await, None);
    assert!(
        scene.find(&used, "1").await.is_some(),
        "the call of a session in use is lost"
    );
}

async fn sessions_are_counted_while_they_live(kind: Kind) {
    let limits = BusLimits {
        session_idle: Duration::from_secs(1),
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let count = async || scene.workers.count_sessions().await.unwrap();
    assert_eq!(count().await, 0);
    let (used, _idle, ended) = (
        scene.session().await,
        scene.session().await,
        scene.session().await,
    );
    assert_eq!(count().await, 3);
    scene.end(&ended).await;
    scene.end(&ended).await;
    assert_eq!(count().await, 2);
    let owner = Principal::anonymous();
    assert_eventually!(
        {
            assert!(scene.keep_as(&owner, &used).await);
            count().await == 1
        },
        "an idle session is counted for ever"
    );
    scene.end(&used).await;
    assert_eq!(count().await, 0);
}

async fn how_long_a_session_lived_is_known_at_its_end(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let begun = Instant::now();
    assert_eventually!(begun.elapsed() > Duration::from_millis(50));
    let owner = Principal::anonymous();
    let ended = scene.workers.end_session(&id, &owner).await.unwrap();
    let lived = ended.and_then(|ended| ended.lived).expect("is known");
    // The clock of Redis is read as exactly as its answers are fast.
    assert!(lived > Duration::from_millis(20), "{lived:?}");
    assert!(lived < Duration::from_secs(60), "{lived:?}");
}
