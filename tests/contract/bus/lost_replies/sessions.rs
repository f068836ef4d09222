//! Sessions, and the calls that run in them.

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::SessionChange;
use prynai_bus::{BeginCall, BegunCall, BusLimits, Placed};

use super::{always, in_every_way};
use crate::scene::{call_ref, json, session};

#[tokio::test]
async fn a_session_is_opened_used_and_changed() {
    let limits = BusLimits {
        session_calls: 1,
        session_subscriptions: 1,
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let (bus, owner) = (&shaky.bus, Principal::anonymous());
        let opened = session(&SessionId::generate());
        let id = opened.id.clone();
        shaky.done(|| bus.create_session(&opened)).await;
        let begin = BeginCall {
            stream: StreamId::generate(),
            request_id: json("1"),
        };
        let touch = || bus.touch_session(&id, &owner, Some(&begin));
        let touched = shaky.done(touch).await.expect("it lives");
        assert!(touched.has_room, "it has the room itself");
        shaky.done(|| bus.forget_call(&id, &begin.stream)).await;
        for uri in ["test://a", "test://b"] {
            let subscribe = SessionChange::Subscribe(uri.to_owned());
            assert!(shaky.done(|| bus.change_session(&id, &subscribe)).await);
            let touched = shaky.done(touch).await.expect("it lives");
            assert!(touched.has_room);
            assert!(shaky.done(|| bus.keep_session(&id, &owner)).await);
            let uris = shaky.done(|| bus.subscriptions(&id)).await;
            assert!(uris.expect("it lives").contains(uri));
            let unsubscribe = SessionChange::Unsubscribe(uri.to_owned());
            assert!(shaky.done(|| bus.change_session(&id, &unsubscribe)).await);
        }
    })
    .await;
}

#[tokio::test]
async fn the_calls_of_a_session_that_ends_are_named() {
    always(async |shaky| {
        let (bus, owner) = (&shaky.bus, Principal::anonymous());
        let id = shaky.session().await;
        let stream = shaky.begun(&id).await.stream;
        let running = BegunCall {
            stream,
            entry: None,
        };
        let ended = shaky.done(|| bus.end_session(&id, &owner)).await;
        assert_eq!(ended, Some(vec![running]));
        shaky.done(|| bus.forget_session(&id)).await;
        let ended = shaky.scene.gateways.end_session(&id, &owner).await;
        assert_eq!(ended.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_cancel_reaches_a_call_that_is_being_placed() {
    always(async |shaky| {
        let bus = &shaky.bus;
        let id = shaky.session().await;
        let begin = shaky.begun(&id).await;
        let cancel = || bus.note_cancel(&id, &begin.request_id);
        let found = shaky.done(cancel).await;
        assert_eq!(found.len(), 1);
        let claim = shaky.scene.claimed(&shaky.scene.request()).await;
        let call = prynai_bus::wire::request::CallRef {
            stream: begin.stream,
            ..call_ref(&claim)
        };
        let placed = shaky.done(|| bus.place_call(&id, &call)).await;
        assert_eq!(placed, Placed::Cancelled);
    })
    .await;
}
