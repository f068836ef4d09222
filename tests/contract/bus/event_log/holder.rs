//! Which gateway hears what is written.

use prynai_bus::LogState;
use prynai_bus::ids::{GatewayId, SessionId};
use prynai_bus::wire::request::Era;

use crate::scene::{Kind, modern_request, next};

for_both_buses! {
    only_the_holder_hears_the_events,
    following_moves_the_events_to_the_follower,
    reading_leaves_the_events_with_their_holder,
    every_reader_learns_who_holds_the_stream,
    the_holder_that_opened_the_log_hears_the_first_event,
}

async fn only_the_holder_hears_the_events(kind: Kind) {
    let scene = kind.scene().await;
    let other = GatewayId::generate();
    let mut ours = scene.events_of(&scene.gateway).await;
    let mut theirs = scene.events_of(&other).await;

    let owner = scene.owned().await;
    let their_request = modern_request(&other);
    let their_owner = scene.claimed(&their_request).await.ownership(&scene.worker);
    let our_events = [scene.say(&owner, 1).await, scene.respond(&owner, 2).await];
    let their_event = scene.respond(&their_owner, 1).await;

    assert_eq!(next(&mut theirs).await, their_event);
    assert_eq!([next(&mut ours).await, next(&mut ours).await], our_events);
}

async fn following_moves_the_events_to_the_follower(kind: Kind) {
    let scene = kind.scene().await;
    let follower = GatewayId::generate();
    let mut before = scene.events_of(&scene.gateway).await;
    let mut after = scene.events_of(&follower).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;

    let follow = scene.gateways.follow(&owner.stream, &follower, None);
    assert_eq!(follow.await.unwrap(), Some(1));
    let read = scene.gateways.read_log(&owner.stream, None, 0).await;
    let page = read.unwrap().expect("the log is there");
    assert_eq!(page.events, std::slice::from_ref(&first));

    // The holder named in the worker's claim is overruled.
    let second = scene.say(&owner, 2).await;
    let last = scene.respond(&owner, 3).await;
    assert_eq!(
        [next(&mut after).await, next(&mut after).await],
        [second, last]
    );
    let sentinel = scene.respond(&scene.owned().await, 1).await;
    assert_eq!(
        [next(&mut before).await, next(&mut before).await],
        [first, sentinel]
    );
}

async fn reading_leaves_the_events_with_their_holder(kind: Kind) {
    let scene = kind.scene().await;
    let mut events = scene.events_of(&scene.gateway).await;
    let owner = scene.owned().await;
    let first = scene.say(&owner, 1).await;
    let second = scene.say(&owner, 2).await;

    let stream = &owner.stream;
    let read = scene.workers.read_log(stream, None, 1).await.unwrap();
    let read = read.expect("the log is there");
    assert_eq!(read.events, std::slice::from_ref(&second));
    assert_eq!((read.newest, read.state), (2, LogState::Open));
    let other = SessionId::generate();
    let refused = scene.gateways.read_log(stream, Some(&other), 0).await;
    assert_eq!(refused.unwrap(), None, "of another session");

    let last = scene.respond(&owner, 3).await;
    for expected in [first, second, last] {
        assert_eq!(next(&mut events).await, expected);
    }
}

async fn every_reader_learns_who_holds_the_stream(kind: Kind) {
    let scene = kind.scene().await;
    let follower = GatewayId::generate();
    let owner = scene.owned().await;
    let stream = &owner.stream;
    let holder = async || {
        let read = scene.gateways.read_log(stream, None, 0).await.unwrap();
        read.expect("the log is there").holder
    };
    scene.say(&owner, 1).await;
    assert_eq!(holder().await.as_ref(), Some(&scene.gateway));

    let follow = scene.gateways.follow(stream, &follower, None).await;
    assert_eq!(follow.unwrap(), Some(1));
    assert_eq!(holder().await.as_ref(), Some(&follower));
    scene.respond(&owner, 2).await;
    assert_eq!(holder().await.as_ref(), Some(&follower));

    // Made by its response, a log need not name the gateway that the request names.
    let at_once = scene.owned().await;
    scene.respond(&at_once, 1).await;
    let read = scene.gateways.read_log(&at_once.stream, None, 0).await;
    let holder = read.unwrap().expect("the log is there").holder;
    assert!(holder.is_none_or(|holder| holder == scene.gateway));
}

async fn the_holder_that_opened_the_log_hears_the_first_event(kind: Kind) {
    let scene = kind.scene().await;
    let opener = GatewayId::generate();
    let mut events = scene.events_of(&opener).await;
    let owner = scene.owned().await;
    let opened = scene
        .gateways
        .open_log(&owner.stream, &opener, None, Era::Modern)
        .await;
    opened.unwrap();
    let first = scene.say(&owner, 1).await;
    assert_eq!(next(&mut events).await, first);
}
