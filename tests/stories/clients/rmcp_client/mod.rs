//! The rmcp client, in both eras, through the round-robin proxy: what `tests/clients` asks of every client.
//! `scripts/clients` takes the capabilities from the names of these tests.

mod endings;
mod scene;
mod tasks;

use rmcp::model::{
    GetSkillRequestParams, ProtocolVersion, ReadResourceRequestParams, ResourceContents,
    ServerNotification, SkillResources, SubscriptionFilter,
};
use rmcp::service::ClientLifecycleMode;
use serde_json::json;

use scene::{NOTE, SUMMARY, Scene, calling};

async fn lists(scene: &mut Scene) {
    let tools = scene.client.list_all_tools().await.expect("tools");
    assert!(tools.iter().any(|tool| tool.name == "echo"));
    let prompts = scene.client.list_all_prompts().await.expect("prompts");
    assert!(!prompts.is_empty());
}

async fn calls(scene: &mut Scene) {
    let sum = scene.call("add", json!({ "a": 1, "b": 2 })).await;
    assert_eq!(sum, r#"{"sum":3}"#);
    let unknown = calling("no_such_tool", json!({}));
    assert!(scene.client.call_tool(unknown).await.is_err());
}

async fn hears_progress(scene: &mut Scene) {
    let work = json!({ "steps": 3, "delay_ms": 100 });
    assert_eq!(scene.call("long_running", work).await, "done after 3 steps");
    for step in [1.0, 2.0, 3.0] {
        assert_eq!(scene.progress.recv().await, Some(step));
    }
}

async fn samples(scene: &mut Scene) {
    let text = json!({ "text": "Gateways hold sockets. Workers run tools." });
    assert_eq!(scene.call("summarize", text).await, SUMMARY);
}

async fn elicits(scene: &mut Scene) {
    let order = json!({ "restaurant": "Roma", "people": 2, "date": "2026-12-24" });
    let booked = scene.call("book_table", order).await;
    assert_eq!(booked, "Booked: Roma on 2026-12-24 at 19:30 for 2 people.");
}

async fn reads(scene: &mut Scene) {
    let readme = ReadResourceRequestParams::new("everything://readme");
    let read = scene
        .client
        .read_resource(readme)
        .await
        .expect("a resource");
    let [ResourceContents::TextResourceContents { text, .. }] = &read.contents[..] else {
        panic!("not one text: {read:?}");
    };
    assert!(text.starts_with("# PrynAI reference server"), "{text}");
}

#[expect(deprecated, reason = "the subscriptions of the legacy era")]
async fn hears_updates_of_a_session(scene: &mut Scene) {
    let subscription = rmcp::model::SubscribeRequestParams::new(NOTE);
    scene
        .client
        .subscribe(subscription)
        .await
        .expect("subscribed");
    // The client opens the session's GET stream by itself and does not tell when: it need not hear of
    // the first changes.
    let heard = async |scene: &mut Scene| {
        scene.touch().await;
        scene.updates.try_recv().ok()
    };
    assert_eq!(prynai_test_redis::eventually!(heard(scene).await), NOTE);
}

async fn hears_updates_while_it_listens(scene: &mut Scene) {
    let filter = SubscriptionFilter::builder().resource_subscription(NOTE);
    let subscribed = scene.client.listen(filter.build()).await;
    let mut subscription = subscribed.expect("acknowledged");
    scene.touch().await;
    match subscription.next().await {
        Ok(Some(ServerNotification::ResourceUpdatedNotification(updated))) => {
            assert_eq!(updated.params.uri, NOTE);
        }
        other => panic!("not an update: {other:?}"),
    }
}

async fn cancels(scene: &mut Scene) {
    let endless = json!({ "steps": 1_000, "delay_ms": 100 });
    let running = scene.begin("long_running", endless).await;
    scene.progress.recv().await.expect("progress");
    running.cancel(None).await.expect("cancelled");
    // Still connected: it is the cancel that ended the call, not the client's going away.
    scene.is_idle().await;
}

async fn uses_skills(scene: &mut Scene) {
    let skills = scene.client.list_all_skills().await.expect("skills");
    let [skill] = &skills[..] else {
        panic!("not one skill: {skills:?}");
    };
    let get = GetSkillRequestParams::new(&skill.uri);
    let got = scene.client.get_skill(get).await.expect("the skill");
    assert_eq!(got.skill, *skill);
    let SkillResources::Files(files) = &skill.resources else {
        panic!("its files are known: {skill:?}");
    };
    for file in files {
        let read = ReadResourceRequestParams::new(&file.uri);
        let read = scene.client.read_resource(read).await.expect("a file");
        let [ResourceContents::TextResourceContents { text, .. }] = &read.contents[..] else {
            panic!("not one text: {read:?}");
        };
        file.verify(text.as_bytes()).expect("what was promised");
    }
    let unknown = GetSkillRequestParams::new("skill://no-such-skill/SKILL.md");
    assert!(scene.client.get_skill(unknown).await.is_err());
}

/// One test for each capability, in a module that is named after the era.
macro_rules! capabilities {
    ($era:ident, $mode:expr, $($capability:ident: $check:ident),+ $(,)?) => {
        mod $era {
            $(
                #[tokio::test]
                async fn $capability() {
                    let mut scene = super::Scene::open($mode).await;
                    super::$check(&mut scene).await;
                    scene.close().await;
                }
            )+
        }
    };
}

capabilities!(
    legacy,
    super::ClientLifecycleMode::Initialize,
    list: lists,
    call: calls,
    progress: hears_progress,
    sampling: samples,
    elicitation: elicits,
    read: reads,
    update: hears_updates_of_a_session,
    cancel: cancels,
    skills: uses_skills,
);

capabilities!(
    modern,
    super::ClientLifecycleMode::Discover {
        preferred_versions: vec![super::ProtocolVersion::V_2026_07_28],
    },
    list: lists,
    call: calls,
    progress: hears_progress,
    sampling: samples,
    elicitation: elicits,
    read: reads,
    update: hears_updates_while_it_listens,
    cancel: cancels,
    skills: uses_skills,
);
