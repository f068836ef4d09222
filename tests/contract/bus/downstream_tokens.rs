//! Tokens for other APIs.

use std::sync::Arc;
use std::time::Duration;

use prynai_bus::DownstreamToken;
use prynai_test_redis::server::{RedisServer, unique_prefix};

use crate::scene::{Kind, Scene};

for_both_buses! {
    a_token_is_of_one_principal_for_one_scope,
    a_later_token_takes_its_place,
    it_is_forgotten_when_its_life_is_over,
}

const LONG: Duration = Duration::from_secs(60);

/// With the server, which runs as long as somebody has it.
async fn scene(kind: Kind) -> (Scene, Option<Arc<RedisServer>>) {
    match kind {
        Kind::Memory => (kind.scene().await, None),
        Kind::Redis => {
            let server = RedisServer::shared().await;
            let scene = Scene::downstream(&server, &unique_prefix(), [&["a"], &["a"]]).await;
            (scene, Some(server))
        }
    }
}

async fn keep(scene: &Scene, principal: &str, scope: &str, token: &str, life: Duration) {
    let token = DownstreamToken {
        token: token.to_owned(),
        ends_s: 7,
    };
    let kept = scene
        .gateways
        .keep_token(principal, scope, &token, life)
        .await;
    kept.expect("is kept");
}

async fn read(scene: &Scene, principal: &str, scope: &str) -> Option<String> {
    let read = scene.workers.token_of(principal, scope).await;
    let token = read.expect("is answered")?;
    assert_eq!(token.ends_s, 7);
    Some(token.token)
}

async fn a_token_is_of_one_principal_for_one_scope(kind: Kind) {
    let (scene, _server) = scene(kind).await;
    assert!(scene.gateways.keeps_tokens());
    keep(&scene, "alice", "read", "hers", LONG).await;
    keep(&scene, "bob", "read", "his", LONG).await;
    assert_eq!(read(&scene, "alice", "read").await.as_deref(), Some("hers"));
    assert_eq!(read(&scene, "bob", "read").await.as_deref(), Some("his"));
    for (principal, scope) in [
        ("alice", "write"),
        ("alice", ""),
        ("Alice", "read"),
        ("alice\nread", ""),
        ("", "alice\nread"),
        ("carol", "read"),
    ] {
        assert_eq!(read(&scene, principal, scope).await, None, "{principal:?}");
    }
}

async fn a_later_token_takes_its_place(kind: Kind) {
    let (scene, _server) = scene(kind).await;
    keep(&scene, "alice", "read", "old", LONG).await;
    keep(&scene, "alice", "read", "new", LONG).await;
    assert_eq!(read(&scene, "alice", "read").await.as_deref(), Some("new"));
}

async fn it_is_forgotten_when_its_life_is_over(kind: Kind) {
    let (scene, _server) = scene(kind).await;
    let brief = Duration::from_millis(40);
    keep(&scene, "alice", "read", "brief", brief).await;
    tokio::time::sleep(brief * 3).await;
    assert_eq!(read(&scene, "alice", "read").await, None);
}
