//! What is written once.

use std::time::Duration;

use crate::scene::{Kind, Scene};

for_both_buses! {
    the_first_decides,
    it_is_forgotten_when_its_life_is_over,
    of_many_at_once_one_is_the_first,
}

const LONG: Duration = Duration::from_secs(60);

async fn put(scene: &Scene, name: &str, value: &str) -> String {
    scene.gateways.put_once(name, value, LONG).await.unwrap()
}

async fn the_first_decides(kind: Kind) {
    let scene = kind.scene().await;
    assert_eq!(scene.gateways.read_once("a").await.unwrap(), None);
    assert_eq!(put(&scene, "a", "one").await, "one");
    assert_eq!(put(&scene, "a", "two").await, "one");
    assert_eq!(put(&scene, "a", "one").await, "one", "it may ask again");
    assert_eq!(put(&scene, "b", "two").await, "two", "names are apart");
    let read = scene.workers.read_once("a").await.unwrap();
    assert_eq!(read.as_deref(), Some("one"));
}

async fn it_is_forgotten_when_its_life_is_over(kind: Kind) {
    let scene = kind.scene().await;
    let brief = Duration::from_millis(40);
    scene.gateways.put_once("a", "one", brief).await.unwrap();
    // A later attempt does not prolong it.
    scene.gateways.put_once("a", "two", LONG).await.unwrap();
    tokio::time::sleep(brief * 3).await;
    assert_eq!(scene.gateways.read_once("a").await.unwrap(), None);
    assert_eq!(put(&scene, "a", "two").await, "two");
}

async fn of_many_at_once_one_is_the_first(kind: Kind) {
    let scene = kind.scene().await;
    let attempts = (0..16).map(|n| {
        let (bus, value) = (scene.gateways.clone(), n.to_string());
        tokio::spawn(async move { bus.put_once("a", &value, LONG).await.unwrap() == value })
    });
    let mut first = 0;
    for attempt in attempts.collect::<Vec<_>>() {
        first += usize::from(attempt.await.unwrap());
    }
    assert_eq!(first, 1);
}
