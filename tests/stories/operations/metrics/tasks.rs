//! Tasks: how many there are, and how they ended.

use prynai_test_harness::client::tool;
use serde_json::json;

use super::super::ops::tasks::{begun, taking_tasks};
use super::reading::{becomes, scrape};
use super::shown;

const STEPS: &str = "prynai_worker_tasks_total";

#[tokio::test]
async fn tasks_are_counted_by_what_became_of_them_and_measured_at_their_end() {
    let fleet = shown().worker_binary("prynai-conformance-worker");
    let mut fleet = fleet.start().await;
    let of_gateway = fleet.gateway_process(0).metrics_url().await;
    let of_worker = fleet.worker_process(0).metrics_url().await;
    let (client, url) = (fleet.client.clone(), fleet.gateway(0));
    let call = |name: &str, arguments| begun(&client, &url, tool(name, arguments));
    let asking = call("multi_input", json!({})).await;
    let working = call("slow_compute", json!({ "seconds": 600 })).await;
    call("slow_compute", json!({ "seconds": 0 })).await;
    call("protocol_error_job", json!({})).await;
    let step = async |step: &str, count: f64| {
        becomes(&client, &of_worker, STEPS, &[("step", step)], count).await;
    };
    for (name, count) in [
        ("at_once", 4.0),
        ("asked", 1.0),
        ("completed", 1.0),
        ("failed", 1.0),
    ] {
        step(name, count).await;
    }
    let tasks = async |working: f64, asking: f64| {
        for (name, count) in [
            ("prynai_tasks_working", working),
            ("prynai_tasks_input_required", asking),
            ("prynai_tasks_kept", 4.0),
        ] {
            becomes(&client, &of_gateway, name, &[], count).await;
        }
    };
    tasks(1.0, 1.0).await;

    for task in [&asking, &working] {
        let cancel = taking_tasks("tasks/cancel", json!({ "taskId": task }));
        client.modern(&url, &cancel).await.response().await;
    }
    step("cancelled", 1.0).await;
    tasks(0.0, 0.0).await;
    let seen = scrape(&client, &of_gateway).await;
    let waited = seen.value("prynai_gateway_tasks_cancelled_total", &[]);
    assert_eq!(waited, Some(1.0));
    let seen = scrape(&client, &of_worker).await;
    assert_eq!(seen.value("prynai_task_age_seconds_count", &[]), Some(3.0));
    assert_eq!(seen.value(STEPS, &[("step", "promoted")]), Some(0.0));
}
