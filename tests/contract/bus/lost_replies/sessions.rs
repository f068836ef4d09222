//! Sessions, and the calls that run in them.

use prynai_bus::ids::SessionId;
use prynai_bus::wire::principal::Principal;
use prynai_bus::wire::session::SessionChange;
use prynai_bus::{BusError, BusLimits};

use super::{always, in_every_way};
use crate::scene::{json, legacy_request, session};

#[tokio::test]
async fn a_session_is_opened_used_and_changed() {
    let limits = BusLimits {
        session_subscriptions: 1,
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let (bus, owner) = (&shaky.bus, Principal::anonymous());
        let opened = session(&SessionId::generate());
        let id = opened.id.clone();
        shaky.done(|| bus.create_session(&opened)).await;
        let touch = || bus.touch_session(&id, &owner);
        assert_eq!(shaky.done(touch).await, Some(opened.clone()));
        let recall = || bus.recall_session(&id, &owner);
        assert_eq!(shaky.done(recall).await, Some(opened));
        for uri in ["test://a", "test://b"] {
            let subscribe = SessionChange::Subscribe(uri.to_owned());
            assert!(shaky.done(|| bus.change_session(&id, &subscribe)).await);
            assert!(shaky.done(recall).await.is_some());
            assert!(shaky.done(|| bus.keep_session(&id, &owner)).await);
            assert_eq!(shaky.done(|| bus.count_sessions()).await, 1);
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
        let running = shaky.called(&id).await;
        let ended = shaky.done(|| bus.end_session(&id, &owner)).await;
        assert_eq!(ended.map(|ended| ended.calls), Some(vec![running]));
        shaky.done(|| bus.forget_session(&id)).await;
        let ended = shaky.scene.gateways.end_session(&id, &owner).await;
        assert_eq!(ended.unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn a_call_is_queued_once_and_found_or_never_begun() {
    always(async |shaky| {
        let id = shaky.session().await;
        let request = legacy_request(&shaky.scene.gateway, &id);
        shaky.hit();
        let queued = shaky.bus.enqueue_call(&request).await;
        let claims = shaky.left().await;
        match queued {
            Ok(entry) => {
                assert_eq!(claims.len(), 1, "{claims:?}");
                assert_eq!((&claims[0].entry, claims[0].cancelled), (&entry, false));
            }
            Err(BusError::Unavailable(_)) => assert!(claims.iter().all(|c| c.cancelled)),
            Err(error) => panic!("{error}"),
        }
        let found = shaky.scene.gateways.find_calls(&id, &json("1")).await;
        let claimed = claims.into_iter().map(|claim| claim.entry);
        let found = found.unwrap().into_iter().map(|call| call.entry);
        assert_eq!(Vec::from_iter(found), Vec::from_iter(claimed));
    })
    .await;
}

#[tokio::test]
async fn the_calls_of_a_request_id_are_found() {
    always(async |shaky| {
        let id = shaky.session().await;
        let call = shaky.called(&id).await;
        let request_id = json("1");
        let find = || shaky.bus.find_calls(&id, &request_id);
        assert_eq!(shaky.done(find).await, [call]);
    })
    .await;
}
