//! Where Redis is said to be.

use std::time::Instant;

use prynai_bus::{BusError, BusLimits};
use prynai_redis_bus::RedisBus;
use prynai_redis_bus::settings::RedisUrl;
use prynai_test_redis::server::RedisServer;

use super::{PREFIX, PROMPT};

#[test]
fn a_wrong_url_is_refused_without_being_repeated() {
    for url in [
        "",
        "localhost",
        "http://user:secret@localhost",
        "redis://user:secret@",
        "redis://user:secret@localhost:port",
        "redis://user:secret@localhost:6379/database",
    ] {
        let reason = url.parse::<RedisUrl>().expect_err(url);
        assert!(!reason.is_empty());
        assert!(!reason.contains("secret"), "{reason}");
    }
    for url in ["redis://localhost", "rediss://user:secret@[::1]:6380/2"] {
        let shown = url.parse::<RedisUrl>().expect(url).to_string();
        assert!(!shown.contains("secret"), "{shown}");
    }
}

#[tokio::test]
async fn a_redis_that_is_not_there_is_reported_without_its_password() {
    let mut server = RedisServer::start().await;
    server.stop();
    let url = format!("redis://user:secret@127.0.0.1:{}", server.port());
    let url = url.parse().expect("a URL");
    let begun = Instant::now();
    let refused = RedisBus::connect(&url, PREFIX, BusLimits::default()).await;
    let error = refused.err().expect("nothing is there");
    assert!(matches!(error, BusError::Unavailable(_)), "{error:?}");
    assert!(
        !format!("{error} {error:?}").contains("secret"),
        "{error:?}"
    );
    assert!(begun.elapsed() < 2 * PROMPT);
}
