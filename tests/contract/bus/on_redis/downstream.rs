//! Tokens for other APIs lie in Redis sealed, and open only for whom and what they are for.

use std::time::Duration;

use prynai_bus::{BusError, DownstreamToken};
use prynai_test_redis::server::{RedisServer, unique_prefix};

use crate::scene::Scene;

const LONG: Duration = Duration::from_secs(60);

fn token() -> DownstreamToken {
    DownstreamToken {
        token: "eyJ.what-nobody-must-read.x".to_owned(),
        ends_s: 7,
    }
}

async fn keys(server: &RedisServer, prefix: &str) -> Vec<String> {
    server
        .command(&["KEYS", &format!("{prefix}*downstream:*")])
        .await
}

#[tokio::test]
async fn who_reads_redis_reads_neither_token_nor_whose_it_is() {
    let (server, prefix) = (RedisServer::shared().await, unique_prefix());
    let scene = Scene::downstream(&server, &prefix, [&["a"], &["a"]]).await;
    scene
        .gateways
        .keep_token("alice", "read", &token(), LONG)
        .await
        .unwrap();
    let keys = keys(&server, &prefix).await;
    let [key] = keys.as_slice() else {
        panic!("{keys:?}")
    };
    let raw: String = server.command(&["GET", key]).await;
    assert!(
        raw.len() > 40 && !raw.contains("nobody") && !raw.contains("eyJ"),
        "{raw}"
    );
    assert!(!key.contains("alice") && !key.contains("read"), "{key}");
    let left: i64 = server.command(&["PTTL", key]).await;
    assert!((1..=60_000).contains(&left), "{left}");
}

#[tokio::test]
async fn a_token_that_was_put_elsewhere_or_changed_opens_for_nobody() {
    let (server, prefix) = (RedisServer::shared().await, unique_prefix());
    let scene = Scene::downstream(&server, &prefix, [&["a"], &["a"]]).await;
    scene
        .gateways
        .keep_token("alice", "read", &token(), LONG)
        .await
        .unwrap();
    let alices = keys(&server, &prefix).await.remove(0);
    scene
        .gateways
        .keep_token("bob", "read", &token(), LONG)
        .await
        .unwrap();
    let mut both = keys(&server, &prefix).await;
    both.retain(|key| *key != alices);
    let raw: String = server.command(&["GET", &alices]).await;
    let read = async |who: &str| scene.workers.token_of(who, "read").await.unwrap();
    assert_eq!(read("bob").await, Some(token()));
    let _: String = server.command(&["SET", &both[0], &raw]).await;
    assert_eq!(read("bob").await, None, "it is alice's");
    assert_eq!(read("alice").await, Some(token()));
    let changed = format!("{}AAAA", &raw[..raw.len() - 4]);
    let _: String = server.command(&["SET", &alices, &changed]).await;
    assert_eq!(read("alice").await, None);
    // The next one takes its place.
    scene
        .gateways
        .keep_token("alice", "read", &token(), LONG)
        .await
        .unwrap();
    assert_eq!(read("alice").await, Some(token()));
}

#[tokio::test]
async fn a_key_can_be_replaced_and_without_one_nothing_is_kept() {
    let (server, prefix) = (RedisServer::shared().await, unique_prefix());
    let old = Scene::downstream(&server, &prefix, [&["a"], &["b"]]).await;
    old.gateways
        .keep_token("alice", "read", &token(), LONG)
        .await
        .unwrap();
    assert_eq!(old.workers.token_of("alice", "read").await.unwrap(), None);
    let both = Scene::downstream(&server, &prefix, [&["b", "a"], &["b", "a"]]).await;
    assert_eq!(
        both.workers.token_of("alice", "read").await.unwrap(),
        Some(token())
    );
    let none = Scene::downstream(&server, &prefix, [&[], &[]]).await;
    assert!(!none.gateways.keeps_tokens());
    let kept = none
        .gateways
        .keep_token("alice", "read", &token(), LONG)
        .await;
    assert!(matches!(kept, Err(BusError::Unusable(_))), "{kept:?}");
    assert_eq!(none.workers.token_of("alice", "read").await.unwrap(), None);
}
