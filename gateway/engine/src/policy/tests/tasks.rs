//! Calls that are always tasks where there is no room for one, and limits of what is asked about tasks.

use std::time::Duration;

use axum::http::StatusCode;
use prynai_bus::ids::StreamId;
use prynai_bus::wire::task::TASKS;
use prynai_bus::{BusLimits, TaskPart, TaskStore};
use serde_json::{Value, json};

use super::anonymous;
use super::scene::Scene;

/// A call of a client that takes tasks.
fn call(tool: &str) -> Value {
    let capabilities = json!({ "extensions": { TASKS: {} } });
    json!({
        "name": tool,
        "_meta": { "io.modelcontextprotocol/clientCapabilities": capabilities },
    })
}

#[tokio::test]
async fn what_is_always_a_task_is_refused_where_there_is_no_room_and_nothing_else_is() {
    let of_all = BusLimits {
        tasks: 0,
        ..BusLimits::default()
    };
    let of_one = BusLimits {
        caller_tasks: 0,
        ..BusLimits::default()
    };
    for (limits, status, reason) in [
        (of_all, StatusCode::SERVICE_UNAVAILABLE, "tasks_full"),
        (of_one, StatusCode::TOO_MANY_REQUESTS, "caller_tasks"),
    ] {
        let mut scene = Scene::with_limits(None, limits).await;
        for tool in ["grind", "rebuild"] {
            let client = scene.modern(anonymous());
            let response = client.ask("tools/call", call(tool)).await;
            assert_eq!(response.headers()["retry-after"], "60");
            let (refused, answer) = super::scene::json_of(response).await;
            assert_eq!(refused, status, "{answer}");
            assert_eq!(answer["error"]["data"]["reason"], reason);
            assert_eq!(answer["error"]["data"]["retryAfterSeconds"], 60);
            scene.assert_nothing_queued().await;
        }
        // It is held.
        for params in [call("put"), json!({ "name": "grind" })] {
            let client = scene.modern(anonymous());
            let (status, answer) = client.answer("tools/call", params).await;
            assert_eq!(status, StatusCode::OK, "{answer}");
            scene.queued().await;
        }
    }
}

#[tokio::test]
async fn what_is_always_a_task_is_refused_while_as_much_is_kept_for_its_caller_as_may_be() {
    let limits = BusLimits {
        caller_kept: 10_000,
        ..BusLimits::default()
    };
    let mut scene = Scene::with_limits(None, limits).await;
    let (share, task, hour) = (
        anonymous().share(),
        StreamId::generate(),
        Duration::from_secs(3600),
    );
    let keep = scene.bus.keep(&share, &task, TaskPart::Body, 8_500, hour);
    keep.await.expect("there is room");
    for tool in ["grind", "rebuild"] {
        let client = scene.modern(anonymous());
        let response = client.ask("tools/call", call(tool)).await;
        assert_eq!(response.headers()["retry-after"], "60");
        let (status, answer) = super::scene::json_of(response).await;
        assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
        assert_eq!(answer["error"]["data"]["reason"], "caller_kept");
        scene.assert_nothing_queued().await;
    }
    // So are answers to tasks, and nothing else is.
    let mut update = call("put");
    update["taskId"] = json!(task.to_string());
    update["inputResponses"] = json!({ "a": { "action": "accept" } });
    let client = scene.modern(anonymous());
    let (_, answer) = client.answer("tasks/update", update).await;
    assert_eq!(answer["error"]["data"]["reason"], "caller_kept", "{answer}");
    let (status, answer) = client.answer("tools/call", call("put")).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    scene.queued().await;
}

#[tokio::test]
async fn times_of_a_task_that_are_none_are_refused() {
    let mut scene = Scene::new(None).await;
    for key in ["ai.prynai/taskTimeoutMs", "ai.prynai/taskTtlMs"] {
        for wrong in [json!(0), json!(-1), json!(1.5), json!("1"), json!([1])] {
            let mut params = call("put");
            params["_meta"][key] = wrong;
            let client = scene.modern(anonymous());
            let (_, answer) = client.answer("tools/call", params).await;
            assert_eq!(answer["error"]["code"], -32602, "{answer}");
            scene.assert_nothing_queued().await;
        }
        let mut params = call("put");
        params["_meta"][key] = json!(1);
        let client = scene.modern(anonymous());
        let (status, answer) = client.answer("tools/call", params).await;
        assert_eq!(status, StatusCode::OK, "{answer}");
        scene.queued().await;
    }
}

#[tokio::test]
async fn limits_count_what_is_asked_about_tasks() {
    let policy = r#"
        [[allow]]
        tools = ["get"]

        [[limit]]
        name = "polls"
        methods = ["tasks/get"]
        rate = "1/h"
    "#;
    let scene = Scene::new(Some(policy)).await;
    let client = scene.modern(anonymous());
    let mut params = call("put");
    params["taskId"] = json!("0198c5f2a7b47c3e9d10b2f4c6e8a012");
    // No rule needs to allow it.
    let (_, answer) = client.answer("tasks/get", params.clone()).await;
    assert_eq!(answer["error"]["code"], -32602, "{answer}");
    let (status, answer) = client.answer("tasks/get", params).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{answer}");
    assert_eq!(answer["error"]["data"]["rule"], "polls");
}
