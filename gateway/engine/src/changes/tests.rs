//! The feed as readers of a gateway hear it, over the memory bus.

use prynai_bus::ids::{SessionId, StreamId};
use prynai_bus::wire::change::Change;
use prynai_bus::{Bus, BusLimits};
use prynai_memory_bus::MemoryBus;
use tokio::task::JoinHandle;

use super::*;

const LONG: Duration = Duration::from_secs(30);

struct Scene {
    bus: Arc<dyn Bus>,
    changes: Changes,
    task: JoinHandle<()>,
}

impl Scene {
    async fn new(limits: BusLimits) -> Self {
        let bus: Arc<dyn Bus> = MemoryBus::new(limits);
        Self::on(bus).await
    }

    /// One more gateway.
    async fn on(bus: Arc<dyn Bus>) -> Self {
        let news = bus.change_news().await.unwrap();
        let (changes, task) = Changes::new(bus.clone(), news).await.unwrap();
        Self {
            bus,
            changes,
            task: tokio::spawn(task),
        }
    }

    async fn publish(&self, change: &Change) -> FeedPosition {
        self.bus.publish_change(change).await.unwrap()
    }

    async fn update(&self, uri: &str) -> FeedPosition {
        self.publish(&updated(uri)).await
    }

    /// Hears of one resource.
    fn reader(&self, position: Option<FeedPosition>, uri: &str) -> FeedReader {
        self.changes.reader(position, resource(uri))
    }

    /// Returns once everything published before is known here.
    async fn settle(&self) {
        let newest = self.bus.newest_change().await.unwrap();
        let settled = async {
            while *lock(&self.changes.registry).newest() != newest {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(LONG, settled).await.unwrap();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn updated(uri: &str) -> Change {
    Change::ResourceUpdated {
        uri: uri.to_owned(),
    }
}

fn resource(uri: &str) -> Interest {
    [Topic::Resource(uri.into())].into()
}

async fn next(reader: &mut FeedReader) -> Heard {
    let heard = tokio::time::timeout(LONG, reader.next()).await;
    heard.expect("is heard in time")
}

/// The position of the change that is heard next.
async fn heard(reader: &mut FeedReader) -> FeedPosition {
    match next(reader).await {
        Heard::Change(change) => change.position.clone(),
        Heard::AssumeAnything => panic!("nothing was lost"),
    }
}

#[tokio::test]
async fn a_crowd_of_streams_hears_only_what_concerns_each() {
    let scene = Scene::new(BusLimits::default()).await;
    let mut readers: Vec<_> = (0..1_000)
        .map(|number| scene.reader(None, &format!("a://{number}")))
        .collect();
    let first = scene.update("a://999").await;
    scene.update("b://1").await;
    let second = scene.update("a://999").await;
    let last = readers.last_mut().unwrap();
    assert_eq!(heard(last).await, first);
    assert_eq!(heard(last).await, second);
    scene.settle().await;
    for reader in &mut readers {
        let mut heard = std::pin::pin!(reader.next());
        assert!(futures::poll!(&mut heard).is_pending());
    }
}

#[tokio::test]
async fn who_lags_loses_nothing_and_hears_nothing_twice() {
    let scene = Scene::new(BusLimits::default()).await;
    let mut readers: Vec<_> = (0..20).map(|_| scene.reader(None, "a://1")).collect();
    let mut published = Vec::new();
    for number in 0..1_000 {
        published.push(scene.update("a://1").await);
        scene.update(&format!("b://{number}")).await;
        tokio::task::yield_now().await;
    }
    for reader in &mut readers {
        for position in &published {
            assert_eq!(heard(reader).await, *position);
            assert_eq!(reader.position(), *position);
        }
    }
    // And goes on when nothing waits any more.
    let one_more = scene.update("a://1").await;
    assert_eq!(heard(&mut readers[0]).await, one_more);
}

#[tokio::test]
async fn a_stream_resumes_anywhere_from_where_it_was() {
    let scene = Scene::new(BusLimits::default()).await;
    let begun = scene.bus.newest_change().await.unwrap();
    let mut published = Vec::new();
    for _ in 0..200 {
        published.push(scene.update("a://1").await);
        scene.update("b://1").await;
    }
    // One that began after all of it, and knows the feed all the same.
    let other = Scene::on(scene.bus.clone()).await;
    for scene in [&scene, &other] {
        for from in [0, 70, 199] {
            let mut resumed = scene.reader(Some(published[from].clone()), "a://1");
            for position in &published[from + 1..] {
                assert_eq!(heard(&mut resumed).await, *position);
            }
            let last = scene.update("a://1").await;
            assert_eq!(heard(&mut resumed).await, last);
            published.push(last);
        }
    }
    let mut resumed = scene.reader(Some(begun), "b://1");
    for _ in 0..200 {
        heard(&mut resumed).await;
    }
}

#[tokio::test]
async fn who_is_ahead_of_its_gateway_hears_nothing_twice() {
    let scene = Scene::new(BusLimits::default()).await;
    // Stands still: another gateway has heard more.
    scene.task.abort();
    scene.update("a://1").await;
    let ahead = scene.update("a://1").await;
    assert!(!scene.changes.is_to_come(&ahead).await.unwrap());
    let mut reader = scene.reader(Some(ahead.clone()), "a://1");
    let newest = scene.update("a://1").await;
    scene.changes.read_on().await.unwrap();
    assert_eq!(heard(&mut reader).await, newest);
    let to_come = FeedPosition {
        major: newest.major + 1,
        ..newest
    };
    assert!(scene.changes.is_to_come(&to_come).await.unwrap());
}

#[tokio::test]
async fn what_is_gone_is_told_of_and_what_follows_is_heard() {
    let feed = 300;
    let scene = Scene::new(BusLimits {
        feed,
        ..BusLimits::default()
    })
    .await;
    let begun = scene.bus.newest_change().await.unwrap();
    let mut deaf = scene.reader(None, "a://1");
    // It hears nothing while more happens than the feed keeps.
    scene.task.abort();
    for _ in 0..=feed {
        scene.update("a://1").await;
    }
    scene.changes.read_on().await.unwrap();
    assert_eq!(next(&mut deaf).await, Heard::AssumeAnything);
    let newest = scene.bus.newest_change().await.unwrap();
    let known = deaf.position();
    assert!(known.is_after(&begun) && !known.is_after(&newest));
    // One page told that there was a hole; what comes after that is heard one by one.
    while deaf.position() != newest {
        let before = deaf.position();
        assert!(heard(&mut deaf).await.is_after(&before));
    }
    let last = scene.update("a://1").await;
    scene.changes.read_on().await.unwrap();
    assert_eq!(heard(&mut deaf).await, last);

    for from in [
        begun,
        FeedPosition {
            epoch: "another".into(),
            ..last.clone()
        },
    ] {
        let mut resumed = scene.reader(Some(from), "a://1");
        assert_eq!(next(&mut resumed).await, Heard::AssumeAnything);
        assert_eq!(resumed.position(), last);
    }
}

#[tokio::test]
async fn a_subscription_is_heard_of_from_its_place_in_the_feed_on() {
    let scene = Scene::new(BusLimits::default()).await;
    let session = SessionId::generate();
    let mut interest = Interest::from([Topic::Session(session.clone())]);
    let mut reader = scene.changes.reader(None, interest.clone());
    scene.update("a://1").await;
    let subscribed = scene.publish(&Change::SessionChanged { session }).await;
    let update = scene.update("a://1").await;
    // All of it is there before the reader learns that it has subscribed.
    scene.settle().await;
    assert_eq!(heard(&mut reader).await, subscribed);
    interest.extend(resource("a://1"));
    reader.wait_for(interest);
    assert_eq!(heard(&mut reader).await, update);
}

#[tokio::test]
async fn an_opening_is_heard_by_its_own_session() {
    let scene = Scene::new(BusLimits::default()).await;
    let sessions = [SessionId::generate(), SessionId::generate()];
    let mut readers = sessions.clone().map(|session| {
        let interest = Interest::from([Topic::Session(session)]);
        scene.changes.reader(None, interest)
    });
    for session in sessions {
        let listener = StreamId::generate();
        let opening = Change::SessionListening { session, listener };
        let position = scene.publish(&opening).await;
        let newest = readers.iter_mut().find(|l| l.position() != position);
        assert!(newest.is_some());
    }
    let positions = [heard(&mut readers[0]).await, heard(&mut readers[1]).await];
    assert!(positions[1].is_after(&positions[0]));
}
