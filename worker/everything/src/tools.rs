//! The tools.

use std::time::Duration;

use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::schema_for_output;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, ProgressNotificationParam,
    ResourceUpdatedNotificationParam,
};
use rmcp::service::{Peer, RequestContext};
use rmcp::{ErrorData, RoleServer, schemars, tool, tool_router};
use serde::{Deserialize, Serialize, Serializer};
use serde_json::json;
use tracing::{Instrument, info_span};

use super::{Everything, resources};
use prynai_worker::State;

mod asking;
mod buying;
mod showing;
mod whoami;

/// How long a counter and the marks of notes outlive their last change.
pub(super) const KEPT: Duration = Duration::from_secs(30 * 24 * 3600);

/// Longest sleep of `long_running` between two steps, in milliseconds.
const LONGEST_STEP_MS: u64 = 60_000;

/// Most steps of `long_running`.
const MOST_STEPS: u32 = 1_000;

/// Arguments of `echo`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct EchoArguments {
    /// What to say.
    text: String,
}

/// Arguments of `add`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct AddArguments {
    /// The first number.
    a: f64,
    /// The second number.
    b: f64,
}

/// Result of `add`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Sum {
    /// The sum of both numbers.
    #[serde(serialize_with = "as_short_as_possible")]
    #[schemars(with = "f64")]
    sum: f64,
}

/// Arguments of `long_running`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct LongRunningArguments {
    /// How many steps to take, at most 1000.
    #[serde(default = "default_steps")]
    steps: u32,
    /// How long a step takes, in milliseconds, at most 60000.
    #[serde(default = "default_delay_ms")]
    delay_ms: u64,
}

/// Arguments of `bump_counter`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct BumpCounterArguments {
    /// Which counter: at most 64 letters, digits, `-` and `_`. Without it, the one that is also the
    /// resource `everything://counter`.
    name: Option<String>,
}

/// Result of `bump_counter`.
#[derive(Debug, Serialize, schemars::JsonSchema)]
struct Counter {
    /// Which counter.
    name: String,
    /// Its new value.
    value: i64,
}

/// Arguments of `touch_resource`.
#[derive(Debug, Deserialize, schemars::JsonSchema)]
struct TouchResourceArguments {
    /// The URI of a resource of this server.
    uri: String,
}

#[tool_router(router = plain_tools)]
impl Everything {
    #[tool(
        title = "Echo",
        description = "Answers with the same text",
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    fn echo(&self, Parameters(echo): Parameters<EchoArguments>) -> String {
        echo.text
    }

    #[tool(
        title = "Add",
        description = "Adds two numbers",
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false)
    )]
    fn add(&self, Parameters(add): Parameters<AddArguments>) -> Result<Json<Sum>, String> {
        let sum = add.a + add.b;
        if sum.is_finite() {
            Ok(Json(Sum { sum }))
        } else {
            Err("the sum is too large for a number".to_owned())
        }
    }

    #[tool(
        title = "Long running work",
        description = "Takes a number of steps and reports progress and a log message for each",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn long_running(
        &self,
        Parameters(work): Parameters<LongRunningArguments>,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        if work.steps > MOST_STEPS || work.delay_ms > LONGEST_STEP_MS {
            return Ok(failure("at most 1000 steps of at most 60000 ms, please"));
        }
        for step in 1..=work.steps {
            tokio::select! {
                biased;
                () = context.ct.cancelled() => {
                    return Ok(failure(&format!("cancelled before step {step}")));
                }
                () = pause(work.delay_ms).instrument(info_span!("step", step)) => {}
            }
            report(&context, step, work.steps).await;
        }
        let done = format!("done after {} steps", work.steps);
        Ok(CallToolResult::success(vec![ContentBlock::text(done)]))
    }

    #[tool(
        title = "Bump a counter",
        description = "Adds one to a counter that survives restarts, and answers its new value",
        output_schema = schema_for_output::<Counter>(),
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn bump_counter(
        &self,
        Parameters(bump): Parameters<BumpCounterArguments>,
        state: State,
        peer: Peer<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        let name = bump.name.unwrap_or_else(|| resources::COUNTER.to_owned());
        if !is_plain_name(&name) {
            return Ok(failure(
                "a counter's name is 1 to 64 letters, digits, - and _",
            ));
        }
        let key = resources::counter_key(&name);
        let value = state.global().increment(&key, 1, Some(KEPT)).await?;
        if name == resources::COUNTER {
            tell_updated(&peer, resources::COUNTER_URI).await;
        }
        let mut result = CallToolResult::structured(json!(Counter { name, value }));
        result.content = vec![ContentBlock::text(value.to_string())];
        Ok(result)
    }

    #[tool(
        title = "Touch a resource",
        description = "Marks a resource of this server as updated; subscribers are told",
        annotations(
            read_only_hint = false,
            destructive_hint = false,
            idempotent_hint = false,
            open_world_hint = false
        )
    )]
    async fn touch_resource(
        &self,
        Parameters(touch): Parameters<TouchResourceArguments>,
        state: State,
        peer: Peer<RoleServer>,
    ) -> Result<CallToolResult, ErrorData> {
        if !resources::exists(&touch.uri) {
            let reason = format!("this server has no resource {}", touch.uri);
            return Ok(failure(&reason));
        }
        let key = resources::touched_key(&touch.uri);
        let times = state.global().increment(&key, 1, Some(KEPT)).await?;
        tell_updated(&peer, &touch.uri).await;
        let done = format!("{} was updated {times} times", touch.uri);
        Ok(CallToolResult::success(vec![ContentBlock::text(done)]))
    }
}

impl Everything {
    /// All tools.
    pub(super) fn tools() -> ToolRouter<Self> {
        Self::plain_tools()
            + Self::asking_tools()
            + Self::buying_tools()
            + Self::caller_tools()
            + Self::showing_tools()
    }
}

/// What went wrong, for the model to read.
fn failure(reason: &str) -> CallToolResult {
    CallToolResult::error(vec![ContentBlock::text(reason)])
}

fn text_response(text: impl Into<String>) -> CallToolResponse {
    CallToolResult::success(vec![ContentBlock::text(text)]).into()
}

async fn pause(milliseconds: u64) {
    // A timer fires no sooner than a millisecond from now, also when none was asked for.
    if milliseconds > 0 {
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }
}

async fn report(context: &RequestContext<RoleServer>, step: u32, steps: u32) {
    let message = format!("step {step} of {steps}");
    // Reports are lost when the call has ended; the next step notices that.
    if let Some(token) = context.meta.get_progress_token() {
        let progress = ProgressNotificationParam::new(token, step.into())
            .with_total(steps.into())
            .with_message(&message);
        let _ = context.peer.notify_progress(progress).await;
    }
    log_info(&context.peer, &message).await;
}

#[expect(
    deprecated,
    reason = "logging is deprecated in 2026-07-28 and in force in every revision"
)]
async fn log_info(peer: &Peer<RoleServer>, message: &str) {
    use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
    let log = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message))
        .with_logger("long_running");
    let _ = peer.notify_logging_message(log).await;
}

async fn tell_updated(peer: &Peer<RoleServer>, uri: &str) {
    let updated = ResourceUpdatedNotificationParam::new(uri);
    // The change itself is stored; only the call's end can keep the news back.
    let _ = peer.notify_resource_updated(updated).await;
}

fn is_plain_name(name: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    (1..=64).contains(&name.len()) && name.bytes().all(plain)
}

/// Whole numbers without a fraction: 3, not 3.0.
fn as_short_as_possible<S: Serializer>(number: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    const EXACT: f64 = 9_007_199_254_740_992.0; // 2^53
    if number.fract() == 0.0 && number.abs() < EXACT {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        serializer.serialize_i64(*number as i64)
    } else {
        serializer.serialize_f64(*number)
    }
}

fn default_steps() -> u32 {
    5
}

fn default_delay_ms() -> u64 {
    200
}
