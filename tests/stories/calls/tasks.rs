//! A call that becomes a task: its client comes and goes, and so do gateways and workers.

use prynai_test_harness::client::{Events, RawClient, long_running, modern, modern_with, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_redis::{assert_eventually, eventually};
use reqwest::StatusCode;
use serde_json::{Value, json};

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// A request of a client that takes tasks.
pub(crate) fn taking_tasks(id: impl Into<Value>, method: &str, params: Value) -> Value {
    modern_with(id, method, params, json!({ "extensions": { TASKS: {} } }))
}

/// Asks about a task, and gives the whole answer.
async fn about(client: &RawClient, url: &str, method: &str, task: &Value) -> Value {
    let params = json!({ "taskId": task["taskId"] });
    let asked = taking_tasks(9, method, params);
    client.modern(url, &asked).await.response().await
}

pub(super) async fn get(client: &RawClient, url: &str, task: &Value) -> Value {
    about(client, url, "tasks/get", task).await["result"].clone()
}

/// Calls a tool whose call becomes a task, and gives that.
pub(super) async fn begun(client: &RawClient, url: &str, call: Value) -> Value {
    let call = taking_tasks(1, "tools/call", call);
    let response = client.modern(url, &call).await.response().await;
    let task = response["result"].clone();
    assert_eq!(task["resultType"], "task", "{response}");
    assert_eq!(task["status"], "working", "{response}");
    task
}

/// Waits until a task has this status, and gives it then.
async fn becomes(client: &RawClient, url: &str, task: &Value, status: &str) -> Value {
    eventually!({
        let now = get(client, url, task).await;
        (now["status"] == status).then_some(now)
    })
}

fn promptly() -> [&'static str; 2] {
    ["--task-after", "1s"]
}

#[tokio::test]
async fn a_task_outlives_its_gateway_and_is_fetched_at_another() {
    let mut cluster = Cluster::new()
        .gateways(2)
        .worker_args(&promptly())
        .start()
        .await;
    let (first, other) = (cluster.gateway(1), cluster.gateway(0));
    let client = cluster.client.clone();
    let task = begun(&client, &first, long_running(1_000, 100)).await;

    // One of a client that takes no tasks ends with its gateway, which shows when this counts as gone.
    let call = modern(2, "tools/call", long_running(1_000, 100));
    let mut events = client.modern(&first, &call).await.events();
    events.expect("notifications/progress").await;
    cluster.gateway_process(1).kill().await;
    assert_eventually!(cluster.queued().await == 1, "a call runs on for nobody");

    let now = get(&client, &other, &task).await;
    assert_eq!(now["status"], "working", "{now}");
    let said = now["statusMessage"].as_str().expect("says how far it is");
    assert!(said.ends_with("of 1000"), "{said}");
    assert_eq!(now["createdAt"], task["createdAt"]);

    let done = about(&client, &other, "tasks/cancel", &task).await;
    assert_eq!(done["result"], json!({ "resultType": "complete" }));
    becomes(&client, &other, &task, "cancelled").await;
    assert_eventually!(cluster.queued().await == 0, "a cancelled task runs on");
    // Again, it is answered alike.
    let again = about(&client, &other, "tasks/cancel", &task).await;
    assert_eq!(again["result"], done["result"]);
}

#[tokio::test]
async fn the_result_of_a_task_waits_for_its_client() {
    let mut cluster = Cluster::new()
        .gateways(2)
        .worker_args(&promptly())
        .start()
        .await;
    let (first, other) = (cluster.gateway(0), cluster.gateway(1));
    let client = cluster.client.clone();
    let task = begun(&client, &first, long_running(20, 100)).await;
    let done = becomes(&client, &other, &task, "completed").await;
    assert_eq!(done["resultType"], "complete");
    assert!(done["result"]["content"].is_array(), "{done}");
    assert!(done["ttlMs"].as_u64() >= task["ttlMs"].as_u64(), "{done}");
    cluster.assert_idle().await;

    // No worker is needed to be told, at any gateway.
    cluster.worker_process(0).kill().await;
    for url in [&first, &other, &first] {
        assert_eq!(get(&client, url, &task).await, done);
    }
}

#[tokio::test]
async fn a_task_outlives_its_worker_as_its_tool_allows() {
    let mut cluster = Cluster::new()
        .worker_args(&["--task-after", "1s", "--lease", "2s"])
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let task = begun(&client, &url, long_running(30, 100)).await;
    cluster.worker_process(0).kill().await;
    assert_eq!(get(&client, &url, &task).await["status"], "working");
    cluster.replace_worker(0).await;
    let done = becomes(&client, &url, &task, "completed").await;
    assert_eq!(done["createdAt"], task["createdAt"]);
}

#[tokio::test]
async fn only_who_takes_tasks_gets_one() {
    let cluster = Cluster::new().worker_args(&promptly()).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let call = modern(1, "tools/call", long_running(15, 100));
    let response = client.modern(&url, &call).await.response().await;
    assert_eq!(response["result"]["resultType"], "complete", "{response}");
    // One that is done in time needs no task.
    let call = taking_tasks(2, "tools/call", tool("echo", json!({ "text": "a" })));
    let response = client.modern(&url, &call).await.response().await;
    assert_eq!(response["result"]["resultType"], "complete", "{response}");
}

#[tokio::test]
async fn what_is_no_task_of_the_caller_is_refused() {
    let cluster = Cluster::new().worker_args(&promptly()).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let unknown = [
        json!({ "taskId": "0198c5f2a7b47c3e9d10b2f4c6e8a012" }),
        json!({ "taskId": "no such form" }),
        json!({ "taskId": "" }),
    ];
    for task in &unknown {
        for method in ["tasks/get", "tasks/update", "tasks/cancel"] {
            let response = about(client, &url, method, task).await;
            assert_eq!(
                response["error"]["code"], -32602,
                "{method} {task}: {response}"
            );
            let params = json!({ "taskId": task["taskId"] });
            let undeclared = client.modern(&url, &modern(1, method, params)).await;
            assert_eq!(undeclared.status(), StatusCode::BAD_REQUEST);
            let response = undeclared.response().await;
            assert_eq!(response["error"]["code"], -32021, "{response}");
            let needed = &response["error"]["data"]["requiredCapabilities"];
            assert_eq!(*needed, json!({ "extensions": { TASKS: {} } }));
        }
    }
    for method in ["tasks/list", "tasks/result"] {
        let response = about(client, &url, method, &unknown[0]).await;
        assert_eq!(response["error"]["code"], -32601, "{method}: {response}");
    }
}

#[tokio::test]
async fn the_name_of_a_task_is_mirrored_in_a_header() {
    let cluster = Cluster::new().worker_args(&promptly()).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let task = begun(client, &url, long_running(15, 100)).await;
    let asked = taking_tasks(2, "tasks/get", json!({ "taskId": task["taskId"] }));
    let mut request = client
        .modern_request(&url, &asked)
        .build()
        .expect("a request");
    request
        .headers_mut()
        .insert("Mcp-Name", "another".parse().expect("ASCII"));
    let reply = reqwest::Client::new()
        .execute(request)
        .await
        .expect("is answered");
    assert_eq!(reply.status(), StatusCode::BAD_REQUEST);
    let refused: Value = reply.json().await.expect("JSON");
    assert_eq!(refused["error"]["code"], -32020, "{refused}");
}

#[tokio::test]
async fn who_listens_hears_each_state_of_a_task_once_and_in_order() {
    let cluster = Cluster::new()
        .gateways(2)
        .workers(2)
        .worker_args(&promptly())
        .start()
        .await;
    let (first, other) = (cluster.gateway(0), cluster.gateway(1));
    let client = &cluster.client;
    let task = begun(client, &first, long_running(30, 100)).await;
    let unknown = "0198c5f2a7b47c3e9d10b2f4c6e8a012";
    let asked = [&task["taskId"], &json!(unknown), &json!("no such form")];
    let params = json!({ "notifications": { "taskIds": asked } });
    let listened = taking_tasks("s", "subscriptions/listen", params);
    let mut events = client.modern(&other, &listened).await.events();
    let acknowledged = events
        .expect("notifications/subscriptions/acknowledged")
        .await;
    let agreed = &acknowledged["params"]["notifications"];
    assert_eq!(*agreed, json!({ "taskIds": [task["taskId"]] }));

    let mut steps = Vec::new();
    let mut ended = loop {
        let told = events.expect("notifications/tasks").await["params"].take();
        assert_eq!(told["taskId"], task["taskId"]);
        assert_eq!(told["_meta"]["io.modelcontextprotocol/subscriptionId"], "s");
        if told["status"] != "working" {
            break told;
        }
        steps.push(told["statusMessage"].as_str().unwrap_or("0 of").to_owned());
        // News are lost, and made up for.
        let kill = ["CLIENT", "KILL", "TYPE", "pubsub"];
        let _killed: i64 = cluster.redis.command(&kill).await;
    };
    let numbers: Vec<u32> = steps
        .iter()
        .map(|step| step.split(' ').find_map(|word| word.parse().ok()))
        .map(|number| number.expect("a number"))
        .collect();
    assert!(numbers.len() > 1, "{numbers:?}");
    assert!(numbers.is_sorted_by(|one, next| one < next), "{numbers:?}");
    // What is told is what is asked for.
    let mut now = get(client, &first, &task).await;
    now.as_object_mut().expect("an object").remove("resultType");
    ended.as_object_mut().expect("an object").remove("_meta");
    assert_eq!(ended, now);
    assert_eq!(ended["status"], "completed");

    // Whoever comes late is told how it is.
    let mut late = client.modern(&first, &listened).await.events();
    late.expect("notifications/subscriptions/acknowledged")
        .await;
    let told = late.expect("notifications/tasks").await;
    assert_eq!(told["params"]["status"], "completed", "{told}");
    cluster.assert_idle().await;
}

/// Listens to tasks.
async fn listening(client: &RawClient, url: &str, tasks: &[&Value]) -> Events {
    let names: Vec<_> = tasks.iter().map(|task| &task["taskId"]).collect();
    let params = json!({ "notifications": { "taskIds": names } });
    let listened = taking_tasks("s", "subscriptions/listen", params);
    let mut events = client.modern(url, &listened).await.events();
    let acknowledged = events
        .expect("notifications/subscriptions/acknowledged")
        .await;
    let agreed = acknowledged["params"]["notifications"]["taskIds"].as_array();
    assert_eq!(agreed.map(Vec::len), Some(tasks.len()));
    events
}

fn log(task: &Value) -> String {
    let name = task["taskId"].as_str().expect("a name");
    format!("prynai:{{main.0}}:log:{name}")
}

#[tokio::test]
async fn a_task_that_cannot_be_read_silences_no_other() {
    let cluster = Cluster::new().worker_args(&promptly()).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let other = begun(client, &url, long_running(1_000, 100)).await;
    let task = begun(client, &url, long_running(30, 100)).await;
    // As one of a newer release.
    let set = ["HSET", &log(&other), "task", r#"{"v":99}"#];
    let _made: i64 = cluster.redis.command(&set).await;
    let mut events = listening(client, &url, &[&other, &task]).await;
    loop {
        let told = events.expect("notifications/tasks").await["params"].take();
        assert_eq!(told["taskId"], task["taskId"]);
        if told["status"] == "completed" {
            break;
        }
    }
}

#[tokio::test]
async fn the_end_of_a_task_is_told_though_redis_lost_its_newest_writes() {
    let cluster = Cluster::new().worker_args(&promptly()).start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let task = begun(client, &url, long_running(30, 100)).await;
    let count_from = async |number: &str| {
        let set = ["HSET", &log(&task), "version", number];
        let _made: i64 = cluster.redis.command(&set).await;
    };
    count_from("1000").await;
    let mut events = listening(client, &url, &[&task]).await;
    let told = events.expect("notifications/tasks").await;
    assert_eq!(told["params"]["status"], "working", "{told}");
    // A server that lacks the last changes counts on from where it is.
    count_from("1").await;
    let told = events.expect("notifications/tasks").await;
    assert_eq!(told["params"]["status"], "completed", "{told}");
}

#[tokio::test]
async fn a_result_larger_than_all_that_its_caller_may_have_is_fetched() {
    const LARGE: usize = 5_000_000;
    let cluster = Cluster::new()
        .gateway_args(&["--caller-bytes", "4MiB"])
        .worker_binary("prynai-bulk-worker")
        .start()
        .await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let task = begun(client, &url, tool("give", json!({ "bytes": LARGE }))).await;
    let done = becomes(client, &url, &task, "completed").await;
    let text = done["result"]["content"][0]["text"].as_str();
    assert_eq!(text.map(str::len), Some(LARGE));
}

#[tokio::test]
async fn last_answers_leave_half_of_the_queue_to_others() {
    let mut cluster = Cluster::new()
        .gateway_args(&["--queue-limit", "2", "--caller-limit", "2"])
        .worker_binary("prynai-conformance-worker")
        .start()
        .await;
    let (client, url) = (cluster.client.clone(), cluster.gateway(0));
    let mut tasks = Vec::new();
    for file in ["a", "b"] {
        let call = tool("confirm_delete", json!({ "filename": file }));
        let task = begun(&client, &url, call).await;
        becomes(&client, &url, &task, "input_required").await;
        tasks.push(task);
    }
    cluster.worker_process(0).kill().await;
    let answer = async |task: &Value| {
        let now = get(&client, &url, task).await;
        let questions = now["inputRequests"].as_object().expect("questions").keys();
        let yes = json!({ "action": "accept", "content": { "confirm": true } });
        let answers: Value = questions.map(|key| (key.clone(), yes.clone())).collect();
        let params = json!({ "taskId": task["taskId"], "inputResponses": answers });
        let reply = client
            .modern(&url, &taking_tasks(9, "tasks/update", params))
            .await;
        (reply.status(), reply.response().await)
    };
    let (status, taken) = answer(&tasks[0]).await;
    assert_eq!(status, StatusCode::OK, "{taken}");
    let (status, refused) = answer(&tasks[1]).await;
    assert_eq!(status, StatusCode::TOO_MANY_REQUESTS, "{refused}");
    let data = &refused["error"]["data"];
    assert_eq!(data["reason"], "caller_limit", "{refused}");
    assert!(data["retryAfterSeconds"].is_number(), "{refused}");

    // Nothing of it was taken, and when the first one has ended it is.
    cluster.replace_worker(0).await;
    becomes(&client, &url, &tasks[0], "completed").await;
    let (status, taken) = answer(&tasks[1]).await;
    assert_eq!(status, StatusCode::OK, "{taken}");
    becomes(&client, &url, &tasks[1], "completed").await;
}

#[tokio::test]
async fn who_takes_no_tasks_cannot_listen_to_them() {
    let cluster = Cluster::new().start().await;
    let (client, url) = (&cluster.client, cluster.gateway(0));
    let params = json!({ "notifications": { "taskIds": ["a"], "toolsListChanged": true } });
    let refused = client
        .modern(&url, &modern(1, "subscriptions/listen", params.clone()))
        .await;
    assert_eq!(refused.response().await["error"]["code"], -32021);
    let listened = taking_tasks(2, "subscriptions/listen", params);
    let mut events = client.modern(&url, &listened).await.events();
    let acknowledged = events
        .expect("notifications/subscriptions/acknowledged")
        .await;
    // There is no such task.
    let agreed = &acknowledged["params"]["notifications"];
    assert_eq!(*agreed, json!({ "toolsListChanged": true }));
    let many: Vec<_> = (0..101).map(|number| number.to_string()).collect();
    let params = json!({ "notifications": { "taskIds": many } });
    let listened = taking_tasks(3, "subscriptions/listen", params);
    let refused = client.modern(&url, &listened).await;
    assert_eq!(refused.response().await["error"]["code"], -32602);
}

#[tokio::test]
async fn clients_are_told_that_there_are_tasks() {
    let cluster = Cluster::new().start().await;
    let asked = modern(1, "server/discover", json!({}));
    let reply = cluster.client.modern(&cluster.gateway(0), &asked).await;
    let response = reply.response().await;
    let extensions = &response["result"]["capabilities"]["extensions"];
    assert_eq!(extensions[TASKS], json!({}), "{response}");
}
