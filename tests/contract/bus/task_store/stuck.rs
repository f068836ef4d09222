//! Tasks that nobody would end.

use std::time::Duration;

use prynai_bus::operations::AuditFrom;
use prynai_bus::wire::audit::AuditRecord;
use prynai_bus::wire::task::{Parking, Promotion, Question, TaskState};
use prynai_bus::{BusLimits, LogState, Ownership};

use super::questions::{answers, parking};
use super::{HOUR, OWNER, promotion};
use crate::scene::{Kind, LONG_LEASE, Scene, begun, finish, json, next, response};

for_both_buses! {
    a_task_that_waits_for_longer_than_it_may_fails,
    a_task_that_waits_in_time_goes_on,
    a_task_asks_any_number_of_questions,
    a_stranger_ends_no_task,
    whoever_looks_for_lost_requests_ends_overdue_tasks,
}

/// A task that waits, and has no time left.
pub(crate) async fn overdue(scene: &Scene) -> Ownership {
    overdue_and_kept(scene, HOUR).await
}

/// The same; its end is kept for so long.
pub(crate) async fn overdue_and_kept(scene: &Scene, kept: Duration) -> Ownership {
    /// The least that there is.
    const BRIEF: Duration = Duration::from_millis(1);
    let owner = scene.owned().await;
    let brief = Promotion {
        ttl: BRIEF,
        kept,
        ..promotion(&owner, 1)
    };
    let promoted = scene.workers.promote(&owner, &brief).await;
    assert_eq!(promoted.expect("promoted"), Ok(()));
    let parking = Parking {
        record: AuditRecord::new("cancelled").line().ok(),
        ..parking(&["name"])
    };
    let parked = scene.workers.park(&owner, &parking).await;
    assert_eq!(parked.expect("parked"), Ok(()));
    tokio::time::sleep(2 * BRIEF).await;
    owner
}

/// Why a task failed; `None` while it has not.
pub(crate) async fn failure(scene: &Scene, task: &Ownership) -> Option<String> {
    match scene.task(task.stream).await.expect("is there").state {
        TaskState::Ended(response) => {
            let response: serde_json::Value = response.read().expect("JSON");
            assert_eq!(response["error"]["data"]["outcome"], "unknown");
            let reason = response["error"]["data"]["reason"].as_str();
            reason.map(str::to_owned)
        }
        _ => None,
    }
}

async fn a_task_that_waits_for_longer_than_it_may_fails(kind: Kind) {
    let scene = kind.scene().await;
    let task = overdue(&scene).await;
    for _ in 0..2 {
        assert_eq!(failure(&scene, &task).await.as_deref(), Some("deadline"));
    }
    let given = answers(&["name"]);
    let answered = scene.gateways.answer(&task.stream, OWNER, &given).await;
    assert!(answered.expect("answered").is_some());
    assert_eq!(scene.depth().await, (0, 0));
    let records = records(&scene).await;
    let [record] = records.as_slice() else {
        panic!("{records:?}");
    };
    assert_eq!(record.outcome, "error");
    assert_eq!(record.reason.as_deref(), Some("deadline"));
}

async fn a_task_that_waits_in_time_goes_on(kind: Kind) {
    let limits = BusLimits {
        entry_missed: Duration::ZERO,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let task = scene.asking(&["name"]).await;
    assert_eq!(failure(&scene, &task).await, None);
    scene.answer(&task, &["name"]).await;
    assert_eq!(failure(&scene, &task).await, None, "waits for a worker");
    let (_, again) = scene.come_back(&scene.worker).await;
    assert_eq!(failure(&scene, &task).await, None, "runs");
    let end = response(again.stream, 2);
    let ended = scene.workers.finish(&[finish(&again, &end)]).await;
    assert_eq!(ended.expect("finished"), [Ok(())]);
}

async fn a_stranger_ends_no_task(kind: Kind) {
    let scene = kind.scene().await;
    let task = overdue(&scene).await;
    let seen = scene.gateways.task(&task.stream, "user:2").await;
    assert_eq!(seen.expect("looked"), None);
    let (_, state) = scene.log(task.stream).await.expect("is there");
    assert_eq!(state, LogState::Open);
    assert_eq!(failure(&scene, &task).await.as_deref(), Some("deadline"));
    let (_, state) = scene.log(task.stream).await.expect("is there");
    assert_eq!(state, LogState::Finished, "its owner ends it");
}

/// The records of the audit.
pub(crate) async fn records(scene: &Scene) -> Vec<AuditRecord<'static>> {
    let audit = scene.operations().await;
    let page = audit.audit(AuditFrom::Newest(9)).await.expect("read");
    page.into_iter().filter_map(|sight| sight.record).collect()
}

async fn whoever_looks_for_lost_requests_ends_overdue_tasks(kind: Kind) {
    let scene = kind.scene().await;
    let (late, in_time) = (overdue(&scene).await, scene.asking(&["name"]).await);
    let both = [late.stream, in_time.stream];
    let mut news = begun(scene.gateways.watch(&both, OWNER).await.unwrap().news).await;
    let reclaimed = scene.workers.reclaim(&scene.worker, LONG_LEASE, 1).await;
    assert!(reclaimed.expect("looked").is_empty());
    // Nobody has asked for it.
    let told = next(&mut news).await;
    assert_eq!(told.name, late.stream);
    assert!(matches!(
        told.sight.expect("is told").state,
        TaskState::Ended(_)
    ));
    assert_eq!(records(&scene).await.len(), 1);
    assert_eq!(failure(&scene, &in_time).await, None);
}

async fn a_task_asks_any_number_of_questions(kind: Kind) {
    const MANY: usize = 9_000;
    let scene = kind.scene().await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    let questions = (0..MANY).map(|number| Question {
        key: number.to_string(),
        name: "q".to_owned(),
        request: json("{}"),
    });
    let parking = Parking {
        questions: questions.collect(),
        left: None,
        record: None,
    };
    let parked = scene.workers.park(&owner, &parking).await;
    assert_eq!(parked.expect("parked"), Ok(()));
    let asked = scene.task(owner.stream).await.expect("is there").state;
    assert!(matches!(asked, TaskState::Asking(all) if all.len() == MANY));
}
