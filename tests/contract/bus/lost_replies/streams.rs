//! The log of a stream, and what is said to its worker.

use std::time::Duration;

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::request::Era;
use prynai_bus::{BusLimits, Posted, TakeOver};

use super::{WINDOW, always, in_every_way, tiny_pages};
use crate::scene::json;

#[tokio::test]
async fn a_log_is_opened_followed_and_released() {
    always(async |shaky| {
        let (scene, bus) = (&shaky.scene, &shaky.bus);
        let owner = scene.owned().await;
        let (stream, gateway) = (owner.stream, &scene.gateway);
        let open = || bus.open_log(&stream, gateway, None, Era::Modern);
        shaky.done(open).await;
        let event = scene.say(&owner, 1).await;
        let read = shaky.done(|| bus.read_log(&stream, None, 0)).await;
        assert_eq!(read.unwrap().events, [event]);
        let newest = shaky.done(|| bus.follow(&stream, gateway, None)).await;
        assert_eq!(newest, Some(1));
        scene.respond(&owner, 2).await;
        let streams = [stream];
        shaky.done(|| bus.release(&streams)).await;
        assert_eq!(scene.log(stream).await, None);
    })
    .await;
}

#[tokio::test]
async fn a_log_is_kept_briefly() {
    let limits = BusLimits {
        brief_retention: Duration::from_millis(1),
        ..BusLimits::default()
    };
    in_every_way(limits, async |shaky| {
        let id = shaky.session().await;
        let owner = shaky.talking(&id).await;
        shaky.scene.respond(&owner, 2).await;
        let gateways = &shaky.scene.gateways;
        let log = || gateways.read_log(&owner.stream, Some(&id), 0);
        assert!(log().await.unwrap().is_some());
        shaky.done(|| shaky.bus.keep_briefly(&owner.stream)).await;
        prynai_test_redis::assert_eventually!(log().await.unwrap().is_none());
    })
    .await;
}

#[tokio::test]
async fn a_stream_is_taken_over() {
    always(async |shaky| {
        let (from, worker) = (shaky.scene.owned().await, WorkerId::generate());
        shaky.scene.say(&from, 1).await;
        let owner = shaky
            .scene
            .passed_on(&from, &worker)
            .await
            .ownership(&worker);
        let taken = shaky.done(|| shaky.bus.take_over(&owner)).await;
        assert_eq!(
            taken,
            TakeOver::Taken {
                newest: 1,
                task: None
            }
        );
        shaky.scene.respond(&owner, 2).await;
    })
    .await;
}

#[tokio::test]
async fn a_call_is_cancelled() {
    always(async |shaky| {
        let waiting = shaky.scene.request();
        let entry = shaky.scene.gateways.enqueue(&waiting).await.unwrap();
        let unknown = StreamId::generate();
        let cancel = || {
            shaky
                .bus
                .cancel_call(&waiting.stream, Some(&entry), Era::Modern)
        };
        shaky.done(cancel).await;
        let cancel = || shaky.bus.cancel_call(&unknown, None, Era::Modern);
        shaky.done(cancel).await;
        let streams = [waiting.stream, unknown];
        let marked = shaky.done(|| shaky.bus.cancelled_among(&streams)).await;
        assert_eq!(marked, streams);
        // A reply about the marks is lost as well.
        let claims = shaky.claims(&WorkerId::generate(), 1).await;
        assert!(claims[0].cancelled, "a cancelled call is begun");
    })
    .await;
}

#[tokio::test]
async fn messages_that_are_larger_than_a_page_are_taken_once() {
    in_every_way(tiny_pages(), async |shaky| {
        let id = shaky.session().await;
        let owner = shaky.talking(&id).await;
        let letters = [json("[1]"), json("[2]")];
        for letter in &letters {
            let posted = shaky.scene.gateways.post_mail(&owner.stream, &id, letter);
            assert_eq!(posted.await.unwrap(), Posted::Accepted);
        }
        shaky.hit();
        let (mut taken, mut received) = (Vec::new(), 0);
        loop {
            let take = || shaky.bus.take_mail(&owner, received);
            let mail = shaky.again(take).await;
            if mail.received == received {
                break;
            }
            assert_eq!(mail.messages.len(), 1);
            taken.extend(mail.messages);
            received = mail.received;
        }
        assert_eq!(taken, letters);
    })
    .await;
}

#[tokio::test]
async fn a_message_is_posted_and_taken_once() {
    always(async |shaky| {
        let id = shaky.session().await;
        let owner = shaky.talking(&id).await;
        let letters = [json("1"), json("2")];
        for letter in &letters {
            let post = || shaky.bus.post_mail(&owner.stream, &id, letter);
            assert_eq!(shaky.done(post).await, Posted::Accepted);
        }
        let mail = shaky.done(|| shaky.bus.take_mail(&owner, 0)).await;
        assert_eq!(mail.messages, letters);
        let received = mail.received;
        let mail = shaky.done(|| shaky.bus.take_mail(&owner, received)).await;
        assert_eq!(mail.messages, [] as [RawJson; 0]);
        assert_eq!(mail.received, received);
    })
    .await;
}

#[tokio::test]
async fn a_gateway_is_heard() {
    always(async |shaky| {
        let gateways = [shaky.scene.gateway.clone()];
        shaky.done(|| shaky.bus.beat(&gateways[0], WINDOW)).await;
        let silent = shaky.done(|| shaky.bus.silent_among(&gateways)).await;
        assert_eq!(silent, []);
    })
    .await;
}
