//! An app (SEP-1865, the extension `io.modelcontextprotocol/ui`): a page that a host shows beside the result of a tool.

use rmcp::model::{MetaObject, Resource, ResourceContents};
use serde_json::json;

/// The app that shows the counter and counts it up.
pub(super) const COUNTER: &str = "ui://everything/counter";

/// An HTML page that speaks with its host as SEP-1865 says.
const APP: &str = "text/html;profile=mcp-app";

const PAGE: &str = include_str!("../apps/counter.html");

/// What a tool says in its `_meta` so that hosts show its result in the app.
pub(super) fn shown_in(uri: &str) -> MetaObject {
    meta(json!({ "resourceUri": uri }))
}

/// The entry of the app in `resources/list`.
pub(super) fn resource() -> Resource {
    Resource::new(COUNTER, "counter_app")
        .with_title("Counter, to look at")
        .with_description("Shows the counter, with a button that counts it up")
        .with_mime_type(APP)
}

/// The page of an app; `None` when the URI names none.
pub(super) fn read(uri: &str) -> Option<ResourceContents> {
    // It asks for nothing: no other origin, no camera, no place of its own.
    let looks = meta(json!({ "csp": {}, "prefersBorder": true }));
    (uri == COUNTER).then(|| {
        ResourceContents::text(PAGE, uri)
            .with_mime_type(APP)
            .with_meta(looks)
    })
}

fn meta(ui: serde_json::Value) -> MetaObject {
    let mut meta = MetaObject::new();
    meta.insert("ui".to_owned(), ui);
    meta
}
