//! [`SessionStore`](prynai_bus::SessionStore): legacy sessions, and which calls run in them.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use prynai_bus::ids::{EntryId, SessionId, StreamId};
use prynai_bus::wire::principal::{CallerKind, Identity, Principal};
use prynai_bus::wire::request::CallRef;
use prynai_bus::wire::session::{LogLevel, Session, SessionChange};
use prynai_bus::{BeginCall, BegunCall, BusError, BusLimits, Placed, ShareFull};
use prynai_test_redis::assert_eventually;

use super::scene::{Kind, Scene, json, session};

for_both_buses! {
    an_ended_session_names_its_calls_until_it_is_forgotten,
    a_call_that_is_begun_again_has_its_place,
    a_cancel_is_told_to_whoever_places_the_call_again,
    a_session_is_read_as_it_was_stored,
    an_unknown_session_is_absent,
    a_session_exists_for_its_own_principal_only,
    a_stranger_neither_prolongs_a_session_nor_takes_room_in_it,
    changes_are_stored,
    concurrent_changes_are_all_stored,
    subscriptions_are_bounded,
    sessions_of_a_share_are_bounded,
    bytes_of_a_shares_sessions_are_bounded,
    a_session_that_fell_idle_makes_room,
    a_session_in_use_goes_on_counting,
    an_ended_session_names_its_running_calls,
    nothing_revives_an_ended_session,
    an_idle_session_ends,
    calls_are_found_by_the_clients_request_id,
    calls_of_one_request_id_are_told_apart,
    a_begun_call_is_found_before_it_is_placed,
    an_ended_session_names_calls_that_are_not_placed_yet,
    a_call_that_is_over_before_it_is_placed_stays_forgotten,
    running_calls_are_bounded,
}

impl Scene {
    async fn end(&self, id: &SessionId) -> Option<Vec<BegunCall>> {
        let owner = Principal::anonymous();
        let ended = self.gateways.end_session(id, &owner).await;
        ended.expect("ended")
    }

    async fn session(&self) -> SessionId {
        let id = SessionId::generate();
        self.gateways
            .create_session(&session(&id))
            .await
            .expect("created");
        id
    }

    pub(super) async fn touch(&self, id: &SessionId) -> Option<Session> {
        self.touch_as(&Principal::anonymous(), id).await
    }

    async fn touch_as(&self, caller: &Principal, id: &SessionId) -> Option<Session> {
        let touched = self.gateways.touch_session(id, caller, None).await;
        touched.expect("touched").map(|touched| touched.session)
    }

    async fn keep_as(&self, caller: &Principal, id: &SessionId) -> bool {
        let kept = self.gateways.keep_session(id, caller).await;
        kept.expect("touched")
    }

    async fn subscriptions(&self, id: &SessionId) -> Vec<String> {
        let read = self.workers.subscriptions(id).await.expect("read");
        Vec::from_iter(read.expect("the session lives"))
    }

    async fn change(&self, id: &SessionId, change: SessionChange) -> Result<bool, BusError> {
        self.gateways.change_session(id, &change).await
    }

    /// The call that a cancel of `request_id` finds.
    async fn find(&self, id: &SessionId, request_id: &str) -> Option<BegunCall> {
        let mut found = self.find_all(id, request_id).await;
        assert!(found.len() <= 1, "{found:?}");
        found.pop()
    }

    async fn find_all(&self, id: &SessionId, request_id: &str) -> Vec<BegunCall> {
        let found = self.gateways.cancel_calls(id, &json(request_id)).await;
        found.expect("looked for")
    }

    /// Begins a call; `None` when there is no room.
    async fn begin(&self, id: &SessionId, request_id: &str) -> Option<StreamId> {
        let begin = BeginCall {
            stream: StreamId::generate(),
            request_id: json(request_id),
        };
        let owner = Principal::anonymous();
        let touched = self.gateways.touch_session(id, &owner, Some(&begin)).await;
        let touched = touched.expect("touched").expect("the session lives");
        touched.has_room.then_some(begin.stream)
    }

    async fn place(&self, id: &SessionId, stream: StreamId) -> (CallRef, Placed) {
        let call = some_call(stream);
        let placed = self.gateways.place_call(id, &call).await;
        (call, placed.expect("placed"))
    }

    /// A call that is queued.
    async fn record(&self, id: &SessionId, request_id: &str) -> BegunCall {
        let stream = self.begin(id, request_id).await.expect("there is room");
        let (call, placed) = self.place(id, stream).await;
        assert_eq!(placed, Placed::Running);
        BegunCall {
            stream,
            entry: Some(call.entry),
        }
    }

    async fn forget(&self, id: &SessionId, stream: StreamId) {
        let forgotten = self.workers.forget_call(id, &stream).await;
        forgotten.expect("forgotten");
    }
}

fn some_call(stream: StreamId) -> CallRef {
    CallRef {
        stream,
        entry: EntryId::from("17-0"),
    }
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
    let read = scene
        .workers
        .touch_session(&id, &full.principal, None)
        .await;
    assert_eq!(read.unwrap().map(|touched| touched.session), Some(full));

    let plain = scene.session().await;
    assert_eq!(scene.touch(&plain).await, Some(session(&plain)));
}

async fn an_unknown_session_is_absent(kind: Kind) {
    let scene = kind.scene().await;
    let id = SessionId::generate();
    is_absent(&scene, &id).await;
    assert_eq!(scene.end(&id).await, None);
}

/// Every method treats the session as absent, and leaves it so. Only its end may be asked for again.
async fn is_absent(scene: &Scene, id: &SessionId) {
    assert_eq!(scene.touch(id).await, None);
    assert!(!scene.keep_as(&Principal::anonymous(), id).await);
    assert_eq!(scene.gateways.subscriptions(id).await.unwrap(), None);
    for change in [
        SessionChange::LogLevel(LogLevel::Debug),
        SessionChange::Subscribe("file:///a".to_owned()),
        SessionChange::Unsubscribe("file:///a".to_owned()),
    ] {
        assert!(!scene.change(id, change).await.unwrap());
    }
    let begin = BeginCall {
        stream: StreamId::generate(),
        request_id: json("1"),
    };
    let owner = Principal::anonymous();
    let touched = scene.gateways.touch_session(id, &owner, Some(&begin)).await;
    assert_eq!(touched.unwrap(), None);
    let (_, placed) = scene.place(id, begin.stream).await;
    assert_eq!(placed, Placed::SessionEnded);
    assert_eq!(scene.find(id, "1").await, None);
    scene.forget(id, begin.stream).await;
    assert_eq!(scene.touch(id).await, None);
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

async fn a_stranger_neither_prolongs_a_session_nor_takes_room_in_it(kind: Kind) {
    let limits = BusLimits {
        session_idle: Duration::from_secs(1),
        session_calls: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let id = scene.session().await;
    let own = scene.record(&id, "1").await;
    let stranger = Principal::named("stranger");
    let begin = BeginCall {
        stream: StreamId::generate(),
        request_id: json("2"),
    };
    for _ in 0..3 {
        let touched = scene.gateways.touch_session(&id, &stranger, Some(&begin));
        assert_eq!(touched.await.unwrap(), None);
        assert!(!scene.keep_as(&stranger, &id).await);
    }
    assert_eq!(scene.find(&id, "2").await, None);
    scene.begin(&id, "3").await.expect("there is room");

    // To look for a call is not to use the session.
    assert_eventually!(
        {
            assert_eq!(scene.touch_as(&stranger, &id).await, None);
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

pub(super) fn is_full<T: std::fmt::Debug>(refused: &Result<T, BusError>, full: ShareFull) {
    assert!(
        matches!(refused, Err(BusError::ShareFull(by)) if *by == full),
        "{refused:?}"
    );
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

async fn an_ended_session_names_its_running_calls(kind: Kind) {
    let scene = kind.scene().await;
    let (id, idle) = (scene.session().await, scene.session().await);
    let one = scene.record(&id, "1").await;
    let two = scene.record(&id, "2").await;
    let three = scene.record(&id, "\"3\"").await;
    scene.forget(&id, two.stream).await;

    let ended = scene.end(&id).await;
    let streams = ended
        .expect("it had not ended")
        .into_iter()
        .map(|call| call.stream);
    assert_eq!(
        BTreeSet::from_iter(streams),
        BTreeSet::from([one.stream, three.stream])
    );
    scene.gateways.forget_session(&id).await.unwrap();
    assert_eq!(scene.end(&id).await, None);
    assert_eq!(scene.end(&idle).await, Some(Vec::new()));
}

async fn nothing_revives_an_ended_session(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    scene.record(&id, "1").await;
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
    scene.record(&used, "1").await;
    scene.record(&idle, "1").await;

    // To look for a call is not to use the session.
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

async fn calls_are_found_by_the_clients_request_id(kind: Kind) {
    let scene = kind.scene().await;
    let (id, other) = (scene.session().await, scene.session().await);
    let ids = ["1", "\"1\"", "1.0", "\"a b:c\""];
    let mut calls = Vec::new();
    for request_id in ids {
        calls.push(Some(scene.record(&id, request_id).await));
    }
    for (request_id, call) in ids.iter().zip(&calls) {
        assert_eq!(scene.find(&id, request_id).await, *call);
        assert_eq!(scene.find(&other, request_id).await, None);
    }

    let ended = calls[0].clone().unwrap();
    scene.forget(&id, ended.stream).await;
    assert_eq!(scene.find(&id, "1").await, None);
    assert_eq!(scene.find(&id, "\"1\"").await, calls[1]);

    // The client may use the id of an ended call again.
    let again = scene.record(&id, "1").await;
    assert_eq!(scene.find(&id, "1").await, Some(again));
}

async fn calls_of_one_request_id_are_told_apart(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let one = scene.record(&id, "1").await;
    let two = scene.record(&id, "1").await;
    let mut found = scene.find_all(&id, "1").await;
    found.sort_by_key(|call| call.stream);
    assert_eq!(found, [one.clone(), two.clone()]);
    scene.forget(&id, one.stream).await;
    assert_eq!(scene.find(&id, "1").await, Some(two.clone()));
    let ended = scene.end(&id).await;
    assert_eq!(ended, Some(vec![two]));
}

async fn a_begun_call_is_found_before_it_is_placed(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let entry = None;
    assert_eq!(
        scene.find(&id, "1").await,
        Some(BegunCall { stream, entry })
    );
    // Whoever queues it learns of the cancel, and may not have heard of it.
    let (call, placed) = scene.place(&id, stream).await;
    assert_eq!(placed, Placed::Cancelled);
    let entry = Some(call.entry);
    assert_eq!(
        scene.find(&id, "1").await,
        Some(BegunCall { stream, entry })
    );
    assert_eq!(scene.place(&id, stream).await.1, Placed::Cancelled);
}

async fn an_ended_session_names_calls_that_are_not_placed_yet(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let ended = scene.end(&id).await;
    let entry = None;
    assert_eq!(ended, Some(vec![BegunCall { stream, entry }]));
    assert_eq!(scene.place(&id, stream).await.1, Placed::SessionEnded);
}

async fn a_call_that_is_over_before_it_is_placed_stays_forgotten(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    scene.forget(&id, stream).await;
    assert_eq!(scene.place(&id, stream).await.1, Placed::Running);
    assert_eq!(scene.find(&id, "1").await, None);
}

async fn running_calls_are_bounded(kind: Kind) {
    let limits = BusLimits {
        session_calls: 2,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let (id, other) = (scene.session().await, scene.session().await);
    let one = scene.begin(&id, "1").await.expect("there is room");
    scene.begin(&id, "2").await.expect("there is room");
    assert_eq!(scene.begin(&id, "3").await, None);
    assert_eq!(scene.find(&id, "3").await, None);
    scene.begin(&other, "3").await.expect("there is room");

    scene.forget(&id, one).await;
    scene.begin(&id, "3").await.expect("there is room");
    assert_eq!(scene.begin(&id, "4").await, None);
}

async fn an_ended_session_names_its_calls_until_it_is_forgotten(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let stranger = Principal {
        subject: "a stranger".to_owned(),
        ..Principal::anonymous()
    };
    let by_stranger = || scene.gateways.end_session(&id, &stranger);
    assert_eq!(by_stranger().await.unwrap(), None);
    assert!(scene.touch(&id).await.is_some(), "a stranger ended it");

    let running = Some(vec![BegunCall {
        stream,
        entry: None,
    }]);
    for _ in 0..2 {
        assert_eq!(scene.end(&id).await, running);
        is_absent(&scene, &id).await;
        assert_eq!(by_stranger().await.unwrap(), None);
    }
    for _ in 0..2 {
        scene.gateways.forget_session(&id).await.unwrap();
        assert_eq!(scene.end(&id).await, None);
    }
}

async fn a_call_that_is_begun_again_has_its_place(kind: Kind) {
    let limits = BusLimits {
        session_calls: 1,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let id = scene.session().await;
    let begin = BeginCall {
        stream: StreamId::generate(),
        request_id: json("1"),
    };
    for _ in 0..2 {
        let owner = Principal::anonymous();
        let touched = scene.gateways.touch_session(&id, &owner, Some(&begin));
        assert!(touched.await.unwrap().is_some_and(|t| t.has_room));
    }
    assert_eq!(scene.begin(&id, "2").await, None);
}

async fn a_cancel_is_told_to_whoever_places_the_call_again(kind: Kind) {
    let scene = kind.scene().await;
    let id = scene.session().await;
    let stream = scene.begin(&id, "1").await.expect("there is room");
    let cancelled = scene.gateways.cancel_calls(&id, &json("1")).await;
    assert_eq!(cancelled.unwrap().len(), 1);
    for _ in 0..2 {
        assert_eq!(scene.place(&id, stream).await.1, Placed::Cancelled);
    }
}
