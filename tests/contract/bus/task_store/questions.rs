//! A task that asks its client something.

use std::collections::BTreeMap;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::signal::{Signal, SignalKind};
use prynai_bus::wire::task::{Answer, Inputs, Parking, Question, TaskState};
use prynai_bus::{Answered, BusError, BusLimits, Claim, Finish, Ownership, Refusal, TakeOver};

use super::{OWNER, promotion};
use crate::scene::{
    Kind, LONG_LEASE, Scene, begun, claim_one, finish, json, message, next, response,
};

for_both_buses! {
    a_task_that_asks_leaves_the_queue_and_comes_back_with_the_answers,
    a_task_waits_until_every_question_is_answered,
    what_answers_no_open_question_is_ignored,
    only_its_owner_answers_a_task,
    a_task_that_waits_is_cancelled,
    a_task_that_came_back_is_cancelled_by_its_first_entry,
    who_let_a_task_wait_writes_nothing_more,
    a_task_is_let_wait_by_its_owner_alone,
    a_task_that_came_back_is_taken_over_as_any_other,
    questions_and_answers_are_bounded,
    a_full_queue_takes_no_last_answer,
    no_caller_fills_the_queue_with_last_answers,
}

/// Questions of these keys, each of which the handler names with a `~` before it.
pub(crate) fn parking(keys: &[&str]) -> Parking {
    let questions = keys.iter().map(|key| Question {
        key: (*key).to_owned(),
        name: format!("~{key}"),
        request: json(&format!(
            r#"{{"method":"elicitation/create","params":{{"for":"{key}"}}}}"#
        )),
    });
    Parking {
        questions: questions.collect(),
        left: Some("what was left".to_owned()),
        record: None,
    }
}

pub(crate) fn answers(keys: &[&str]) -> BTreeMap<String, RawJson> {
    let answer = |key: &&str| ((*key).to_owned(), json(r#"{"action":"accept","n":1.0}"#));
    keys.iter().map(answer).collect()
}

impl Scene {
    /// A task that waits for answers to these questions.
    pub(crate) async fn asking(&self, keys: &[&str]) -> Ownership {
        let owner = self.owned().await;
        self.promote(&owner, 1).await;
        self.park(&owner, keys).await;
        owner
    }

    pub(crate) async fn park(&self, owner: &Ownership, keys: &[&str]) {
        let parked = self.workers.park(owner, &parking(keys)).await;
        assert_eq!(parked.expect("parked"), Ok(()));
    }

    pub(crate) async fn answer(&self, task: &Ownership, keys: &[&str]) -> Option<Answered> {
        let answers = answers(keys);
        let answered = self.gateways.answer(&task.stream, OWNER, &answers).await;
        answered.expect("answered")
    }

    /// The keys of the questions that a task waits for; `None` when it does not.
    async fn open_questions(&self, task: &Ownership) -> Option<Vec<String>> {
        match self.task(task.stream).await.expect("is there").state {
            TaskState::Asking(requests) => Some(requests.into_keys().collect()),
            _ => None,
        }
    }

    /// A worker takes the task that came back.
    pub(crate) async fn come_back(&self, worker: &WorkerId) -> (Claim, Ownership) {
        let claim = claim_one(&*self.workers, worker).await;
        assert!(claim.request.again, "{claim:?}");
        let owner = claim.ownership(worker);
        let taken = self.workers.take_over(&owner).await.expect("taken");
        assert!(
            matches!(
                taken,
                TakeOver::Taken {
                    newest: 1,
                    task: Some(_)
                }
            ),
            "{taken:?}"
        );
        (claim, owner)
    }
}

async fn a_task_that_asks_leaves_the_queue_and_comes_back_with_the_answers(kind: Kind) {
    let scene = kind.scene().await;
    let request = scene.request();
    let first = scene.claimed(&request).await.ownership(&scene.worker);
    scene.promote(&first, 1).await;
    scene.park(&first, &["name"]).await;
    scene.park(&first, &["name"]).await;
    assert_eq!(scene.depth().await, (0, 0));
    assert_eq!(
        scene.open_questions(&first).await,
        Some(vec!["name".to_owned()])
    );

    for _ in 0..2 {
        assert_eq!(scene.answer(&first, &["name"]).await, Some(Answered::Taken));
        assert_eq!(scene.open_questions(&first).await, None);
        assert_eq!(scene.depth().await, (1, 0));
    }
    let worker = WorkerId::generate();
    let (claim, second) = scene.come_back(&worker).await;
    assert_eq!((claim.delivery, claim.request.stream), (1, first.stream));
    assert_eq!(claim.request.message, request.message);
    let expected = Inputs {
        round: 1,
        left: Some("what was left".to_owned()),
        answers: vec![Answer {
            key: "name".to_owned(),
            name: "~name".to_owned(),
            answer: json(r#"{"action":"accept","n":1.0}"#),
        }],
    };
    assert_eq!(scene.workers.inputs(&second).await.unwrap(), Ok(expected));

    // It asks again, and ends.
    scene.park(&second, &["colour"]).await;
    assert_eq!(
        scene.answer(&first, &["colour"]).await,
        Some(Answered::Taken)
    );
    let (_, third) = scene.come_back(&worker).await;
    let inputs = scene
        .workers
        .inputs(&third)
        .await
        .unwrap()
        .expect("is the owner");
    let keys: Vec<_> = inputs
        .answers
        .iter()
        .map(|answer| answer.key.as_str())
        .collect();
    assert_eq!(
        (inputs.round, keys.as_slice()),
        (2, ["name", "colour"].as_slice())
    );
    scene.respond(&third, 2).await;
    let task = scene.task(first.stream).await.expect("is there");
    assert!(matches!(task.state, TaskState::Ended(_)), "{task:?}");
    assert_eq!(scene.depth().await, (0, 0));
}

async fn a_task_waits_until_every_question_is_answered(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a", "b", "c"]).await;
    scene.answer(&task, &["b"]).await;
    let open = Some(vec!["a".to_owned(), "c".to_owned()]);
    assert_eq!(scene.open_questions(&task).await, open);
    assert_eq!(scene.depth().await, (0, 0));
    scene.answer(&task, &["a", "b", "c"]).await;
    assert_eq!(scene.depth().await, (1, 0));
}

async fn what_answers_no_open_question_is_ignored(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a"]).await;
    for keys in [["b"].as_slice(), &[], &["?a", "=a", "state", "1"]] {
        assert_eq!(scene.answer(&task, keys).await, Some(Answered::Taken));
        assert_eq!(
            scene.open_questions(&task).await,
            Some(vec!["a".to_owned()])
        );
    }
    let working = scene.owned().await;
    scene.promote(&working, 1).await;
    assert_eq!(scene.answer(&working, &["a"]).await, Some(Answered::Taken));
    scene.respond(&working, 2).await;
    assert_eq!(scene.answer(&working, &["a"]).await, Some(Answered::Taken));
    assert_eq!(scene.depth().await, (0, 0));
}

async fn only_its_owner_answers_a_task(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a"]).await;
    for stranger in ["user:2", ""] {
        let answered = scene
            .gateways
            .answer(&task.stream, stranger, &answers(&["a"]))
            .await;
        assert_eq!(answered.unwrap(), None);
    }
    let call = scene.owned().await;
    scene.say(&call, 1).await;
    assert_eq!(scene.answer(&call, &["a"]).await, None);
    assert_eq!(
        scene.open_questions(&task).await,
        Some(vec!["a".to_owned()])
    );
}

async fn a_task_that_waits_is_cancelled(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a"]).await;
    let gateways = &scene.gateways;
    gateways
        .abandon_call(&task.stream, Some(&task.entry), task.era)
        .await
        .unwrap();
    assert!(scene.open_questions(&task).await.is_some());
    for _ in 0..2 {
        scene.cancel(&task).await;
        let seen = scene.task(task.stream).await.expect("is there");
        assert_eq!(seen.state, TaskState::Cancelled);
    }
    assert_eq!(scene.answer(&task, &["a"]).await, Some(Answered::Taken));
    assert_eq!(scene.depth().await, (0, 0));
}

/// A gateway that looked at the task before its client answered knows that entry.
async fn a_task_that_came_back_is_cancelled_by_its_first_entry(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a"]).await;
    scene.answer(&task, &["a"]).await;
    let (_, owner) = scene.come_back(&scene.worker).await;
    assert_ne!(owner.entry, task.entry);
    let mut signals = begun(scene.workers.signal_news(&scene.worker).await.unwrap()).await;
    scene.cancel(&task).await;
    assert_eq!(
        next(&mut signals).await,
        Signal::new(task.stream, SignalKind::Cancel)
    );
    let stopped = Finish {
        event: None,
        ..finish(&owner, &response(owner.stream, 2))
    };
    assert_eq!(scene.workers.finish(&[stopped]).await.unwrap(), [Ok(())]);
    assert_eq!(scene.depth().await, (0, 0));
}

async fn who_let_a_task_wait_writes_nothing_more(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a"]).await;
    let late = message(task.stream, 2);
    assert_eq!(
        scene.workers.append(&task, &late).await.unwrap(),
        Err(Refusal::LostOwnership)
    );
    let late = finish(&task, &response(task.stream, 2));
    let refused = scene
        .workers
        .finish(std::slice::from_ref(&late))
        .await
        .unwrap();
    assert_eq!(refused, [Err(Refusal::LostOwnership)]);
    assert!(
        scene
            .workers
            .note_status(&task, "late")
            .await
            .unwrap()
            .is_err()
    );
    assert!(scene.workers.inputs(&task).await.unwrap().is_err());

    scene.answer(&task, &["a"]).await;
    let refused = scene.workers.finish(&[late]).await.unwrap();
    assert_eq!(refused, [Err(Refusal::Finished)]);
    assert_eq!(
        scene.depth().await,
        (1, 0),
        "the entry of the next round is another"
    );
    // It may hear only now that it was let wait.
    let parked = scene.workers.park(&task, &parking(&["a"])).await.unwrap();
    assert_eq!(parked, Ok(()));
    assert_eq!(scene.depth().await, (1, 0));
}

async fn a_task_is_let_wait_by_its_owner_alone(kind: Kind) {
    let scene = kind.scene().await;
    let call = scene.owned().await;
    scene.say(&call, 1).await;
    let parked = scene.workers.park(&call, &parking(&["a"])).await.unwrap();
    assert_eq!(parked, Err(Refusal::LostOwnership), "it is no task");

    let old = scene.owned().await;
    scene.promote(&old, 1).await;
    let worker = WorkerId::generate();
    let new = scene.passed_on(&old, &worker).await.ownership(&worker);
    scene.workers.take_over(&new).await.unwrap();
    let parked = scene.workers.park(&old, &parking(&["a"])).await.unwrap();
    assert_eq!(parked, Err(Refusal::LostOwnership));
    scene.cancel(&new).await;
    let parked = scene.workers.park(&new, &parking(&["a"])).await.unwrap();
    assert_eq!(parked, Err(Refusal::Cancelled));
}

async fn a_task_that_came_back_is_taken_over_as_any_other(kind: Kind) {
    let scene = kind.scene().await;
    let task = scene.asking(&["a"]).await;
    scene.answer(&task, &["a"]).await;
    let (_, owner) = scene.come_back(&scene.worker).await;
    let entries = [owner.entry.clone()];
    scene
        .workers
        .hand_back(&owner.worker, &entries, true)
        .await
        .unwrap();
    let worker = WorkerId::generate();
    let claims = scene
        .workers
        .reclaim(&worker, LONG_LEASE, 10)
        .await
        .unwrap();
    assert_eq!((claims.len(), claims[0].delivery), (1, 2));
    let next = claims[0].ownership(&worker);
    let taken = scene.workers.take_over(&next).await.unwrap();
    let birth = promotion(&task, 1).birth;
    assert_eq!(
        taken,
        TakeOver::Taken {
            newest: 1,
            task: Some(birth)
        }
    );
    let inputs = scene
        .workers
        .inputs(&next)
        .await
        .unwrap()
        .expect("is the owner");
    assert_eq!(inputs.answers.len(), 1);
    assert_eq!(
        scene.workers.inputs(&owner).await.unwrap(),
        Err(Refusal::LostOwnership)
    );
}

async fn questions_and_answers_are_bounded(kind: Kind) {
    let limits = BusLimits {
        task_input: 170,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let owner = scene.owned().await;
    scene.promote(&owner, 1).await;
    let parked = scene
        .workers
        .park(&owner, &parking(&["a", "b", "c"]))
        .await
        .unwrap();
    assert_eq!(parked, Err(Refusal::LogFull));
    scene.park(&owner, &["a"]).await;
    let long = json(&format!("{:?}", "x".repeat(150)));
    let answers = BTreeMap::from([("a".to_owned(), long)]);
    let answered = scene.gateways.answer(&owner.stream, OWNER, &answers).await;
    assert_eq!(answered.unwrap(), Some(Answered::TooLarge));
    assert!(scene.open_questions(&owner).await.is_some());
    assert_eq!(scene.answer(&owner, &["a"]).await, Some(Answered::Taken));
}

async fn no_caller_fills_the_queue_with_last_answers(kind: Kind) {
    const QUEUE: usize = 4;
    let limits = BusLimits {
        queue: QUEUE,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let mut tasks = Vec::new();
    for _ in 0..QUEUE {
        tasks.push(scene.asking(&["a"]).await);
    }
    let mut taken = Vec::new();
    for task in &tasks {
        taken.push(scene.answer(task, &["a"]).await.expect("is there"));
    }
    let (yes, no) = (Answered::Taken, Answered::Busy);
    assert_eq!(taken, [yes, yes, no, no]);
    let refused = &tasks[QUEUE - 1];
    let left = scene.open_questions(refused).await;
    assert_eq!(left, Some(vec!["a".to_owned()]));

    // Another caller finds room, and the first one does when one of its tasks has ended.
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    assert_eq!(scene.answer(refused, &["a"]).await, Some(no));
    for _ in 0..2 {
        let (_, owner) = scene.come_back(&scene.worker).await;
        scene.respond(&owner, 2).await;
    }
    assert_eq!(scene.answer(refused, &["a"]).await, Some(yes));
}

async fn a_full_queue_takes_no_last_answer(kind: Kind) {
    let limits = BusLimits {
        queue: 1,
        ..BusLimits::default()
    };
    let scene = kind.scene_with(limits).await;
    let task = scene.asking(&["a", "b"]).await;
    scene.gateways.enqueue(&scene.request()).await.unwrap();
    assert_eq!(scene.answer(&task, &["b"]).await, Some(Answered::Taken));
    let full = scene
        .gateways
        .answer(&task.stream, OWNER, &answers(&["a"]))
        .await;
    assert!(matches!(full, Err(BusError::QueueFull { .. })), "{full:?}");
    assert_eq!(
        scene.open_questions(&task).await,
        Some(vec!["a".to_owned()])
    );
    let other = claim_one(&*scene.workers, &scene.worker).await;
    scene.respond(&other.ownership(&scene.worker), 1).await;
    assert_eq!(scene.answer(&task, &["a"]).await, Some(Answered::Taken));
    assert_eq!(scene.depth().await, (1, 0));
}
