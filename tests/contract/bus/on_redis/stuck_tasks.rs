//! Tasks whose entry or log was deleted, and those that nobody asks for.

use std::time::Duration;

use prynai_bus::{BusLimits, Ownership, Refusal, TakeOver};
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::{RedisServer, unique_prefix};

use super::queue;
use crate::scene::{LONG_LEASE, Scene, claim_one, finish, response};
use crate::task_store::stuck::{failure, overdue};

struct Fleet {
    server: std::sync::Arc<RedisServer>,
    prefix: String,
    scene: Scene,
}

impl Fleet {
    async fn missing_entries_for(entry_missed: Duration) -> Self {
        let server = RedisServer::shared().await;
        let prefix = unique_prefix();
        let limits = BusLimits {
            entry_missed,
            ..BusLimits::default()
        };
        let scene = Scene::on(&server, &prefix, limits).await;
        Self {
            server,
            prefix,
            scene,
        }
    }

    fn log(&self, task: &Ownership) -> String {
        format!("{}{{main.0}}:log:{}", self.prefix, task.stream)
    }

    /// Deletes the entry of a task, as an operator might, or a Redis that lost its newest writes.
    async fn lose_entry(&self, task: &Ownership) {
        let (queue, entry) = (queue(&self.prefix), task.entry.as_str());
        let acknowledge = ["XACK", &queue, "workers", entry];
        self.server.command::<i64>(&acknowledge).await;
        let delete = ["XDEL", &queue, entry];
        assert_eq!(self.server.command::<i64>(&delete).await, 1);
    }
}

#[tokio::test]
async fn a_task_whose_entry_is_lost_fails_when_it_was_missed_for_a_while() {
    let fleet = Fleet::missing_entries_for(Duration::from_millis(50)).await;
    let scene = &fleet.scene;
    let task = scene.owned().await;
    scene.promote(&task, 1).await;
    fleet.lose_entry(&task).await;
    assert_eq!(failure(scene, &task).await, None, "the first look");
    assert_eventually!(failure(scene, &task).await.as_deref() == Some("task_lost"));
    // Its worker was only slow: what it says now comes too late.
    let end = response(task.stream, 2);
    let ended = scene.workers.finish(&[finish(&task, &end)]).await;
    assert_eq!(ended.expect("refused"), [Err(Refusal::LostOwnership)]);
    assert_eq!(failure(scene, &task).await.as_deref(), Some("task_lost"));
}

#[tokio::test]
async fn a_task_that_came_back_and_is_lost_fails_too() {
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    let task = scene.asking(&["name"]).await;
    scene.answer(&task, &["name"]).await;
    assert_eq!(failure(scene, &task).await, None);
    let entry = scene.task(task.stream).await.expect("is there").entry;
    fleet
        .lose_entry(&Ownership {
            entry,
            ..task.clone()
        })
        .await;
    assert_eventually!(failure(scene, &task).await.as_deref() == Some("task_lost"));
}

#[tokio::test]
async fn a_task_that_came_back_and_whose_log_is_gone_does_not_run() {
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    let task = scene.asking(&["name"]).await;
    scene.answer(&task, &["name"]).await;
    let forgotten = fleet
        .server
        .command::<i64>(&["DEL", &fleet.log(&task)])
        .await;
    assert_eq!(forgotten, 1);
    let claim = claim_one(&*scene.workers, &scene.worker).await;
    let taken = scene
        .workers
        .take_over(&claim.ownership(&scene.worker))
        .await;
    let taken = taken.expect("answered");
    assert!(
        matches!(taken, TakeOver::Refused(Refusal::Finished)),
        "{taken:?}"
    );
}

#[tokio::test]
async fn a_worker_ends_tasks_that_waited_too_long_and_that_nobody_asks_for() {
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    let (late, in_time) = (overdue(scene).await, scene.asking(&["name"]).await);
    let reclaimed = scene.workers.reclaim(&scene.worker, LONG_LEASE, 1).await;
    assert!(reclaimed.expect("looked").is_empty());
    for (task, expected) in [(late, "finished"), (in_time, "open")] {
        let get = ["HGET", &fleet.log(&task), "state"];
        let state: String = fleet.server.command(&get).await;
        assert_eq!(state, expected);
    }
}
