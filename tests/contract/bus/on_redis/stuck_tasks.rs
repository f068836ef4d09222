//! Tasks whose entry or log was deleted, and those that nobody asks for.

use std::time::Duration;

use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::task::Parking;
use prynai_bus::{BusLimits, Ownership, Refusal, TakeOver};
use prynai_test_redis::assert_eventually;
use prynai_test_redis::server::{RedisServer, unique_prefix};

use super::queue;
use crate::scene::{LONG_LEASE, Scene, claim_one, finish, json, response};
use crate::task_store::OWNER;
use crate::task_store::questions::parking;
use crate::task_store::stuck::{failure, overdue, overdue_and_kept, records};

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
    // Nobody was there to say more of it.
    let records = records(scene).await;
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    assert_eq!(record.outcome, "error");
    assert_eq!(record.reason.as_deref(), Some("task_lost"));
    assert_eq!(record.principal.as_deref(), Some(OWNER));
    let stream = task.stream.to_string();
    assert_eq!(record.stream.as_deref(), Some(stream.as_str()));
}

/// How many tasks failed so in this process.
fn failed(reason: &str) -> u64 {
    let text = prynai_process::metrics::metrics().text();
    let series = format!("prynai_redis_tasks_failed_total{{reason=\"{reason}\"}} ");
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0, |value| value.parse().expect("a number"))
}

#[tokio::test]
async fn tasks_that_fail_without_a_worker_are_counted() {
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    let (overdue_before, lost_before) = (failed("deadline"), failed("task_lost"));
    let task = overdue(scene).await;
    assert_eq!(failure(scene, &task).await.as_deref(), Some("deadline"));
    assert!(failed("deadline") > overdue_before);
    let task = scene.owned().await;
    scene.promote(&task, 1).await;
    fleet.lose_entry(&task).await;
    assert_eventually!(failure(scene, &task).await.as_deref() == Some("task_lost"));
    assert!(failed("task_lost") > lost_before);
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
async fn tasks_that_are_kept_long_are_ended_as_soon_as_others() {
    /// More than a look of the sweep.
    const MANY: usize = 101;
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    // These can no longer be asked for before that one, but have time yet.
    for _ in 0..MANY {
        scene.asking(&["name"]).await;
    }
    let late = overdue_and_kept(scene, Duration::from_secs(300 * 24 * 3600)).await;
    // What Redis has lost counts as overdue for ever.
    let asking = format!("{}{{main.0}}:asking", fleet.prefix);
    for number in 0..MANY {
        let gone = format!("{number:032x}");
        let add = ["ZADD", &asking, "1", &gone];
        assert_eq!(fleet.server.command::<i64>(&add).await, 1);
    }
    let reclaimed = scene.workers.reclaim(&scene.worker, LONG_LEASE, 1).await;
    assert!(reclaimed.expect("looked").is_empty());
    let state = ["HGET", &fleet.log(&late), "state"];
    assert_eq!(fleet.server.command::<String>(&state).await, "finished");
    let left = fleet.server.command::<usize>(&["ZCARD", &asking]).await;
    assert_eq!(left, MANY, "those that wait in time");
}

#[tokio::test]
async fn a_task_that_runs_for_weeks_is_counted() {
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    let task = scene.owned().await;
    scene.promote(&task, 1).await;
    let unfinished = format!("{}{{main.0}}:unfinished", fleet.prefix);
    for (days, left) in [(30, 1), (32, 0)] {
        let since = (scene.gateways.now_ms() - days * DAY_MS).to_string();
        let stream = task.stream.to_string();
        let age = ["ZADD", &unfinished, "XX", &since, &stream];
        let _aged: i64 = fleet.server.command(&age).await;
        // A process sweeps when it begins.
        let further = Scene::on(&fleet.server, &fleet.prefix, BusLimits::default()).await;
        let worker = &further.worker;
        let looked = further.workers.reclaim(worker, LONG_LEASE, 1).await;
        assert!(looked.expect("looked").is_empty());
        let working = scene.gateways.count_tasks().await.expect("counted").working;
        assert_eq!(working, left, "after {days} days");
    }
}

#[tokio::test]
async fn open_tasks_behind_many_older_calls_are_not_looked_for() {
    let fleet = Fleet::missing_entries_for(Duration::ZERO).await;
    let scene = &fleet.scene;
    let operations = scene.operations().await;
    let task = scene.asking(&["name"]).await;
    scene.answer(&task, &["name"]).await;
    let unfinished = format!("{}{{main.0}}:unfinished", fleet.prefix);
    let script =
        "for i = 1, ARGV[1] do redis.call('ZADD', KEYS[1], i, string.format('%032x', i)) end";
    for (older, queued, has_more) in [("999", 1, false), ("1000", 0, true)] {
        let add = ["EVAL", script, "1", &unfinished, older];
        let _added: Option<String> = fleet.server.command(&add).await;
        let seen = operations.overview().await.expect("looked");
        let open = seen.open_tasks.expect("may be counted");
        assert_eq!((open.queued, open.has_more), (queued, has_more), "{older}");
    }
}

#[tokio::test]
async fn an_operator_who_ends_a_task_removes_no_records() {
    /// More than a fleet keeps as a rule.
    const RECORDS: usize = 5_400;
    let server = RedisServer::shared().await;
    let prefix = unique_prefix();
    let limits = BusLimits {
        audit: 100_000,
        ..BusLimits::default()
    };
    let scene = Scene::on(&server, &prefix, limits).await;
    let audit = format!("{prefix}{{main.0}}:audit");
    let script = "for _ = 1, ARGV[1] do redis.call('XADD', KEYS[1], '*', 'records', '{}') end";
    let fill = ["EVAL", script, "1", &audit, &RECORDS.to_string()];
    server.command::<()>(&fill).await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    let parking = Parking {
        record: AuditRecord::new("cancelled").line().ok(),
        ..parking(&["name"])
    };
    let parked = scene.workers.park(&owner, &parking).await;
    assert_eq!(parked.expect("parked"), Ok(()));
    let operations = scene.operations().await;
    let cancelled = operations.cancel(&owner.stream, &owner.entry, owner.era);
    assert!(cancelled.await.expect("cancelled"));
    let records = server.command::<usize>(&["XLEN", &audit]).await;
    assert_eq!(records, RECORDS + 1);
}

#[tokio::test]
async fn to_look_at_a_task_that_waits_is_not_to_read_its_request() {
    const LARGE: usize = 4 << 20;
    let server = RedisServer::start().await;
    let scene = Scene::on(&server, &unique_prefix(), BusLimits::default()).await;
    let mut request = scene.request();
    request.message = json(&format!(r#""{}""#, "x".repeat(LARGE)));
    let owner = scene.claimed(&request).await.ownership(&scene.worker);
    scene.promote(&owner, 1).await;
    scene.park(&owner, &["a", "b"]).await;
    let memory = async || {
        // Only one call in fifty collects what scripts have left behind.
        let info: String = server.command(&["INFO", "memory"]).await;
        let mut lines = info.lines();
        let bytes = lines.find_map(|line| line.strip_prefix("used_memory_vm_eval:"));
        bytes.expect("is told").parse::<usize>().expect("a number")
    };
    server.command::<()>(&["SCRIPT", "FLUSH", "SYNC"]).await;
    let before = memory().await;
    for _ in 0..5 {
        assert!(scene.task(owner.stream).await.is_some());
    }
    assert!(scene.answer(&owner, &["a"]).await.is_some());
    let after = memory().await;
    assert!(after < before + LARGE / 2, "{before} {after}");
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
