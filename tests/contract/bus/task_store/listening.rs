//! Who listens to tasks.

use prynai_bus::ids::{StreamId, WorkerId};
use prynai_bus::wire::task::{TaskNews, TaskState};
use prynai_bus::{Finish, News, NewsReceiver, Ownership};

use super::questions::{answers, parking};
use super::{OWNER, promotion};
use crate::scene::{Kind, Scene, begun, finish, json, next, response};

for_both_buses! {
    each_change_is_told_once_and_in_order,
    a_cancel_is_told_once,
    a_cancel_of_a_task_that_waits_is_told,
    only_ones_own_tasks_are_listened_to,
    a_large_response_is_to_be_looked_at,
    who_reads_too_slowly_is_sent_back,
    each_listens_to_its_own_choice,
}

impl Scene {
    /// Listens to tasks of the owner, with the first gap taken out.
    pub(crate) async fn listen(&self, names: &[StreamId]) -> NewsReceiver<TaskNews> {
        let watch = self.gateways.watch(names, OWNER).await.expect("listens");
        assert_eq!(watch.names, names);
        begun(watch.news).await
    }

    /// Makes a task.
    async fn begun_task(&self) -> Ownership {
        let owner = self.owned().await;
        self.promote(&owner, 1).await;
        owner
    }

    pub(crate) async fn say_of(&self, owner: &Ownership, message: &str) {
        let noted = self.workers.note_status(owner, message).await;
        assert_eq!(noted.expect("noted"), Ok(()));
    }

    async fn park_both(&self, owner: &Ownership) {
        let parked = self.workers.park(owner, &parking(&["a", "b"])).await;
        assert_eq!(parked.expect("parked"), Ok(()));
    }

    async fn answer_one(&self, task: &Ownership, key: &str) {
        let given = answers(&[key]);
        let answered = self.gateways.answer(&task.stream, OWNER, &given).await;
        assert!(answered.expect("answered").is_some());
    }

    /// What is told next is what the task is now.
    async fn is_told(&self, news: &mut NewsReceiver<TaskNews>, name: StreamId, version: u64) {
        let now = self.task(name).await.expect("is there");
        assert_eq!(now.version, version, "{now:?}");
        let told = TaskNews {
            name,
            sight: Some(now),
        };
        assert_eq!(next(news).await, told);
    }
}

async fn each_change_is_told_once_and_in_order(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.begun_task().await;
    let name = owner.stream;
    let mut news = scene.listen(&[name]).await;
    assert_eq!(scene.task(name).await.expect("is there").version, 0);

    scene.say_of(&owner, "half").await;
    // What it says again is nothing new.
    scene.say_of(&owner, "half").await;
    scene.is_told(&mut news, name, 1).await;
    scene.park_both(&owner).await;
    scene.park_both(&owner).await;
    scene.is_told(&mut news, name, 2).await;
    scene.answer_one(&owner, "a").await;
    // Nor is an answer to what is not asked any more.
    scene.answer_one(&owner, "a").await;
    scene.answer_one(&owner, "no such question").await;
    scene.is_told(&mut news, name, 3).await;
    scene.answer_one(&owner, "b").await;
    scene.answer_one(&owner, "b").await;
    scene.is_told(&mut news, name, 4).await;
    let (_, again) = scene.come_back(&WorkerId::generate()).await;
    let last = finish(&again, &response(name, 2));
    for _ in 0..2 {
        let ended = scene.workers.finish(std::slice::from_ref(&last)).await;
        assert_eq!(ended.expect("finished"), [Ok(())]);
    }
    scene.cancel(&again).await;
    scene.is_told(&mut news, name, 5).await;
    assert!(news.try_recv().is_err());
}

async fn a_cancel_is_told_once(kind: Kind) {
    let scene = kind.scene().await;
    let (owner, other) = (scene.begun_task().await, scene.begun_task().await);
    let mut news = scene.listen(&[owner.stream, other.stream]).await;
    scene.cancel(&owner).await;
    scene.is_told(&mut news, owner.stream, 1).await;
    let told = scene.task(owner.stream).await;
    scene.cancel(&owner).await;
    let stopped = Finish {
        event: None,
        ..finish(&owner, &response(owner.stream, 2))
    };
    let stopped = scene.workers.finish(&[stopped]).await;
    assert_eq!(stopped.expect("finished"), [Ok(())]);
    assert_eq!(scene.task(owner.stream).await, told, "as it was told");
    // Nothing more came of the first one.
    scene.say_of(&other, "half").await;
    scene.is_told(&mut news, other.stream, 1).await;
}

async fn a_cancel_of_a_task_that_waits_is_told(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.begun_task().await;
    scene.park_both(&owner).await;
    let mut news = scene.listen(&[owner.stream]).await;
    scene.cancel(&owner).await;
    scene.is_told(&mut news, owner.stream, 2).await;
    let state = scene.task(owner.stream).await.expect("is there").state;
    assert_eq!(state, TaskState::Cancelled);
}

async fn only_ones_own_tasks_are_listened_to(kind: Kind) {
    let scene = kind.scene().await;
    let (own, foreign) = (scene.begun_task().await, scene.owned().await);
    let mut theirs = promotion(&foreign, 1);
    theirs.principal = "user:2".to_owned();
    let promoted = scene.workers.promote(&foreign, &theirs).await;
    assert_eq!(promoted.expect("promoted"), Ok(()));
    let call = scene.owned().await;
    scene.say(&call, 1).await;
    let asked = [
        foreign.stream,
        StreamId::generate(),
        own.stream,
        call.stream,
    ];
    let watch = scene.gateways.watch(&asked, OWNER).await.expect("listens");
    assert_eq!(watch.names, [own.stream]);
    let mut news = begun(watch.news).await;
    scene.say_of(&foreign, "secret").await;
    scene.say_of(&own, "half").await;
    scene.is_told(&mut news, own.stream, 1).await;
    let nothing = scene.gateways.watch(&[], OWNER).await.expect("listens");
    assert_eq!(nothing.names, []);
}

async fn a_large_response_is_to_be_looked_at(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.begun_task().await;
    let mut news = scene.listen(&[owner.stream]).await;
    let mut last = response(owner.stream, 2);
    let text = "x".repeat(200_000);
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":"{text}"}}"#);
    last.message = Some(json(&text));
    let ended = scene.workers.finish(&[finish(&owner, &last)]).await;
    assert_eq!(ended.expect("finished"), [Ok(())]);
    let told = next(&mut news).await;
    assert_eq!(told.name, owner.stream);
    let ended = scene.task(owner.stream).await.expect("is there");
    assert_eq!(ended.state, TaskState::Ended(json(&text)));
    // Where nothing travels, nothing is too large.
    assert_eq!(told.sight.is_some(), kind == Kind::Memory);
}

async fn who_reads_too_slowly_is_sent_back(kind: Kind) {
    let scene = kind.scene().await;
    let owner = scene.begun_task().await;
    let mut news = scene.listen(&[owner.stream]).await;
    const MANY: u64 = 200;
    for number in 1..=MANY {
        scene.say_of(&owner, &number.to_string()).await;
    }
    let mut newest = 0;
    loop {
        let news = tokio::time::timeout(prynai_test_redis::PATIENCE, news.recv()).await;
        match news.expect("a gap").expect("the subscription goes on") {
            News::Item(TaskNews { sight, .. }) => {
                let version = sight.expect("is told").version;
                assert_eq!(version, newest + 1);
                newest = version;
            }
            News::Gap => break,
        }
    }
    assert!(
        newest < MANY,
        "{newest} states were kept for who reads none"
    );
}

async fn each_listens_to_its_own_choice(kind: Kind) {
    let scene = kind.scene().await;
    let (first, second) = (scene.begun_task().await, scene.begun_task().await);
    let mut both = scene.listen(&[first.stream, second.stream]).await;
    let mut one = scene.listen(&[second.stream]).await;
    scene.say_of(&first, "half").await;
    scene.say_of(&second, "half").await;
    scene.is_told(&mut both, first.stream, 1).await;
    scene.is_told(&mut both, second.stream, 1).await;
    scene.is_told(&mut one, second.stream, 1).await;
    drop(both);
    scene.say_of(&second, "more").await;
    scene.is_told(&mut one, second.stream, 2).await;
}
