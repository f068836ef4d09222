//! A tool's author overrules its hints.

use prynai_bus::wire::event::StreamEvent;
use prynai_worker_engine::Redelivery;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::{ServerHandler, tool, tool_handler, tool_router};
use serde_json::{Value, json};

use crate::stage::{Stage, message, text};

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
