//! What becomes of calls whose worker was lost, and what their tools' author may say to it.

use std::time::Duration;

use prynai_bus::ids::WorkerId;
use prynai_bus::wire::event::{EventKind, StreamEvent};
use prynai_bus::{EventLog, Refusal, RequestQueue, StateScope, StateStore};
use prynai_everything::Everything;
use prynai_worker_engine::Redelivery;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};

use crate::probe::probe;
use crate::stage::{Stage, message, raw, soon, text};

#[tokio::test]
async fn a_repeatable_call_whose_worker_was_lost_runs_again() {
    let mut stage = Stage::new().await;
    let request = stage.modern_call("echo", json!({"text": "again"}));
    stage.enqueue(&request).await;
    assert_eq!(stage.claim_and_lose().await.len(), 1);
    let worker = stage.serve(Everything::new());
    let events = stage.rest_of(request.stream).await;
    assert_eq!(text(&message(&events[0])), "again");
    worker.stop(&stage).await;
}

#[tokio::test]
async fn a_repeated_call_goes_on_where_the_log_ends_and_repeats_no_progress() {
    let mut stage = Stage::new().await;
    let params = json!({"name": "long_running", "arguments": {"steps": 2, "delay_ms": 1},
        "_meta": {"progressToken": "p"}});
    let request = stage.legacy_with("tools/call", &params, &json!({}));
    stage.enqueue(&request).await;
    let lost = WorkerId::generate();
    let never = tokio_util::sync::CancellationToken::new();
    let claims = stage.bus.claim(&lost, 1, Duration::ZERO, &never).await;
    let claims = claims.expect("claims");
    let progress = json!({"jsonrpc": "2.0", "method": "notifications/progress",
        "params": {"progressToken": "p", "progress": 2.0}});
    let event = StreamEvent::new(request.stream, 1, EventKind::Message, raw(&progress));
    let owner = claims[0].ownership(&lost);
    let appended = stage.bus.append(&owner, &event).await.expect("appends");
    assert_eq!(appended, Ok(()));
    stage.lose(&lost, &claims).await;
    let worker = stage.serve(Everything::new());
    let events = stage.rest_of(request.stream).await;
    let offsets: Vec<u64> = events.iter().map(|event| event.offset).collect();
    assert_eq!(offsets, [1, 2, 3, 4]);
    for log in &events[1..3] {
        assert_eq!(message(log)["method"], "notifications/message");
    }
    assert_eq!(text(&message(&events[3])), "done after 2 steps");
    worker.stop(&stage).await;
    let late = StreamEvent::new(request.stream, 2, EventKind::Message, raw(&progress));
    let late = stage.bus.append(&owner, &late).await.expect("answers");
    assert_eq!(late, Err(Refusal::LostOwnership));
}

#[tokio::test]
async fn the_outcome_of_any_other_call_is_unknown() {
    let mut stage = Stage::new().await;
    let request = stage.modern_call("bump_counter", json!({}));
    stage.enqueue(&request).await;
    stage.claim_and_lose().await;
    let worker = stage.serve(Everything::new());
    let events = stage.rest_of(request.stream).await;
    assert_eq!(events[0].kind, EventKind::Final);
    let response = message(&events[0]);
    assert_eq!(response["id"], 7);
    assert_eq!(response["error"]["code"], -32603);
    let expected = json!({"reason": "worker_lost", "outcome": "unknown", "attempt": 1,
        "stream": request.stream.to_string()});
    assert_eq!(response["error"]["data"], expected);
    worker.stop(&stage).await;
    let value = stage
        .bus
        .get_state(&StateScope::Global, "counter:counter")
        .await;
    assert_eq!(value.expect("reads"), None, "it ran");
}

#[tokio::test]
async fn a_call_that_was_handed_back_before_it_was_begun_runs() {
    let mut stage = Stage::new().await;
    let request = stage.modern_call("bump_counter", json!({}));
    let call = stage.enqueue(&request).await;
    let early = WorkerId::generate();
    let never = tokio_util::sync::CancellationToken::new();
    let claims = stage.bus.claim(&early, 1, Duration::ZERO, &never).await;
    assert_eq!(claims.expect("claims").len(), 1);
    let back = stage.bus.hand_back(&early, &[call.entry], false).await;
    back.expect("hands back");
    let worker = stage.serve(Everything::new());
    let events = stage.rest_of(request.stream).await;
    assert_eq!(text(&message(&events[0])), "1");
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn one_look_is_enough_for_all_calls_of_a_lost_worker() {
    const CALLS: usize = 200;
    const TWO_LOOKS: Duration = Duration::from_secs(1);
    let mut stage = Stage::new().await;
    for _ in 0..CALLS {
        stage
            .enqueue(&stage.modern_call("bump_counter", json!({})))
            .await;
    }
    let mut lost = 0;
    while lost < CALLS {
        lost += stage.claim_and_lose().await.len();
    }
    let begun = tokio::time::Instant::now();
    let worker = stage.serve(Everything::new());
    for _ in 0..CALLS {
        let told = message(&stage.event().await);
        assert_eq!(told["error"]["data"]["outcome"], "unknown", "{told}");
    }
    assert!(begun.elapsed() < TWO_LOOKS, "{:?}", begun.elapsed());
    worker.stop(&stage).await;
}

#[tokio::test]
async fn attempts_end_with_a_dead_letter_and_an_answer() {
    let mut stage = Stage::new().await;
    let request = stage.modern_call("echo", json!({"text": "poison"}));
    stage.enqueue(&request).await;
    stage.claim_and_lose().await;
    for delivery in 2..=3 {
        let worker = WorkerId::generate();
        let lease = Duration::from_secs(3600);
        let claims = stage
            .bus
            .reclaim(&worker, lease, 10)
            .await
            .expect("reclaims");
        assert_eq!(claims[0].delivery, delivery);
        stage.lose(&worker, &claims).await;
    }
    let worker = stage.serve(Everything::new());
    let events = stage.rest_of(request.stream).await;
    let response = message(&events[0]);
    assert_eq!(
        response["error"]["data"]["reason"], "too_many_attempts",
        "{response}"
    );
    worker.stop(&stage).await;
    let letters = stage.bus.dead_letters();
    assert_eq!(letters.len(), 1);
    assert_eq!(letters[0].claim.request.stream, request.stream);
    assert_eq!(letters[0].reason, "begun 3 times");
}

#[tokio::test]
async fn a_worker_that_is_busy_takes_lost_requests_over() {
    let mut stage = Stage::new().await;
    let (probe, mut watch) = probe();
    let lost = [
        stage.modern_call("anything", json!({})),
        stage.modern("tools/list", json!({})),
    ];
    for request in &lost {
        stage.enqueue(request).await;
    }
    assert_eq!(stage.claim_and_lose().await.len(), 2);
    let holds = stage.modern_call("hold", json!({}));
    stage.enqueue(&holds).await;
    let worker = stage.serve_at_once(probe, 1);
    soon("the call", watch.begun.recv()).await;

    let mut answers = Vec::new();
    for _ in &lost {
        answers.push(stage.event().await);
    }
    answers.sort_by_key(|event| event.stream != lost[0].stream);
    let unknown = &message(&answers[0])["error"]["data"]["outcome"];
    assert_eq!(unknown, "unknown");
    let listed = message(&answers[1]);
    assert!(listed["result"]["tools"].is_array(), "{listed}");
    watch.release.add_permits(1);
    stage.rest_of(holds.stream).await;
    worker.stop(&stage).await;
}

/// Tools whose author overrules their hints.
struct Opinions(ToolRouter<Self>);

#[tool_router]
impl Opinions {
    #[tool(meta = Redelivery::RunAgain.meta())]
    async fn again(&self) -> String {
        "ran".to_owned()
    }

    #[tool(annotations(read_only_hint = true), meta = Redelivery::AnswerUnknown.meta())]
    async fn once(&self) -> String {
        "ran".to_owned()
    }
}

#[tool_handler(router = self.0)]
impl ServerHandler for Opinions {}

/// The response to a call that one worker lost and another took over.
async fn taken_over(stage: &mut Stage, tool: &str) -> Value {
    let request = stage.modern_call(tool, json!({}));
    stage.enqueue(&request).await;
    assert_eq!(stage.claim_and_lose().await.len(), 1);
    let worker = stage.serve(Opinions(Opinions::tool_router()));
    let events: Vec<StreamEvent> = stage.rest_of(request.stream).await;
    worker.stop(stage).await;
    message(&events[0])
}

#[tokio::test]
async fn a_tool_that_says_run_again_runs_again_without_a_hint() {
    let mut stage = Stage::new().await;
    assert_eq!(text(&taken_over(&mut stage, "again").await), "ran");
}

#[tokio::test]
async fn a_tool_that_says_answer_unknown_does_not_run_again_in_spite_of_its_hint() {
    let mut stage = Stage::new().await;
    let response = taken_over(&mut stage, "once").await;
    assert_eq!(
        response["error"]["data"]["reason"], "worker_lost",
        "{response}"
    );
}
