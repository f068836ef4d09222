//! Tasks as operators see them, and cancel them.

use std::collections::BTreeSet;
use std::time::Duration;

use prynai_bus::Ownership;
use prynai_bus::ids::{EntryId, StreamId};
use prynai_bus::operations::{
    CallName, OpenTasks, Operations, TaskCounts, TaskFacts, TaskPlace, TaskStatus,
};
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::wire::task::{Promotion, TaskBirth};

use crate::scene::{Kind, Scene, finish, json};
use crate::task_store::promotion;
use crate::task_store::questions::{answers, parking};

for_both_buses! {
    a_task_is_told_in_each_of_its_states,
    every_task_is_told_once_in_pages,
    a_call_that_is_no_task_is_none,
    open_tasks_are_told_by_who_has_them_and_by_the_oldest,
    questions_and_texts_are_bounded,
    a_task_that_waits_for_its_client_is_cancelled_by_its_name,
}

/// Whose tasks they are.
const OWNER: &str = "user:1";

const HOUR_MS: u64 = 3_600_000;

/// Makes a task of a call at a moment.
async fn promoted(scene: &Scene, owner: &Ownership, created_ms: u64) {
    let tool = Some("report".to_owned());
    let promotion = Promotion {
        birth: TaskBirth::new(created_ms, Duration::from_secs(2)).of_tool(tool),
        ..promotion(owner, 1)
    };
    let promoted = scene.workers.promote(owner, &promotion).await;
    assert_eq!(promoted.unwrap(), Ok(()));
}

/// A task that was made just now.
async fn task(scene: &Scene) -> Ownership {
    let owner = scene.owned().await;
    promoted(scene, &owner, scene.workers.now_ms()).await;
    owner
}

async fn park(scene: &Scene, owner: &Ownership, keys: &[&str]) {
    let parked = scene.workers.park(owner, &parking(keys)).await;
    assert_eq!(parked.unwrap(), Ok(()));
}

async fn answer(scene: &Scene, task: StreamId, keys: &[&str]) {
    let answered = scene.gateways.answer(&task, OWNER, &answers(keys)).await;
    assert!(answered.unwrap().is_some());
}

/// The only task there is: as a list and as its call tell it, which is the same but for the keys of questions.
async fn only(operations: &dyn Operations) -> TaskFacts {
    let page = operations.tasks(None).await.unwrap();
    assert_eq!(page.next, None);
    let [(_, listed)]: [(TaskPlace, TaskFacts); 1] = page.tasks.try_into().unwrap();
    let name = CallName::Stream(listed.task.parse().unwrap());
    let call = operations.call(&name).await.unwrap().expect("is known");
    assert!(call.holder.is_none(), "nobody waits for a task: {call:?}");
    let told = call.log.expect("is kept").task.expect("is a task");
    // Time passes between two looks.
    let same = TaskFacts {
        questions: Vec::new(),
        age_ms: listed.age_ms,
        changed_ms_ago: listed.changed_ms_ago,
        asked_for_ms: listed.asked_for_ms,
        ..told.clone()
    };
    assert_eq!(same, listed);
    told
}

/// How many tasks work, wait for their clients, and are kept.
async fn counts(scene: &Scene, operations: &dyn Operations) -> (u64, u64, u64) {
    let counted = scene.gateways.count_tasks().await.unwrap();
    let seen = operations.overview().await.unwrap();
    assert_eq!(seen.tasks, Some(counted));
    let TaskCounts {
        working,
        input_required,
        kept,
    } = counted;
    (working, input_required, kept)
}

async fn a_task_is_told_in_each_of_its_states(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    assert_eq!(counts(&scene, &*operations).await, (0, 0, 0));
    let owner = task(&scene).await;
    let stream = owner.stream;
    let said = scene.workers.note_status(&owner, "half of it").await;
    assert_eq!(said.unwrap(), Ok(()));
    let seen = only(&*operations).await;
    assert_eq!(seen.status, TaskStatus::Working);
    assert_eq!(seen.name.as_deref(), Some("report"));
    assert_eq!(seen.principal.as_deref(), Some(OWNER));
    assert_eq!(seen.worker, Some(scene.worker.to_string()));
    assert_eq!(seen.entry, Some(owner.entry.to_string()));
    assert_eq!((seen.delivery, seen.rounds, seen.awaited), (Some(1), 0, 0));
    assert_eq!((seen.message_bytes, seen.format), (10, Some(1)));
    assert!(
        seen.age_ms < 60_000 && seen.asked_for_ms > 3_500_000,
        "{seen:?}"
    );
    let said = operations.task_message(&stream).await.unwrap();
    assert_eq!(said.as_deref(), Some("half of it"));
    assert_eq!(counts(&scene, &*operations).await, (1, 0, 1));

    park(&scene, &owner, &["name", "colour"]).await;
    let seen = only(&*operations).await;
    assert_eq!(seen.status, TaskStatus::InputRequired);
    assert_eq!((seen.worker, seen.delivery, seen.entry), (None, None, None));
    assert_eq!((seen.rounds, seen.awaited), (1, 2));
    let asked: BTreeSet<_> = seen.questions.iter().map(String::as_str).collect();
    assert_eq!(asked, BTreeSet::from(["colour", "name"]));
    assert_eq!(counts(&scene, &*operations).await, (0, 1, 1));

    answer(&scene, stream, &["colour"]).await;
    let seen = only(&*operations).await;
    assert_eq!((seen.awaited, seen.questions), (1, vec!["name".to_owned()]));
    answer(&scene, stream, &["name"]).await;
    let seen = only(&*operations).await;
    assert_eq!(seen.status, TaskStatus::Working);
    assert_eq!((seen.worker, seen.awaited, seen.rounds), (None, 0, 1));
    assert_eq!(counts(&scene, &*operations).await, (1, 0, 1));

    let (_, second) = scene.come_back(&scene.worker).await;
    scene.respond(&second, 2).await;
    let seen = only(&*operations).await;
    assert_eq!(seen.status, TaskStatus::Completed);
    assert_eq!(seen.worker, Some(scene.worker.to_string()));
    assert_eq!((seen.entry, seen.rounds), (None, 1));
    assert_eq!(counts(&scene, &*operations).await, (0, 0, 1));

    let owner = task(&scene).await;
    let failed = r#"{"jsonrpc":"2.0","id":"\"result\":","error":{"code":-32603,"message":"no"}}"#;
    let event = StreamEvent::new(owner.stream, 2, EventKind::Final, json(failed));
    let ended = scene.workers.finish(&[finish(&owner, &event)]).await;
    assert_eq!(ended.unwrap(), [Ok(())]);
    let page = operations.tasks(None).await.unwrap();
    let told: Vec<_> = page.tasks.iter().map(|(_, task)| task.status).collect();
    assert_eq!(told, [TaskStatus::Completed, TaskStatus::Failed]);
    assert_eq!(counts(&scene, &*operations).await, (0, 0, 2));
}

async fn every_task_is_told_once_in_pages(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let now_ms = scene.workers.now_ms();
    let mut expected = Vec::new();
    // More than a page of them were made at the same moment.
    for number in 0..230 {
        let owner = scene.owned().await;
        let created_ms = now_ms + if number < 150 { 1 } else { number };
        promoted(&scene, &owner, created_ms).await;
        expected.push((created_ms, owner.stream));
    }
    expected.sort_unstable();
    let (mut told, mut sizes, mut after) = (Vec::new(), Vec::new(), None);
    loop {
        let page = operations.tasks(after.as_ref()).await.unwrap();
        sizes.push(page.tasks.len());
        told.extend(page.tasks.into_iter().map(|(place, task)| {
            assert_eq!(place.stream.to_string(), task.task);
            (task.created_at_ms.expect("is known"), place.stream)
        }));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(told, expected);
    assert!(sizes.iter().all(|size| *size <= 100), "{sizes:?}");
}

async fn a_call_that_is_no_task_is_none(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = scene.owned().await;
    scene.say(&owner, 1).await;
    let name = CallName::Stream(owner.stream);
    let call = operations.call(&name).await.unwrap().expect("is known");
    assert!(call.log.expect("something was written").task.is_none());
    assert!(call.holder.is_some(), "its gateway waits for it");
    assert!(operations.tasks(None).await.unwrap().tasks.is_empty());
    for stream in [owner.stream, StreamId::generate()] {
        assert_eq!(operations.task_message(&stream).await.unwrap(), None);
    }
    assert_eq!(counts(&scene, &*operations).await, (0, 0, 0));
}

/// How many open tasks wait in the queue, and how old the oldest is, in hours.
async fn open(operations: &dyn Operations) -> (u64, Option<u64>) {
    let seen = operations.overview().await.unwrap().open_tasks;
    let OpenTasks {
        queued,
        oldest_ms,
        has_more,
    } = seen.expect("may be counted");
    assert!(!has_more);
    (queued, oldest_ms.map(|age_ms| age_ms / HOUR_MS))
}

async fn open_tasks_are_told_by_who_has_them_and_by_the_oldest(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    assert_eq!(open(&*operations).await, (0, None));
    // A call is none.
    let call = scene.owned().await;
    scene.say(&call, 1).await;
    assert_eq!(open(&*operations).await, (0, None));
    let running = task(&scene).await;
    assert_eq!(open(&*operations).await, (0, Some(0)));
    let asking = scene.owned().await;
    promoted(&scene, &asking, scene.workers.now_ms() - 3 * HOUR_MS).await;
    assert_eq!(open(&*operations).await, (0, Some(3)));
    park(&scene, &asking, &["name"]).await;
    assert_eq!(open(&*operations).await, (0, Some(3)));
    answer(&scene, asking.stream, &["name"]).await;
    assert_eq!(open(&*operations).await, (1, Some(3)));
    let (_, back) = scene.come_back(&scene.worker).await;
    assert_eq!(open(&*operations).await, (0, Some(3)));
    scene.respond(&back, 2).await;
    assert_eq!(open(&*operations).await, (0, Some(0)));
    let cancelled = operations.cancel(&running.stream, &running.entry, running.era);
    assert!(cancelled.await.unwrap());
    assert_eq!(open(&*operations).await, (0, None));
}

async fn questions_and_texts_are_bounded(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = task(&scene).await;
    let keys: Vec<String> = (0..50)
        .map(|n| format!("{n:02}{}", "ä".repeat(500)))
        .collect();
    let keys: Vec<&str> = keys.iter().map(String::as_str).collect();
    park(&scene, &owner, &keys).await;
    let seen = only(&*operations).await;
    assert_eq!((seen.awaited, seen.questions.len()), (50, 20));
    assert!(seen.questions.iter().all(|key| key.len() <= 303));
    let told: BTreeSet<_> = seen.questions.into_iter().collect();
    assert_eq!(told.len(), 20);
}

async fn a_task_that_waits_for_its_client_is_cancelled_by_its_name(kind: Kind) {
    let scene = kind.scene().await;
    let operations = scene.operations().await;
    let owner = task(&scene).await;
    park(&scene, &owner, &["name"]).await;
    let call = operations.call(&CallName::Stream(owner.stream)).await;
    let log = call.unwrap().expect("is known").log.expect("is kept");
    let entry: EntryId = log.entry.expect("of which it was").as_str().into();
    let cancel = || operations.cancel(&owner.stream, &entry, owner.era);
    assert!(cancel().await.unwrap());
    assert!(!cancel().await.unwrap(), "it is over");
    let seen = only(&*operations).await;
    assert_eq!((seen.status, seen.awaited), (TaskStatus::Cancelled, 0));
    assert_eq!(counts(&scene, &*operations).await, (0, 0, 1));
    assert_eq!(scene.depth().await, (0, 0));
}
