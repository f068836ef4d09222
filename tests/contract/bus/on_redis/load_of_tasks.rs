//! What an autoscaler reads of tasks: KEDA's `redis-streams` scaler takes `lag` and the pending entries.

use std::collections::HashMap;

use prynai_bus::BusLimits;
use prynai_test_redis::server::{RedisServer, unique_prefix};
use redis::{Value, from_redis_value};

use super::queue;
use crate::scene::{Scene, claim_one};
use crate::task_store::questions::answers;

/// What the two rules read: requests that wait, and requests that run.
async fn seen(server: &RedisServer, prefix: &str) -> (Option<i64>, i64) {
    let queue = queue(prefix);
    let groups: Vec<HashMap<String, Value>> = server.command(&["XINFO", "GROUPS", &queue]).await;
    let pending: Vec<Value> = server.command(&["XPENDING", &queue, "workers"]).await;
    (
        from_redis_value(groups[0]["lag"].clone()).expect("a number or null"),
        from_redis_value(pending[0].clone()).expect("a number"),
    )
}

#[tokio::test]
async fn a_task_is_load_while_it_runs_and_none_while_it_waits_for_its_client() {
    let server = RedisServer::shared().await;
    let prefix = unique_prefix();
    let scene = Scene::on(&server, &prefix, BusLimits::default()).await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    assert_eq!(seen(&server, &prefix).await, (Some(0), 1), "it runs");
    scene.park(&owner, &["a", "b"]).await;
    assert_eq!(seen(&server, &prefix).await, (Some(0), 0), "it waits");
    for (keys, load) in [(["a"], (Some(0), 0)), (["b"], (Some(1), 0))] {
        let answered = scene
            .gateways
            .answer(&owner.stream, "user:1", &answers(&keys))
            .await;
        assert!(answered.unwrap().is_some());
        assert_eq!(seen(&server, &prefix).await, load, "answered {keys:?}");
    }
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    assert_eq!(seen(&server, &prefix).await, (Some(0), 1), "it runs again");
    let owner = claim.ownership(&scene.worker);
    scene.workers.take_over(&owner).await.unwrap();
    scene.respond(&owner, 2).await;
    assert_eq!(seen(&server, &prefix).await, (Some(0), 0), "it has ended");
}
