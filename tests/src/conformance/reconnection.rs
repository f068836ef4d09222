//! A tool that lets go of its stream before it has answered (2025-11-25, SEP-1699).

use std::time::Duration;

use prynai_worker::CloseStream;
use rmcp::model::CallToolResult;
use rmcp::service::RequestContext;
use rmcp::{ErrorData, RoleServer};

use super::content::text;

/// Long enough for the client to come back before there is an answer.
const WORK: Duration = Duration::from_millis(500);

pub(super) async fn answer_later(
    context: &RequestContext<RoleServer>,
) -> Result<CallToolResult, ErrorData> {
    if let Some(stream) = context.extensions.get::<CloseStream>() {
        stream.close();
    }
    tokio::time::sleep(WORK).await;
    Ok(text("Reconnection test completed successfully."))
}
