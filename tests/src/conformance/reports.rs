//! Tools that report while they work.
#![expect(
    deprecated,
    reason = "logging is deprecated in 2026-07-28 and in force in every revision"
)]

use std::time::Duration;

use rmcp::model::{
    CallToolResult, LoggingLevel, LoggingMessageNotificationParam, ProgressNotificationParam,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};
use serde_json::json;

use super::content::text;
use super::diagnostics::call_ended;

/// How long the work between two reports takes.
const STEP: Duration = Duration::from_millis(50);

pub(super) async fn progress(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let Some(token) = context.meta.get_progress_token() else {
        return Ok(text("Nobody asked for progress."));
    };
    for done in [0.0, 50.0, 100.0] {
        if done > 0.0 {
            tokio::time::sleep(STEP).await;
        }
        let progress = ProgressNotificationParam::new(token.clone(), done).with_total(100.0);
        let reported = context.peer.notify_progress(progress).await;
        reported.map_err(call_ended)?;
    }
    Ok(text("Progress was reported."))
}

pub(super) async fn logs(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    log(context, "Tool execution started").await?;
    tokio::time::sleep(STEP).await;
    log(context, "Tool processing data").await?;
    tokio::time::sleep(STEP).await;
    log(context, "Tool execution completed").await?;
    Ok(text("Three messages were logged."))
}

/// The worker, not the tool, keeps a log from a client that did not ask for it.
pub(super) async fn one_log(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    log(context, "Nobody shall see this unasked").await?;
    Ok(text("One message was logged."))
}

async fn log(context: &RequestContext<RoleServer>, message: &str) -> Result<(), ErrorData> {
    let log = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(message));
    let logged = context.peer.notify_logging_message(log).await;
    logged.map_err(call_ended)
}
