//! Calls that become tasks, and what a task asks its client.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use prynai_bus::ids::StreamId;
use prynai_bus::wire::event::EventKind;
use prynai_bus::wire::request::RequestEnvelope;
use prynai_bus::wire::task::{TaskSight, TaskState};
use prynai_bus::{BusLimits, SignalChannel, TaskStore};
use prynai_worker_engine::{
    Ask, BecomeTask, RequestStateKeys, Tasks, Unanswered, refuse_own_tasks,
};
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ElicitRequestParams, ElicitationSchema,
    ServerCapabilities, ServerConfig,
};
use rmcp::{ErrorData, ServerHandler, tool_handler, tool_router};
use serde_json::{Value, json};

use crate::stage::{Stage, message, raw, soon, text};

/// Bytes of the text that one of the tools says.
const RECITED: usize = 400 * 1024;

/// Has a tool for each way to become a task.
#[derive(Clone)]
struct Kitchen {
    tools: ToolRouter<Self>,
    shopped: Arc<AtomicU32>,
}

impl Kitchen {
    fn new() -> Self {
        Self {
            tools: Self::tool_router(),
            shopped: Arc::default(),
        }
    }

    async fn order(&self, ask: &Ask) -> Result<String, Unanswered> {
        let shop = async {
            let times = self.shopped.fetch_add(1, Ordering::Relaxed) + 1;
            Ok::<_, ErrorData>(times)
        };
        let shopped = ask.once("shop", shop).await?;
        let mut said = format!("shopped {shopped} times");
        for course in ["starter", "main"] {
            let params = ElicitRequestParams::FormElicitationParams {
                meta: None,
                message: format!("Which {course}?"),
                requested_schema: ElicitationSchema::new(BTreeMap::new()),
            };
            let answer = ask.elicitation(course, params).await?;
            let dish = answer.content.unwrap_or_default();
            said = format!("{said}, {course} {}", dish["dish"]);
        }
        Ok(said)
    }
}

#[tool_router]
impl Kitchen {
    #[rmcp::tool(description = "Asks twice", meta = Tasks::Always.meta())]
    async fn cook(&self, ask: Ask) -> Result<CallToolResponse, ErrorData> {
        match self.order(&ask).await {
            Ok(said) => Ok(CallToolResult::success(vec![ContentBlock::text(said)]).into()),
            Err(unanswered) => unanswered.into_response(),
        }
    }

    #[rmcp::tool(description = "Becomes a task, and asks twice then")]
    async fn cater(
        &self,
        ask: Ask,
        become_task: BecomeTask,
    ) -> Result<CallToolResponse, ErrorData> {
        become_task.now().await;
        self.cook(ask).await
    }

    #[rmcp::tool(description = "Says whether it is a task")]
    async fn look(&self, become_task: BecomeTask) -> String {
        become_task.now().await.to_string()
    }

    #[rmcp::tool(description = "Says much, in the end", meta = Tasks::Always.meta())]
    async fn recite(&self) -> String {
        "x".repeat(RECITED)
    }

    #[rmcp::tool(description = "Answers with a task alone", meta = Tasks::Required.meta())]
    async fn bake(&self) -> String {
        "baked".to_owned()
    }

    #[rmcp::tool(description = "Is no task, however long it takes", meta = Tasks::Never.meta())]
    async fn fry(&self, become_task: BecomeTask) -> String {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        become_task.now().await.to_string()
    }

    #[rmcp::tool(
        description = "Takes an hour, and may be begun again",
        annotations(read_only_hint = true)
    )]
    async fn reduce(&self) -> String {
        self.shopped.fetch_add(1, Ordering::Relaxed);
        self.stew().await
    }

    #[rmcp::tool(description = "Takes an hour")]
    async fn stew(&self) -> String {
        tokio::time::sleep(std::time::Duration::from_secs(3600)).await;
        "stewed".to_owned()
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Kitchen {}

/// A call of alice's, who takes tasks.
fn call(stage: &Stage, tool: &str) -> RequestEnvelope {
    let params = json!({"name": tool, "arguments": {}});
    RequestEnvelope {
        takes_task: true,
        ..stage.modern_with("tools/call", params, json!({"elicitation": {}}))
    }
}

/// Calls a tool, whose response is to name a task.
async fn begun(stage: &mut Stage, request: &RequestEnvelope) -> Value {
    let events = stage.run(request).await;
    let [only] = events.as_slice() else {
        panic!("more than a response: {events:?}");
    };
    assert_eq!((only.kind, only.offset), (EventKind::Task, 1));
    let created = message(only)["result"].clone();
    assert_eq!(created["resultType"], "task");
    assert_eq!(created["taskId"], request.stream.to_string());
    created
}

async fn seen(stage: &Stage, task: StreamId) -> TaskSight {
    let seen = stage.bus.task(&task, "alice").await.expect("looked");
    seen.expect("is there")
}

/// Waits until a task is so far.
async fn comes_to<T>(stage: &Stage, task: StreamId, state: impl Fn(TaskState) -> Option<T>) -> T {
    let look = async {
        loop {
            if let Some(found) = state(seen(stage, task).await.state) {
                return found;
            }
            tokio::task::yield_now().await;
        }
    };
    soon("that a task gets on", look).await
}

async fn ends(stage: &Stage, task: StreamId) -> Value {
    let ended = comes_to(stage, task, |state| match state {
        TaskState::Ended(response) => Some(response),
        _ => None,
    });
    ended.await.read().expect("JSON")
}

/// Waits until a task asks, and gives the keys and texts of its questions.
async fn asks(stage: &Stage, task: StreamId) -> BTreeMap<String, String> {
    let asked = comes_to(stage, task, |state| match state {
        TaskState::Asking(requests) => Some(requests),
        _ => None,
    });
    let asked = asked.await.into_iter();
    let text = |request: Value| request["params"]["message"].as_str().map(str::to_owned);
    let read = asked.map(|(key, request)| (key, text(request.read().expect("JSON"))));
    read.map(|(key, text)| (key, text.expect("says something")))
        .collect()
}

async fn answer(stage: &Stage, task: StreamId, key: &str, dish: &str) {
    let answer = json!({"action": "accept", "content": {"dish": dish}});
    let answers = BTreeMap::from([(key.to_owned(), raw(&answer))]);
    let answered = stage.bus.answer(&task, "alice", &answers).await;
    assert!(answered.expect("answered").is_some());
}

#[tokio::test]
async fn a_task_that_asks_costs_no_worker_and_goes_on_at_any() {
    let mut stage = Stage::new().await;
    // What a task leaves for itself no client carries, so it needs no key.
    let kitchen = Kitchen::new();
    let worker = stage.serve_keyed(kitchen.clone(), 1, RequestStateKeys::default());
    let request = call(&stage, "cook");
    let task = request.stream;
    begun(&mut stage, &request).await;
    let question = BTreeMap::from([("starter".to_owned(), "Which starter?".to_owned())]);
    assert_eq!(asks(&stage, task).await, question);
    worker.stop(&stage).await;

    answer(&stage, task, "starter", "soup").await;
    assert_eq!(stage.bus.queue_depth(), (1, 0));
    let worker = stage.serve_keyed(kitchen.clone(), 1, RequestStateKeys::default());
    let question = BTreeMap::from([("main".to_owned(), "Which main?".to_owned())]);
    assert_eq!(asks(&stage, task).await, question);
    answer(&stage, task, "main", "rice").await;
    let ended = ends(&stage, task).await;
    let expected = r#"shopped 1 times, starter "soup", main "rice""#;
    assert_eq!(text(&ended), expected);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn what_tasks_keep_counts_to_their_caller() {
    let mut stage = Stage::with_limits(BusLimits {
        caller_kept: 1024 * 1024,
        ..BusLimits::default()
    })
    .await;
    let kitchen = Kitchen::new();
    let worker = stage.serve(kitchen.clone());
    let call_with = |stage: &Stage, tool: &str, bytes: usize| {
        let params = json!({"name": tool, "arguments": {"ballast": "x".repeat(bytes)}});
        RequestEnvelope {
            takes_task: true,
            ..stage.modern_with("tools/call", params, json!({"elicitation": {}}))
        }
    };
    for _ in 0..2 {
        let request = call(&stage, "recite");
        begun(&mut stage, &request).await;
        assert_eq!(text(&ends(&stage, request.stream).await).len(), RECITED);
    }
    // It has run, and there is no room for what it says.
    let request = call(&stage, "recite");
    begun(&mut stage, &request).await;
    let ended = ends(&stage, request.stream).await;
    assert_eq!(ended["error"]["data"]["reason"], "caller_kept", "{ended}");
    // What is small is kept in any case.
    let request = call(&stage, "bake");
    begun(&mut stage, &request).await;
    assert_eq!(text(&ends(&stage, request.stream).await), "baked");

    // A call whose request is larger than the room that is left becomes no task.
    let large = call_with(&stage, "bake", 400 * 1024);
    assert_eq!(text(&stage.response(&large).await), "baked");
    // One that waits takes room for as long as it does.
    let waiting = call_with(&stage, "cook", 150 * 1024);
    let task = waiting.stream;
    begun(&mut stage, &waiting).await;
    asks(&stage, task).await;
    let other = call_with(&stage, "bake", 100 * 1024);
    assert_eq!(text(&stage.response(&other).await), "baked");
    answer(&stage, task, "starter", "soup").await;
    asks(&stage, task).await;
    answer(&stage, task, "main", "rice").await;
    ends(&stage, task).await;
    let request = call_with(&stage, "bake", 100 * 1024);
    begun(&mut stage, &request).await;
    assert_eq!(text(&ends(&stage, request.stream).await), "baked");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_tool_says_when_its_call_becomes_a_task() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Kitchen::new());
    let request = call(&stage, "look");
    begun(&mut stage, &request).await;
    assert_eq!(text(&ends(&stage, request.stream).await), "true");
    let request = call(&stage, "bake");
    begun(&mut stage, &request).await;
    assert_eq!(text(&ends(&stage, request.stream).await), "baked");

    let of_one_without = |tool| RequestEnvelope {
        takes_task: false,
        ..call(&stage, tool)
    };
    let (look, bake) = (of_one_without("look"), of_one_without("bake"));
    assert_eq!(text(&stage.response(&look).await), "false");
    let refused = stage.response(&bake).await;
    assert_eq!(refused["error"]["code"], -32021, "{refused}");
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_call_becomes_a_task_when_it_takes_long_unless_its_tool_says_never() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Kitchen::new());
    let request = call(&stage, "stew");
    begun(&mut stage, &request).await;
    assert_eq!(seen(&stage, request.stream).await.state, TaskState::Working);
    let patient = RequestEnvelope {
        takes_task: false,
        ..call(&stage, "stew")
    };
    stage.enqueue(&patient).await;
    let fried = call(&stage, "fry");
    stage.enqueue(&fried).await;
    tokio::time::sleep(std::time::Duration::from_secs(3700)).await;
    for _ in 0..2 {
        let event = stage.event().await;
        assert_eq!(event.kind, EventKind::Final, "{event:?}");
    }
    let ended = seen(&stage, request.stream).await;
    assert!(matches!(ended.state, TaskState::Ended(_)), "{ended:?}");
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_caller_may_ask_for_less_time_and_not_for_more() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Kitchen::new());
    let asking = |stage: &Stage, timeout_ms: u64| {
        let mut params = json!({"name": "stew", "arguments": {}});
        params["_meta"]["ai.prynai/taskTimeoutMs"] = timeout_ms.into();
        params["_meta"]["ai.prynai/taskTtlMs"] = 10_000.into();
        RequestEnvelope {
            takes_task: true,
            ..stage.modern_with("tools/call", params, json!({}))
        }
    };
    const DAY_MS: u64 = 24 * 3600 * 1000;
    let greedy = asking(&stage, 365 * DAY_MS);
    assert_eq!(begun(&mut stage, &greedy).await["ttlMs"], DAY_MS);
    let hasty = asking(&stage, 60_000);
    assert_eq!(begun(&mut stage, &hasty).await["ttlMs"], 60_000);

    // It is stopped in time, and what became of it is kept for as long as its client wished.
    tokio::time::sleep(Duration::from_secs(69)).await;
    let TaskState::Ended(end) = seen(&stage, hasty.stream).await.state else {
        panic!("runs on");
    };
    assert!(end.as_str().contains(r#""reason":"deadline""#), "{end:?}");
    tokio::time::sleep(Duration::from_secs(10)).await;
    let gone = stage.bus.task(&hasty.stream, "alice").await;
    assert_eq!(gone.expect("looked"), None);
    assert_eq!(seen(&stage, greedy.stream).await.state, TaskState::Working);
    tokio::time::sleep(Duration::from_secs(3700)).await;
    let ended = seen(&stage, greedy.stream).await;
    assert!(matches!(ended.state, TaskState::Ended(_)), "{ended:?}");
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_that_takes_too_long_runs_once_however_short_it_is_kept() {
    let mut stage = Stage::new().await;
    let kitchen = Kitchen::new();
    let worker = stage.serve(kitchen.clone());
    let mut params = json!({"name": "reduce", "arguments": {}});
    params["_meta"]["ai.prynai/taskTimeoutMs"] = 60_000.into();
    params["_meta"]["ai.prynai/taskTtlMs"] = 1.into();
    let brief = RequestEnvelope {
        takes_task: true,
        ..stage.modern_with("tools/call", params, json!({}))
    };
    assert_eq!(begun(&mut stage, &brief).await["ttlMs"], 60_000);
    tokio::time::sleep(Duration::from_secs(600)).await;
    let seen = stage.bus.task(&brief.stream, "alice").await;
    assert_eq!(seen.expect("looked"), None, "it has ended");
    assert_eq!(kitchen.shopped.load(Ordering::Relaxed), 1);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn the_same_key_names_the_same_task() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Kitchen::new());
    let keyed = |stage: &Stage| {
        let mut params = json!({"name": "cook", "arguments": {}});
        params["_meta"]["ai.prynai/idempotencyKey"] = "k-1".into();
        RequestEnvelope {
            takes_task: true,
            ..stage.modern_with("tools/call", params, json!({"elicitation": {}}))
        }
    };
    let first = keyed(&stage);
    let created = begun(&mut stage, &first).await;
    asks(&stage, first.stream).await;
    let again = stage.run(&keyed(&stage)).await;
    let last = message(again.last().expect("a response"));
    assert_eq!(last["result"]["taskId"], created["taskId"], "{last}");
    answer(&stage, first.stream, "starter", "soup").await;
    asks(&stage, first.stream).await;
    answer(&stage, first.stream, "main", "rice").await;
    let ended = ends(&stage, first.stream).await;
    let again = stage.run(&keyed(&stage)).await;
    let last = message(again.last().expect("a response"));
    let last = match last["result"]["resultType"].as_str() {
        // A call is to be a task before anybody looks for its key.
        Some("task") => panic!("{last}"),
        _ => last,
    };
    assert_eq!(last["result"], ended["result"]);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_call_that_becomes_a_task_while_it_runs_needs_no_key_for_its_questions() {
    let mut stage = Stage::new().await;
    let worker = stage.serve_keyed(Kitchen::new(), 1, RequestStateKeys::default());
    let request = call(&stage, "cater");
    begun(&mut stage, &request).await;
    asks(&stage, request.stream).await;
    answer(&stage, request.stream, "starter", "soup").await;
    asks(&stage, request.stream).await;
    answer(&stage, request.stream, "main", "rice").await;
    let ended = ends(&stage, request.stream).await;
    let expected = r#"shopped 1 times, starter "soup", main "rice""#;
    assert_eq!(text(&ended), expected);
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_call_that_finds_no_room_for_a_task_gives_its_client_a_signed_state() {
    let limits = BusLimits {
        tasks: 0,
        ..BusLimits::default()
    };
    let mut stage = Stage::with_limits(limits).await;
    let worker = stage.serve(Kitchen::new());
    for tool in ["cook", "cater"] {
        let request = call(&stage, tool);
        let asked = stage.response(&request).await;
        let state = asked["result"]["requestState"].as_str();
        let state = state.unwrap_or_else(|| panic!("{tool} asks nothing: {asked}"));
        assert!(!state.contains("shop"), "{tool}: {state}");
    }
    worker.stop(&stage).await;
}

#[tokio::test]
async fn who_sends_the_key_of_a_task_that_was_cancelled_while_it_waited_is_told_so() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Kitchen::new());
    let keyed = |stage: &Stage| {
        let mut params = json!({"name": "cook", "arguments": {}});
        params["_meta"]["ai.prynai/idempotencyKey"] = "k-1".into();
        RequestEnvelope {
            takes_task: true,
            ..stage.modern_with("tools/call", params, json!({"elicitation": {}}))
        }
    };
    let first = keyed(&stage);
    begun(&mut stage, &first).await;
    asks(&stage, first.stream).await;
    let entry = seen(&stage, first.stream).await.entry;
    let cancelled = stage
        .bus
        .cancel_call(&first.stream, Some(&entry), first.era);
    cancelled.await.expect("cancelled");
    for _ in 0..2 {
        let last = stage.response(&keyed(&stage)).await;
        assert_eq!(last["error"]["data"]["reason"], "cancelled", "{last}");
    }
    worker.stop(&stage).await;
}

/// Declares tasks of its own.
struct Own;

impl ServerHandler for Own {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tasks().build())
    }
}

#[test]
fn a_handler_with_tasks_of_its_own_is_refused() {
    let refused = refuse_own_tasks(&Own).expect_err("is refused");
    assert!(refused.contains("enable_tasks"), "{refused}");
    assert_eq!(refuse_own_tasks(&Kitchen::new()), Ok(()));
}
