//! Tasks that wait for their client while no worker runs: only Redis pays for them, and not much. Then a worker comes
//! back, all are answered, and all end.

use std::net::Ipv4Addr;

use futures::stream::{self, StreamExt};
use serde_json::{Value, json};

use prynai_test_harness::client::{RawClient, modern_with, tool};
use prynai_test_harness::cluster::Cluster;
use prynai_test_harness::process::memory;
use prynai_test_redis::{assert_eventually, eventually};

/// The most that Redis may keep for each.
const MOST_BYTES: usize = 4 * 1024;

/// Requests at a time.
const AT_ONCE: usize = 32;

const TASKS: &str = "io.modelcontextprotocol/tasks";

/// What is taken at a moment.
#[derive(Debug, Clone, Copy)]
pub struct Taken {
    /// Memory that Redis uses, in bytes.
    pub redis: usize,
    /// Memory of the gateway that no other process shares, in bytes.
    pub gateway: usize,
}

/// What the tasks cost.
#[derive(Debug)]
pub struct Waited {
    tasks: usize,
    /// After as many tasks were begun and cancelled: an allocator keeps some for itself.
    pub before: Taken,
    /// With all of them, and without a worker.
    pub with: Taken,
    /// How many ended with their own result.
    pub ended: usize,
}

/// Begins tasks that ask, stops the worker, and answers them when another one has come.
pub async fn run(tasks: usize) -> Waited {
    let plan = Cluster::new().gateways(2).workers(1).durable();
    let plan = plan.worker_binary("prynai-conformance-worker");
    let mut fleet = plan.start().await;
    // Another caller: ended tasks count until their results have expired.
    let client = RawClient::from(Ipv4Addr::new(127, 0, 0, 2).into());
    let cancelled = begun(&fleet, &client, tasks).await;
    each(&cancelled, |_, task| {
        ask(&fleet, &client, "tasks/cancel", json!({ "taskId": task }))
    })
    .await;
    fleet.assert_idle().await;
    let before = taken(&mut fleet).await;

    let client = RawClient::new();
    let waiting = begun(&fleet, &client, tasks).await;
    assert_eventually!(
        fleet.queued().await == 0,
        "tasks that wait stay in the queue"
    );
    fleet.worker_process(0).signal("-TERM");
    fleet.worker_process(0).ended().await;
    let with = taken(&mut fleet).await;
    each(&waiting, |_, task| answer(&fleet, &client, task)).await;
    fleet.replace_worker(0).await;
    let ended = each(&waiting, |number, task| {
        is_done(&fleet, &client, number, task)
    })
    .await;
    Waited {
        tasks,
        before,
        with,
        ended: ended.into_iter().filter(|ended| *ended).count(),
    }
}

impl Waited {
    /// Memory of Redis for each task, in bytes.
    pub fn bytes_each(&self) -> usize {
        self.with.redis.saturating_sub(self.before.redis) / self.tasks
    }

    /// Whether all ended, and nobody but Redis paid for the wait: gateways no more than allocators differ by.
    pub fn costs_little(&self) -> bool {
        let tolerance = self.before.gateway / 10;
        self.ended == self.tasks
            && self.bytes_each() <= MOST_BYTES
            && self.with.gateway <= self.before.gateway + tolerance
    }

    /// For people.
    pub fn table(&self) -> String {
        let line = |name, taken: Taken| {
            let [redis, gateway] = [taken.redis, taken.gateway].map(|bytes| bytes / 1024);
            format!("{name:<8}{redis:>8} KiB in Redis{gateway:>10} KiB in the gateway")
        };
        let Self { tasks, ended, .. } = self;
        [
            line("before", self.before),
            line("with", self.with),
            format!("{} bytes in Redis for each of {tasks}", self.bytes_each()),
            format!("{ended} ended with their result"),
        ]
        .join("\n")
    }
}

/// The ids of new tasks, each of which asks about a file of its own.
async fn begun(fleet: &Cluster, client: &RawClient, tasks: usize) -> Vec<String> {
    let numbers: Vec<String> = (0..tasks).map(|number| format!("file-{number}")).collect();
    each(&numbers, |_, file| async move {
        let call = tool("confirm_delete", json!({ "filename": file }));
        let task = ask(fleet, client, "tools/call", call).await;
        task["taskId"].as_str().expect("a task").to_owned()
    })
    .await
}

/// Says yes to what a task asks.
async fn answer(fleet: &Cluster, client: &RawClient, task: &str) {
    let now = ask(fleet, client, "tasks/get", json!({ "taskId": task })).await;
    assert_eq!(now["status"], "input_required", "{now}");
    let yes = json!({ "action": "accept", "content": { "confirm": true } });
    let questions = now["inputRequests"].as_object().expect("questions");
    let answers: Value = questions
        .keys()
        .map(|key| (key.clone(), yes.clone()))
        .collect();
    let answers = json!({ "taskId": task, "inputResponses": answers });
    ask(fleet, client, "tasks/update", answers).await;
}

/// Waits for the end of a task, and compares it with what this one has to say.
async fn is_done(fleet: &Cluster, client: &RawClient, number: usize, task: &str) -> bool {
    let end = eventually!({
        let now = ask(fleet, client, "tasks/get", json!({ "taskId": task })).await;
        (now["status"] != "working").then_some(now)
    });
    end["result"]["content"][0]["text"] == format!("deleted file-{number}")
}

/// Does something for each, some at a time, and gives what came of it in their order.
async fn each<'a, T, F: Future<Output = T>>(
    ids: &'a [String],
    what: impl Fn(usize, &'a str) -> F,
) -> Vec<T> {
    let all = stream::iter(ids.iter().enumerate().map(|(number, id)| what(number, id)));
    all.buffered(AT_ONCE).collect().await
}

async fn ask(fleet: &Cluster, client: &RawClient, method: &str, params: Value) -> Value {
    let can = json!({ "elicitation": {}, "extensions": { TASKS: {} } });
    let request = modern_with(1, method, params, can);
    // Not by the balancer, behind which all callers are one.
    let response = client
        .modern(&fleet.gateway(0), &request)
        .await
        .response()
        .await;
    assert!(response["error"].is_null(), "{response}");
    response["result"].clone()
}

async fn taken(fleet: &mut Cluster) -> Taken {
    let told: String = fleet.redis.command(&["INFO", "memory"]).await;
    let used = told
        .lines()
        .find_map(|line| line.strip_prefix("used_memory:"));
    Taken {
        redis: used.and_then(|bytes| bytes.parse().ok()).expect("a number"),
        gateway: memory(fleet.gateway_process(0).pid()),
    }
}
