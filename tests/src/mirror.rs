//! A handler that reports exactly what reached it, and says exactly what it is told to.
//!
//! * Any method that is not of MCP is answered with its `params.answer`, refused with its `params.error`, or else
//!   answered with a [report](Mirror::report); `mirror/noted` gives a report of every such notification until now.
//! * The tool `report` answers with a report; `answer` with the result it is given, as rmcp reads it; `tell` sends the
//!   client a notification of a method of its own, with the params it is given.
//! * `tools/list` lists the tools in the request's `_meta`, under [`TOOLS`].

use std::sync::Mutex;

use prynai_worker::RawMessage;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, CustomNotification, CustomRequest,
    CustomResult, Extensions, Implementation, ListToolsResult, PaginatedRequestParams,
    ServerCapabilities, ServerConfig, ServerNotification,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Where a `tools/list` request has the tools to be listed.
pub const TOOLS: &str = "com.example/tools";

/// The handler.
#[derive(Debug, Default)]
pub struct Mirror {
    noted: Mutex<Vec<Value>>,
}

impl Mirror {
    /// What rmcp made of a message, and the message itself.
    fn report(params: &impl Serialize, meta: &impl Serialize, extensions: &Extensions) -> Value {
        let raw = extensions.get::<RawMessage>().map(RawMessage::as_str);
        json!({ "params": params, "meta": meta, "raw": raw })
    }
}

/// Reads what the test sent; what cannot be read is the test's fault and said so.
fn read<T: DeserializeOwned>(told: &Value) -> Result<T, ErrorData> {
    serde_json::from_value(told.clone())
        .map_err(|error| ErrorData::invalid_params(format!("the mirror: {error}"), None))
}

impl ServerHandler for Mirror {
    fn get_info(&self) -> ServerConfig {
        let name = Implementation::new("prynai-mirror", env!("CARGO_PKG_VERSION"));
        let can = ServerCapabilities::builder().enable_tools().build();
        ServerConfig::new(can).with_server_info(name)
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let told = context.meta.0.0.get(TOOLS).cloned();
        let tools = read(&told.unwrap_or_else(|| json!([])))?;
        Ok(ListToolsResult::with_all_items(tools))
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let told = Value::Object(request.arguments.clone().unwrap_or_default());
        match request.name.as_ref() {
            "answer" => Ok(read::<CallToolResult>(&told["result"])?.into()),
            "tell" => {
                let params = Some(told["params"].clone());
                let notification =
                    CustomNotification::new("notifications/com.example/told", params);
                let notification = ServerNotification::CustomNotification(notification);
                let sent = context.peer.send_notification(notification).await;
                sent.map_err(|error| ErrorData::internal_error(error.to_string(), None))?;
                Ok(CallToolResult::structured(json!({})).into())
            }
            _ => {
                let report = Self::report(&request, &context.meta, &context.extensions);
                Ok(CallToolResult::structured(report).into())
            }
        }
    }

    async fn on_custom_request(
        &self,
        request: CustomRequest,
        context: RequestContext<RoleServer>,
    ) -> Result<CustomResult, ErrorData> {
        if request.method == "mirror/noted" {
            let noted = self.noted.lock().map(|noted| noted.clone());
            return Ok(CustomResult::new(
                json!({ "noted": noted.unwrap_or_default() }),
            ));
        }
        let told = request.params.clone().unwrap_or_default();
        match (told.get("answer"), told.get("error")) {
            (Some(answer), _) => Ok(CustomResult::new(answer.clone())),
            (None, Some(error)) => Err(read(error)?),
            (None, None) => {
                let report = Self::report(&request.params, &context.meta, &context.extensions);
                Ok(CustomResult::new(report))
            }
        }
    }

    async fn on_custom_notification(
        &self,
        notification: CustomNotification,
        context: NotificationContext<RoleServer>,
    ) {
        let params = &notification.params;
        let report = Self::report(params, &context.meta, &context.extensions);
        if let Ok(mut noted) = self.noted.lock() {
            noted.push(report);
        }
    }
}
