//! [`ChangeFeed`](prynai_bus::ChangeFeed): one log of changes for all who read it.

use prynai_bus::ids::SessionId;
use prynai_bus::wire::change::Change;
use prynai_bus::{BusLimits, FeedPosition, InvalidPosition, NewsReceiver, PositionedChange};

use crate::scene::{Kind, Scene, begun, next};

for_both_buses! {
    changes_are_read_in_the_order_of_their_positions,
    every_kind_of_change_passes,
    an_empty_feed_has_a_position_to_begin_at,
    the_newest_position_is_where_the_future_begins,
    the_feed_is_read_in_pages,
    the_newest_changes_are_kept_and_the_loss_of_others_shows,
    a_position_of_another_epoch_shows_the_loss,
    every_subscriber_hears_every_change_in_order,
    news_and_log_have_one_order,
    a_subscription_ends_with_its_receiver,
}

impl Scene {
    async fn publish(&self, number: usize) -> PositionedChange {
        let change = updated(number);
        let position = self.workers.publish_change(&change).await;
        PositionedChange {
            position: position.expect("published"),
            change,
        }
    }

    async fn newest(&self) -> FeedPosition {
        self.gateways.newest_change().await.expect("the newest")
    }

    async fn changes(&self) -> NewsReceiver<PositionedChange> {
        begun(self.gateways.change_news().await.expect("subscribed")).await
    }

    /// Everything after a position, and whether something is lost.
    async fn read(&self, after: &FeedPosition) -> (Vec<PositionedChange>, bool) {
        let page = self.gateways.read_changes(after, 10_000).await;
        let page = page.expect("read");
        (page.changes, page.lost)
    }
}

fn updated(number: usize) -> Change {
    Change::ResourceUpdated {
        uri: format!("test://{number}"),
    }
}

async fn changes_are_read_in_the_order_of_their_positions(kind: Kind) {
    let scene = kind.scene().await;
    let start = scene.newest().await;
    let mut published = Vec::new();
    for number in 0..20 {
        published.push(scene.publish(number).await);
    }
    for pair in published.windows(2) {
        assert!(pair[1].position.is_after(&pair[0].position), "{pair:?}");
    }
    assert!(published[0].position.is_after(&start));
    assert_eq!(scene.read(&start).await, (published.clone(), false));
    let half = &published[9].position;
    assert_eq!(scene.read(half).await, (published[10..].to_vec(), false));
}

async fn every_kind_of_change_passes(kind: Kind) {
    let scene = kind.scene().await;
    let start = scene.newest().await;
    let session = SessionId::generate();
    let changes = [
        Change::ToolsListChanged,
        Change::PromptsListChanged,
        Change::ResourcesListChanged,
        updated(1),
        Change::CatalogChanged,
        Change::SessionChanged {
            session: session.clone(),
        },
        Change::SessionEnded { session },
    ];
    for change in &changes {
        scene.workers.publish_change(change).await.unwrap();
    }
    let (read, _) = scene.read(&start).await;
    let read: Vec<_> = read
        .into_iter()
        .map(|positioned| positioned.change)
        .collect();
    assert_eq!(read, changes);
}

async fn an_empty_feed_has_a_position_to_begin_at(kind: Kind) {
    let scene = kind.scene().await;
    let start = scene.newest().await;
    assert_eq!(scene.newest().await, start);
    assert_eq!(
        scene.workers.newest_change().await.unwrap(),
        start,
        "for everybody"
    );
    assert_eq!(scene.read(&start).await, (Vec::new(), false));

    let first = scene.publish(1).await;
    assert_eq!(scene.read(&start).await, (vec![first], false));
}

async fn the_newest_position_is_where_the_future_begins(kind: Kind) {
    let scene = kind.scene().await;
    let published = scene.publish(1).await;
    let newest = scene.newest().await;
    assert_eq!(newest, published.position);
    assert_eq!(scene.read(&newest).await, (Vec::new(), false));
    // It may have been with a client meanwhile.
    let returned: FeedPosition = newest.to_string().parse().unwrap();
    let next = scene.publish(2).await;
    assert_eq!(scene.read(&returned).await, (vec![next], false));
}

async fn the_feed_is_read_in_pages(kind: Kind) {
    let scene = kind.scene().await;
    let mut after = scene.newest().await;
    let mut published = Vec::new();
    for number in 0..7 {
        published.push(scene.publish(number).await);
    }
    let mut read = Vec::new();
    for expected in [3, 3, 1, 0] {
        let page = scene.gateways.read_changes(&after, 3).await.unwrap();
        assert_eq!((page.changes.len(), page.lost), (expected, false));
        if let Some(last) = page.changes.last() {
            after = last.position.clone();
        }
        read.extend(page.changes);
    }
    assert_eq!(read, published);
}

async fn the_newest_changes_are_kept_and_the_loss_of_others_shows(kind: Kind) {
    const KEPT: usize = 10;
    let limits = BusLimits {
        feed: KEPT,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let start = scene.newest().await;
    let mut published = Vec::new();
    for number in 0..KEPT {
        published.push(scene.publish(number).await);
    }
    assert_eq!(
        scene.read(&start).await,
        (published.clone(), false),
        "at the bound"
    );

    // So many more that even a bound kept roughly is reached.
    for number in 0..500 {
        published.push(scene.publish(number).await);
    }
    let oldest_kept = published.len() - KEPT;
    for lost_from in [&start, &published[0].position] {
        let (read, lost) = scene.read(lost_from).await;
        assert!(lost, "the loss is hidden");
        assert!(read.len() < published.len(), "the feed is not trimmed");
        assert!(published[..oldest_kept + KEPT].ends_with(&read), "{read:?}");
    }
    let before_kept = &published[oldest_kept - 1].position;
    let expected = (published[oldest_kept..].to_vec(), false);
    assert_eq!(scene.read(before_kept).await, expected);
}

async fn a_position_of_another_epoch_shows_the_loss(kind: Kind) {
    let scene = kind.scene().await;
    let first = scene.publish(1).await;
    let second = scene.publish(2).await;
    let of_another_life = FeedPosition {
        epoch: "another".into(),
        ..first.position.clone()
    };
    assert!(!second.position.is_after(&of_another_life));
    assert!(!of_another_life.is_after(&first.position));
    let read = scene.read(&of_another_life).await;
    assert_eq!(read, (vec![first, second], true));
}

async fn every_subscriber_hears_every_change_in_order(kind: Kind) {
    let scene = kind.scene().await;
    let mut subscriptions = [scene.changes().await, scene.changes().await];
    let mut published = Vec::new();
    for number in 0..20 {
        published.push(scene.publish(number).await);
    }
    for news in &mut subscriptions {
        for expected in &published {
            assert_eq!(next(news).await, *expected);
        }
    }
}

async fn news_and_log_have_one_order(kind: Kind) {
    let scene = kind.scene().await;
    let start = scene.newest().await;
    let mut news = scene.changes().await;
    let publish = |number: usize| {
        let bus = [&scene.gateways, &scene.workers][number % 2].clone();
        async move { bus.publish_change(&updated(number)).await.unwrap() }
    };
    futures::future::join_all((0..50).map(publish)).await;

    let (read, lost) = scene.read(&start).await;
    assert_eq!((read.len(), lost), (50, false));
    for expected in read {
        assert_eq!(next(&mut news).await, expected);
    }
}

async fn a_subscription_ends_with_its_receiver(kind: Kind) {
    let scene = kind.scene().await;
    let first = scene.changes().await;
    let mut second = scene.changes().await;
    drop(first);
    let published = scene.publish(1).await;
    assert_eq!(next(&mut second).await, published);
    drop(second);
    scene.publish(2).await;
    let mut third = scene.changes().await;
    let published = scene.publish(3).await;
    assert_eq!(next(&mut third).await, published);
}

#[test]
fn a_position_reads_back_as_it_was_written() {
    let position = FeedPosition {
        epoch: "7f3a".into(),
        major: u64::MAX,
        minor: 0,
    };
    assert_eq!(position.to_string(), "7f3a-18446744073709551615-0");
    assert_eq!(position.to_string().parse(), Ok(position));
}

#[test]
fn what_is_no_position_is_refused() {
    let long = "a".repeat(33);
    for text in [
        "",
        "-",
        "--",
        "-1-2",
        "a-1",
        "a-1-",
        "a-1-2-3",
        "a-1-x",
        "a--1-2",
        "a:b-1-2",
        "a-18446744073709551616-0",
        &format!("{long}-1-2"),
    ] {
        assert_eq!(
            text.parse::<FeedPosition>(),
            Err(InvalidPosition),
            "{text:?}"
        );
    }
}
