//! Dead letters one by one, in a Redis without a fleet.

use prynai_bus::ids::{EntryId, GatewayId};
use prynai_bus::operations::{Operations, Repairs, Replay, Shelf};
use prynai_bus::testing::{json, modern_request};
use prynai_bus::wire::request::RequestEnvelope;
use prynai_operations::look::letters::newest;
use prynai_operations::mend::letters::drop_up_to;
use prynai_ops::settings::parse_or_exit;
use prynai_redis_bus::RedisOperations;
use prynai_test_redis::server::RedisServer;

const DEAD: &str = "prynai:{main.0}:dead";

async fn operations(redis: &RedisServer) -> RedisOperations {
    let url = redis.url();
    let args = ["prynai-ops", "--redis-url", &url, "status"];
    let settings = parse_or_exit(args.map(Into::into));
    let connected = RedisOperations::connect(&settings.redis).await;
    connected.expect("Redis is there")
}

/// Puts a request aside as a worker does.
async fn put_aside(redis: &RedisServer, request: &RequestEnvelope) -> EntryId {
    let fields = request.to_fields().expect("can be written");
    let mut add = vec!["XADD", DEAD, "*", "entry", "12-0", "reason", "of a test"];
    add.extend(fields.iter().flat_map(|(name, value)| [*name, &**value]));
    redis.command::<String>(&add).await.as_str().into()
}

fn call(message: &str) -> RequestEnvelope {
    RequestEnvelope {
        method: "tools/call".to_owned(),
        message: json(message),
        ..modern_request(&GatewayId::generate())
    }
}

#[tokio::test]
async fn a_letter_that_comes_while_somebody_is_asked_stays() {
    let redis = RedisServer::start().await;
    let operations = operations(&redis).await;
    assert_eq!(newest(&operations).await.expect("answers"), None);
    let any = call("{}");
    // More than a page.
    for _ in 0..150 {
        put_aside(&redis, &any).await;
    }
    let asked_about = newest(&operations).await.expect("answers");
    let late = put_aside(&redis, &any).await;
    let asked_about = asked_about.expect("is there");
    let dropped = drop_up_to(&operations, asked_about).await;
    assert_eq!(dropped.expect("answers"), 150);
    assert_eq!(newest(&operations).await.expect("answers"), Some(late));
}

#[tokio::test]
async fn a_replayed_request_has_as_much_time_as_its_gateway_gave_it() {
    let redis = RedisServer::start().await;
    let operations = operations(&redis).await;
    for (deadline_ms, allowed_ms) in [(Some(601_000), Some(600_000)), (None, None)] {
        let old = RequestEnvelope {
            queued_at_ms: 1_000,
            deadline_ms,
            ..call("{}")
        };
        let letter = put_aside(&redis, &old).await;
        let replay = operations.replay(&letter).await.expect("answers");
        assert!(matches!(replay, Replay::Queued(_)), "{replay:?}");
        let queue = operations.entries(Shelf::Queue, None, None).await;
        let queued = queue.expect("answers").entries.pop().expect("is queued");
        let from_ms = queued.queued_at_ms.expect("is told");
        assert!(from_ms > 1_000);
        let given_ms = queued.deadline_ms.map(|deadline_ms| deadline_ms - from_ms);
        assert_eq!(given_ms, allowed_ms);
    }
}

#[tokio::test]
async fn a_call_under_an_idempotency_key_is_not_replayed_and_stays() {
    let redis = RedisServer::start().await;
    let operations = operations(&redis).await;
    let keyed =
        call(r#"{"params":{"name":"pay","_meta":{"ai.prynai/idempotencyKey":"order-4711"}}}"#);
    let letter = put_aside(&redis, &keyed).await;
    let replay = operations.replay(&letter).await.expect("answers");
    let Replay::Unfit(reason) = replay else {
        panic!("{replay:?}");
    };
    assert!(reason.contains("under a new key"), "{reason}");
    assert_eq!(newest(&operations).await.expect("answers"), Some(letter));
}
