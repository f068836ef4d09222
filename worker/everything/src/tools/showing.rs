//! A tool whose result a host can show in an app.

use rmcp::handler::server::tool::schema_for_output;
use rmcp::model::{CallToolResult, ContentBlock};
use rmcp::{ErrorData, tool, tool_router};
use serde_json::json;

use super::Counter;
use crate::{Everything, apps, resources};
use prynai_worker::State;

#[tool_router(router = showing_tools, vis = "pub(super)")]
impl Everything {
    #[tool(
        title = "Show the counter",
        description = "Answers the value of the counter; hosts of MCP Apps show it with a button that counts it up",
        output_schema = schema_for_output::<Counter>(),
        annotations(read_only_hint = true, idempotent_hint = true, open_world_hint = false),
        meta = apps::shown_in(apps::COUNTER)
    )]
    async fn show_counter(&self, state: State) -> Result<CallToolResult, ErrorData> {
        let name = resources::COUNTER.to_owned();
        let key = resources::counter_key(&name);
        let value = state.global().get(&key).await?.unwrap_or(0);
        let mut result = CallToolResult::structured(json!(Counter { name, value }));
        result.content = vec![ContentBlock::text(value.to_string())];
        Ok(result)
    }
}
