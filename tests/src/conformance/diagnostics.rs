//! Tools by which the suite looks at the server itself (2026-07-28).

use rmcp::model::{CallToolResult, ClientCapabilities};
use rmcp::service::{RequestContext, ServiceError};
use rmcp::{ErrorData, RoleServer};

use super::content::text;

#[expect(
    deprecated,
    reason = "sampling is deprecated in 2026-07-28 and in force in every revision"
)]
pub(super) fn missing_capability(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let declared = context.client_capabilities().unwrap_or_default();
    if declared.sampling.is_none() {
        let needed = ClientCapabilities::builder().enable_sampling().build();
        return Err(ErrorData::missing_required_client_capability(needed));
    }
    Ok(text("The client can ask its model."))
}

pub(super) async fn tool_change(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let told = context.peer.notify_tool_list_changed().await;
    told.map_err(call_ended)?;
    Ok(text("All listeners were told that the tools changed."))
}

pub(super) async fn prompt_change(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    let told = context.peer.notify_prompt_list_changed().await;
    told.map_err(call_ended)?;
    Ok(text("All listeners were told that the prompts changed."))
}

/// Nothing can be told once the call is over.
pub(super) fn call_ended(error: ServiceError) -> ErrorData {
    ErrorData::internal_error(error.to_string(), None)
}
