//! The reference handler with a witness before it: what reaches the handler is logged first, so that a test of what
//! must not reach it can tell.

use std::sync::Arc;

use prynai_everything::Everything;
use prynai_shared::wire::principal::Principal;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CompleteRequestParams, CompleteResult,
    ContentBlock, CustomNotification, CustomRequest, CustomResult, Extensions,
    GetPromptRequestParams, GetPromptResponse, ListPromptsResult, ListResourceTemplatesResult,
    ListResourcesResult, ListToolsResult, PaginatedRequestParams, ReadResourceRequestParams,
    ReadResourceResponse, ServerConfig, Tool,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};

/// What the witness logs.
pub const SEEN: &str = "reached the handler";

/// A tool whose arguments are mirrored in the headers `Mcp-Param-Region`, `Mcp-Param-Limit` and `Mcp-Param-Dry`
/// (2026-07-28, Streamable HTTP, Custom Headers from Tool Parameters).
pub const MIRRORED: &str = "mirrored";

/// The reference handler, watched.
#[derive(Debug, Default)]
pub struct Witness(Everything);

/// `method` and `name` as a test names them, `arguments` for whoever reads the log.
fn seen(method: &str, name: &str, arguments: &impl std::fmt::Debug) {
    let call = format!("{method} {name}");
    tracing::info!(call = call.trim_end(), ?arguments, "{SEEN}");
}

/// The worker itself lists the tools for the catalog.
fn is_of_client(extensions: &Extensions) -> bool {
    extensions.get::<Principal>() == Some(&Principal::anonymous())
}

fn mirrored() -> Tool {
    let schema = json!({ "type": "object", "properties": {
        "region": { "type": "string", "x-mcp-header": "Region" },
        "limit": { "type": "integer", "x-mcp-header": "Limit" },
        "dry": { "type": "boolean", "x-mcp-header": "Dry" },
    }});
    let Value::Object(schema) = schema else {
        unreachable!("it is one");
    };
    Tool::new(MIRRORED, "Mirrors its arguments", Arc::new(schema))
}

impl ServerHandler for Witness {
    fn get_info(&self) -> ServerConfig {
        self.0.get_info()
    }

    async fn list_tools(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        if is_of_client(&context.extensions) {
            seen("tools/list", "", &page);
        }
        let mut listed = self.0.list_tools(page, context).await?;
        listed.tools.push(mirrored());
        Ok(listed)
    }

    async fn call_tool(
        &self,
        call: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        seen("tools/call", &call.name, &call.arguments);
        if call.name == MIRRORED {
            return Ok(CallToolResult::success(vec![ContentBlock::text("done")]).into());
        }
        self.0.call_tool(call, context).await
    }

    async fn list_resources(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        seen("resources/list", "", &page);
        self.0.list_resources(page, context).await
    }

    async fn list_resource_templates(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        seen("resources/templates/list", "", &page);
        self.0.list_resource_templates(page, context).await
    }

    async fn read_resource(
        &self,
        read: ReadResourceRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        seen("resources/read", &read.uri, &());
        self.0.read_resource(read, context).await
    }

    async fn list_prompts(
        &self,
        page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListPromptsResult, ErrorData> {
        seen("prompts/list", "", &page);
        self.0.list_prompts(page, context).await
    }

    async fn get_prompt(
        &self,
        get: GetPromptRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<GetPromptResponse, ErrorData> {
        seen("prompts/get", &get.name, &get.arguments);
        self.0.get_prompt(get, context).await
    }

    async fn complete(
        &self,
        complete: CompleteRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CompleteResult, ErrorData> {
        seen("completion/complete", "", &complete);
        self.0.complete(complete, context).await
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        seen(&request.method, "", &request.params);
        self.0.on_custom_request(request, context).await
    }

    async fn on_custom_notification(
        &self,
        notification: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) {
        seen(&notification.method, "", &notification.params);
        self.0.on_custom_notification(notification, context).await;
    }

    async fn on_roots_list_changed(&self, context: NotificationContext<RoleServer>) {
        seen("notifications/roots/list_changed", "", &());
        self.0.on_roots_list_changed(context).await;
    }
}
