use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use prynai_bus::wire::catalog::CatalogTool;
use prynai_bus::wire::change::Change;
use prynai_bus::{Catalog, ChangeFeed, News, NewsReceiver, PositionedChange};
use prynai_everything::Everything;
use rmcp::model::{
    CallToolRequestParams, CallToolResponse, CallToolResult, ListToolsResult,
    PaginatedRequestParams, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer, ServerHandler};
use serde_json::{Value, json};
use tokio::time::Instant;

use crate::stage::{Stage, soon, text};

/// Refuses every other time to say which tools it has, and has another one each time.
#[derive(Default)]
struct Moody(AtomicUsize);

impl ServerHandler for Moody {
    fn get_info(&self) -> ServerConfig {
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
    }

    async fn list_tools(
        &self,
        _page: Option<PaginatedRequestParams>,
        _context: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        if asked.is_multiple_of(2) {
            return Err(ErrorData::internal_error("not in the mood", None));
        }
        let schema = Arc::new(serde_json::Map::new());
        let tool = Tool::new(format!("tool-{asked}"), "", schema);
        Ok(ListToolsResult::with_all_items(vec![tool]))
    }

    async fn call_tool(
        &self,
        _request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let told = context.peer.notify_tool_list_changed().await;
        told.expect("is told");
        Ok(CallToolResult::success(Vec::new()).into())
    }
}

/// The next change of which the bus tells.
async fn next(changes: &mut NewsReceiver<PositionedChange>) -> Change {
    loop {
        if let News::Item(told) = soon("a change", changes.recv()).await.expect("news") {
            return told.change;
        }
    }
}

#[tokio::test]
async fn the_catalog_is_announced() {
    let mut stage = Stage::new().await;
    let worker = stage.serve(Everything::new());
    // A worker announces before it claims.
    let request = stage.modern_call("echo", json!({"text": "x"}));
    stage.response(&request).await;
    let catalog = stage
        .bus
        .read_catalog()
        .await
        .expect("reads")
        .expect("a catalog");
    let info: Value = catalog.server_info.read().expect("JSON");
    assert_eq!(info["name"], "prynai-everything");
    let capabilities: Value = catalog.capabilities.read().expect("JSON");
    assert_eq!(capabilities["resources"]["subscribe"], true);
    assert!(capabilities["completions"].is_object() && capabilities["logging"].is_object());
    assert_eq!(
        catalog.protocol_versions.last().map(String::as_str),
        Some("2026-07-28")
    );
    let tools_with = |is: fn(&CatalogTool) -> bool| -> Vec<&str> {
        let tools = catalog.tools.iter().filter(|(_, tool)| is(tool));
        tools.map(|(name, _)| name.as_str()).collect()
    };
    let reading = [
        "add",
        "echo",
        "long_running",
        "plan_trip",
        "show_counter",
        "summarize",
        "whoami",
    ];
    assert_eq!(tools_with(|tool| tool.repeatable), reading);
    assert_eq!(tools_with(|tool| tool.read_only), reading);
    assert_eq!(catalog.tools.len(), 11);
    worker.stop(&stage).await;
}

#[tokio::test(start_paused = true)]
async fn an_announcement_that_fails_is_tried_again_at_once() {
    let mut stage = Stage::new().await;
    let mut changes = stage.bus.change_news().await.expect("news");
    let begun = Instant::now();
    let worker = stage.serve(Moody::default());
    let request = stage.modern_call("change", json!({}));
    stage.run(&request).await;
    for tool in ["tool-1", "tool-3"] {
        // The handler's own notification is one of the changes.
        while next(&mut changes).await != Change::CatalogChanged {}
        let catalog = stage.bus.read_catalog().await.expect("reads");
        assert!(catalog.expect("a catalog").tools.contains_key(tool));
    }
    // Every minute it is announced anyhow.
    assert!(begun.elapsed() < Duration::from_secs(30));
    worker.stop(&stage).await;
}

#[tokio::test]
async fn an_update_of_a_resource_goes_to_all_listeners() {
    let mut stage = Stage::new().await;
    let mut changes = stage.bus.change_news().await.expect("news");
    let worker = stage.serve(Everything::new());
    let uri = "everything://notes/retry";
    let request = stage.modern_call("touch_resource", json!({"uri": uri}));
    let response = stage.response(&request).await;
    assert_eq!(
        text(&response),
        "everything://notes/retry was updated 1 times"
    );
    assert_eq!(next(&mut changes).await, Change::CatalogChanged);
    let uri = uri.to_owned();
    assert_eq!(next(&mut changes).await, Change::ResourceUpdated { uri });
    worker.stop(&stage).await;
}
