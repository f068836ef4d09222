//! Token buckets.

use std::time::Duration;

use prynai_bus::{Bucket, Taken};

use crate::scene::{Kind, Scene};

for_both_buses! {
    a_bucket_begins_full_and_is_shared,
    tokens_come_back_and_no_more_than_fit,
    an_empty_bucket_says_for_how_long,
    buckets_do_not_touch_each_other,
}

fn bucket(name: &str, period: Duration, burst: u32) -> Bucket {
    Bucket {
        name: name.to_owned(),
        period,
        burst,
    }
}

async fn take(scene: &Scene, bucket: &Bucket, wanted: u32) -> Taken {
    scene.gateways.take(bucket, wanted).await.unwrap()
}

const HOUR: Duration = Duration::from_secs(3600);

async fn a_bucket_begins_full_and_is_shared(kind: Kind) {
    let scene = kind.scene().await;
    let hourly = bucket("hourly", HOUR, 10);
    assert_eq!(take(&scene, &hourly, 4).await.tokens, 4);
    let other = scene.workers.take(&hourly, 4).await.unwrap();
    assert_eq!((other.tokens, other.next), (4, Duration::ZERO));
    assert_eq!(take(&scene, &hourly, 4).await.tokens, 2);
    assert_eq!(take(&scene, &hourly, 4).await.tokens, 0);
}

async fn tokens_come_back_and_no_more_than_fit(kind: Kind) {
    let scene = kind.scene().await;
    let quick = bucket("quick", Duration::from_millis(10), 3);
    assert_eq!(take(&scene, &quick, 3).await.tokens, 3);
    // It is full again after 30 ms, and no fuller later.
    tokio::time::sleep(Duration::from_millis(100)).await;
    assert_eq!(take(&scene, &quick, 100).await.tokens, 3);
}

async fn an_empty_bucket_says_for_how_long(kind: Kind) {
    let scene = kind.scene().await;
    let hourly = bucket("hourly", HOUR, 2);
    let taken = take(&scene, &hourly, 5).await;
    assert_eq!(taken.tokens, 2);
    let soon = HOUR - Duration::from_secs(60);
    assert!((soon..=HOUR).contains(&taken.next), "{taken:?}");
    let again = take(&scene, &hourly, 1).await;
    assert_eq!(again.tokens, 0);
    assert!((soon..=taken.next).contains(&again.next), "{again:?}");
    // With a faster rate it is fuller.
    let faster = bucket("hourly", Duration::from_micros(1), 2);
    assert_eq!(
        take(&scene, &faster, 1).await.tokens,
        0,
        "it is still known to be empty"
    );
}

async fn buckets_do_not_touch_each_other(kind: Kind) {
    let scene = kind.scene().await;
    let (one, two) = (bucket("one", HOUR, 1), bucket("two", HOUR, 1));
    assert_eq!(take(&scene, &one, 1).await.tokens, 1);
    assert_eq!(take(&scene, &two, 1).await.tokens, 1);
    assert_eq!(take(&scene, &one, 1).await.tokens, 0);
}
