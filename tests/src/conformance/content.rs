//! Tools that answer with one kind of content each.

use rmcp::model::{CallToolResult, ContentBlock, ResourceContents};

use super::{PNG, WAV};

/// A result with one text.
pub(super) fn text(text: impl Into<String>) -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::text(text)])
}

pub(super) fn simple_text() -> CallToolResult {
    text("This is a simple text response for testing.")
}

pub(super) fn echo(value: &str) -> CallToolResult {
    text(value)
}

pub(super) fn image() -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::image(PNG, "image/png")])
}

pub(super) fn audio() -> CallToolResult {
    CallToolResult::success(vec![ContentBlock::audio(WAV, "audio/wav")])
}

pub(super) fn embedded_resource() -> CallToolResult {
    let contents = ResourceContents::text(
        "This is an embedded resource content.",
        "test://embedded-resource",
    );
    CallToolResult::success(vec![ContentBlock::resource(contents)])
}

pub(super) fn multiple_types() -> CallToolResult {
    let contents = ResourceContents::text(
        r#"{"test":"data","value":123}"#,
        "test://mixed-content-resource",
    );
    CallToolResult::success(vec![
        ContentBlock::text("Multiple content types test:"),
        ContentBlock::image(PNG, "image/png"),
        ContentBlock::resource(contents.with_mime_type("application/json")),
    ])
}

/// A failure of the tool, not of the protocol.
pub(super) fn failure() -> CallToolResult {
    let reason = "This tool intentionally returns an error for testing";
    CallToolResult::error(vec![ContentBlock::text(reason)])
}
