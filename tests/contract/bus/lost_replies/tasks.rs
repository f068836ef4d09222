//! Calls that become tasks.

use prynai_bus::Answered;
use prynai_bus::wire::task::TaskState;

use super::{always, in_every_way, tiny_pages};
use crate::scene::next;
use crate::task_store::promotion;
use crate::task_store::questions::{answers, parking};

#[tokio::test]
async fn a_call_becomes_a_task_once() {
    always(async |shaky| {
        let mut events = shaky.scene.events_of(&shaky.scene.gateway).await;
        let owner = shaky.scene.owned().await;
        let promotion = promotion(&owner, 1);
        let promoted = shaky.done(|| shaky.bus.promote(&owner, &promotion)).await;
        assert_eq!(promoted, Ok(()));
        let task = shaky.scene.task(owner.stream).await.expect("is there");
        assert_eq!(task.birth, promotion.birth);
        let sentinel = shaky.scene.respond(&shaky.scene.owned().await, 1).await;
        let heard = [next(&mut events).await, next(&mut events).await];
        assert_eq!(heard, [promotion.event, sentinel], "heard once");
    })
    .await;
}

#[tokio::test]
async fn what_a_task_says_is_noted() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        shaky.scene.promote(&owner, 1).await;
        let noted = shaky.done(|| shaky.bus.note_status(&owner, "half")).await;
        assert_eq!(noted, Ok(()));
        let task = shaky.scene.task(owner.stream).await.expect("is there");
        assert_eq!(task.message.as_deref(), Some("half"));
    })
    .await;
}

#[tokio::test]
async fn a_task_waits_for_its_client_and_comes_back_once() {
    always(async |shaky| {
        let scene = &shaky.scene;
        let owner = scene.owned().await;
        let principal = promotion(&owner, 1).principal;
        scene.promote(&owner, 1).await;
        let parking = parking(&["a"]);
        let parked = shaky.done(|| shaky.bus.park(&owner, &parking)).await;
        assert_eq!(parked, Ok(()));
        assert_eq!(scene.depth().await, (0, 0));
        let given = answers(&["a"]);
        let answer = || shaky.bus.answer(&owner.stream, &principal, &given);
        assert_eq!(shaky.done(answer).await, Some(Answered::Taken));
        assert_eq!(scene.depth().await, (1, 0));
        let (_, owner) = scene.come_back(&scene.worker).await;
        let inputs = shaky.done(|| shaky.bus.inputs(&owner)).await;
        assert_eq!(inputs.expect("is the owner").answers.len(), 1);
    })
    .await;
}

#[tokio::test]
async fn who_listens_to_a_task_hears_of_each_change_once() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        let (name, principal) = (owner.stream, promotion(&owner, 1).principal);
        shaky.scene.promote(&owner, 1).await;
        let names = [name];
        let watch = shaky.done(|| shaky.bus.watch(&names, &principal)).await;
        assert_eq!(watch.names, names);
        let mut news = shaky.scene.listen(&names).await;
        let noted = shaky.done(|| shaky.bus.note_status(&owner, "half")).await;
        assert_eq!(noted, Ok(()));
        let parking = parking(&["a"]);
        let parked = shaky.done(|| shaky.bus.park(&owner, &parking)).await;
        assert_eq!(parked, Ok(()));
        let given = answers(&["a"]);
        shaky
            .done(|| shaky.bus.answer(&name, &principal, &given))
            .await;
        for version in 1..=3 {
            let told = next(&mut news).await.sight.expect("is told");
            assert_eq!(told.version, version);
        }
        let now = shaky.scene.task(name).await.expect("is there");
        assert_eq!(now.version, 3);
    })
    .await;
}

#[tokio::test]
async fn who_asks_for_room_for_a_task_is_told() {
    always(async |shaky| {
        let owner = shaky.scene.owned().await;
        let share = promotion(&owner, 1).share;
        shaky.done(|| shaky.bus.check_task_room(&share)).await;
    })
    .await;
}

#[tokio::test]
async fn a_task_is_looked_at() {
    in_every_way(tiny_pages(), async |shaky| {
        let owner = shaky.scene.owned().await;
        let promotion = promotion(&owner, 1);
        shaky.scene.promote(&owner, 1).await;
        shaky.scene.respond(&owner, 2).await;
        let look = || shaky.bus.task(&owner.stream, &promotion.principal);
        let task = shaky.done(look).await.expect("is there");
        assert!(matches!(task.state, TaskState::Ended(_)), "{task:?}");
    })
    .await;
}

#[tokio::test]
async fn a_task_is_not_abandoned() {
    always(async |shaky| {
        let (task, call) = (shaky.scene.owned().await, shaky.scene.owned().await);
        shaky.scene.promote(&task, 1).await;
        shaky.scene.say(&call, 1).await;
        for owner in [&task, &call] {
            let abandon = || {
                let entry = Some(&owner.entry);
                shaky.bus.abandon_call(&owner.stream, entry, owner.era)
            };
            shaky.done(abandon).await;
        }
        let streams = [task.stream, call.stream];
        let marked = shaky.scene.workers.cancelled_among(&streams).await;
        assert_eq!(marked.expect("looked"), [call.stream]);
    })
    .await;
}
