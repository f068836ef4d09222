//! Calls that become tasks.

use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::{assert_eventually, eventually};
use rmcp::model::{
    CallToolResponse, CancelTaskParams, GetTaskParams, ProtocolVersion, TaskPayload,
    UpdateTaskParams,
};
use rmcp::service::ClientLifecycleMode;
use serde_json::{Value, json};

use super::scene::{Scene, calling};

impl Scene {
    /// The id of the task that a call became.
    async fn becomes_a_task(&self, tool: &'static str, arguments: Value) -> String {
        let call = calling(tool, arguments);
        match self.client.call_tool_once(call).await {
            Ok(CallToolResponse::Task(made)) => made.task.task_id,
            other => panic!("not a task: {other:?}"),
        }
    }

    async fn of_task(&self, task: &str) -> TaskPayload {
        let got = self.client.get_task(GetTaskParams::new(task)).await;
        got.expect("the task").task.payload
    }

    /// The text of the result, when there is one.
    async fn result_of(&self, task: &str) -> Option<String> {
        match self.of_task(task).await {
            TaskPayload::Completed { result } => {
                Some(result["content"][0]["text"].as_str()?.to_owned())
            }
            _ => None,
        }
    }
}

#[tokio::test]
async fn tasks() {
    let fleet = Cluster::new().gateways(2).workers(2);
    let mode = ClientLifecycleMode::Discover {
        preferred_versions: vec![ProtocolVersion::V_2026_07_28],
    };
    let scene = Scene::on(fleet.worker_binary("prynai-conformance-worker"), mode).await;

    let computed = scene
        .becomes_a_task("slow_compute", json!({ "seconds": 1 }))
        .await;
    let asks = scene
        .becomes_a_task("confirm_delete", json!({ "filename": "old.txt" }))
        .await;
    let questions = eventually!(match scene.of_task(&asks).await {
        TaskPayload::InputRequired { input_requests } => Some(input_requests),
        _ => None,
    });
    let yes = json!({ "action": "accept", "content": { "confirm": true } });
    let answers = questions
        .into_keys()
        .map(|key| (key, yes.clone()))
        .collect();
    let answers = UpdateTaskParams::new(asks.clone(), answers);
    scene.client.update_task(answers).await.expect("taken");
    assert_eq!(eventually!(scene.result_of(&asks).await), "deleted old.txt");
    assert_eq!(
        eventually!(scene.result_of(&computed).await),
        "computed for 1 s"
    );

    let endless = scene
        .becomes_a_task("slow_compute", json!({ "seconds": 600 }))
        .await;
    let cancel = CancelTaskParams::new(endless.clone());
    scene
        .client
        .cancel_task(cancel)
        .await
        .expect("acknowledged");
    assert_eventually!(scene.of_task(&endless).await == TaskPayload::Cancelled);
    scene.close().await;
}
