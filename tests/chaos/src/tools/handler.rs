//! The tools of a chaos run. They differ in what they promise; each writes into the ledger what it does.

use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::wrapper::Parameters;
use rmcp::model::{
    CallToolResult, ContentBlock, Implementation, ProgressNotificationParam, ServerCapabilities,
    ServerConfig,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{RoleServer, ServerHandler, schemars, tool, tool_handler, tool_router};
use serde::Deserialize;
use serde_json::json;

use crate::tools::ledger::{Deed, Pen, Run};

/// The handler of the chaos worker.
#[derive(Debug)]
pub struct Chaos {
    tools: ToolRouter<Self>,
    pen: Pen,
}

/// What a call asks for.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct Work {
    /// The number its client gave it; no other call has it.
    call: u64,
    /// How long it takes.
    ms: u64,
    /// How many numbered events it sends meanwhile: a log message and, when asked for, progress.
    #[serde(default)]
    events: u32,
}

#[tool_router(router = tools)]
impl Chaos {
    /// Takes a while and changes nothing.
    #[tool(annotations(read_only_hint = true))]
    async fn look(
        &self,
        Parameters(work): Parameters<Work>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        self.run(work, false, context).await
    }

    /// Has an effect that may be repeated.
    #[tool(annotations(read_only_hint = false, idempotent_hint = true))]
    async fn put(
        &self,
        Parameters(work): Parameters<Work>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        self.run(work, true, context).await
    }

    /// Has an effect that must not be repeated.
    #[tool(annotations(read_only_hint = false, idempotent_hint = false))]
    async fn pay(
        &self,
        Parameters(work): Parameters<Work>,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        self.run(work, true, context).await
    }

    /// Blocks a thread that is there for it, and ignores a cancel.
    #[tool(annotations(read_only_hint = true))]
    async fn sit(&self, Parameters(work): Parameters<Work>) -> CallToolResult {
        let run = self.pen.next_run();
        self.pen.write(work.call, run, Deed::Begun);
        let takes = Duration::from_millis(work.ms);
        let sits = tokio::task::spawn_blocking(move || std::thread::sleep(takes));
        sits.await.expect("does not panic");
        CallToolResult::success(vec![ContentBlock::text("sat")])
    }
}

#[tool_handler(router = self.tools)]
impl ServerHandler for Chaos {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(capabilities()).with_server_info(Implementation::new("chaos", "1"))
    }
}

impl Chaos {
    /// A handler that writes with this pen.
    pub fn new(pen: Pen) -> Self {
        Self {
            tools: Self::tools(),
            pen,
        }
    }

    async fn run(
        &self,
        work: Work,
        effect: bool,
        context: RequestContext<RoleServer>,
    ) -> CallToolResult {
        let run = self.pen.next_run();
        self.pen.write(work.call, run, Deed::Begun);
        let ended = tokio::select! {
            () = context.ct.cancelled() => Deed::Cancelled,
            () = self.work(&work, run, effect, &context) => Deed::Done,
        };
        self.pen.write(work.call, run, ended);
        CallToolResult::success(vec![ContentBlock::text(format!("{} {run}", work.call))])
    }

    /// The effect takes place in the middle of the time.
    async fn work(
        &self,
        work: &Work,
        run: Run,
        effect: bool,
        context: &RequestContext<RoleServer>,
    ) {
        let steps = work.events.max(1);
        let pause = Duration::from_millis(work.ms) / steps / 2;
        for step in 1..=steps {
            tokio::time::sleep(pause).await;
            if effect && step == steps.div_ceil(2) {
                self.pen.write(work.call, run, Deed::Effect);
            }
            if work.events > 0 {
                report(work.call, run, step, context).await;
            }
            tokio::time::sleep(pause).await;
        }
    }
}

/// The numbered event of a step. One that cannot be sent belongs to a call that has ended.
async fn report(call: u64, run: Run, step: u32, context: &RequestContext<RoleServer>) {
    if let Some(token) = context.meta.get_progress_token() {
        let progress = ProgressNotificationParam::new(token, step.into())
            .with_message(format!("{call} {run}"));
        let _ = context.peer.notify_progress(progress).await;
    }
    log(
        &context.peer,
        json!({ "call": call, "run": run.to_string(), "step": step }),
    )
    .await;
}

#[expect(
    deprecated,
    reason = "logging is deprecated in 2026-07-28 and in force in every revision"
)]
async fn log(peer: &Peer<RoleServer>, data: serde_json::Value) {
    use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
    let log = LoggingMessageNotificationParam::new(LoggingLevel::Info, data);
    let _ = peer.notify_logging_message(log).await;
}

#[expect(
    deprecated,
    reason = "logging is deprecated in 2026-07-28 and in force in every revision"
)]
fn capabilities() -> ServerCapabilities {
    ServerCapabilities::builder()
        .enable_tools()
        .enable_logging()
        .build()
}
