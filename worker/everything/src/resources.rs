//! The resources.

use rmcp::ErrorData;
use rmcp::model::{
    Extensions, ListResourceTemplatesResult, ListResourcesResult, ReadResourceResult, Resource,
    ResourceContents, ResourceTemplate,
};
use serde_json::json;

use prynai_worker::State;

use crate::{apps, skills};

/// The counter that is a resource.
pub(super) const COUNTER: &str = "counter";
/// The resource that is a counter.
pub(super) const COUNTER_URI: &str = "everything://counter";

const README_URI: &str = "everything://readme";
const LOGO_URI: &str = "everything://logo";
const NOTE_PREFIX: &str = "everything://notes/";
/// The template of the notes.
pub(super) const NOTE_TEMPLATE: &str = "everything://notes/{name}";

const README: &str = "# PrynAI reference server\n\n\
    One of everything that MCP offers. Its tools, prompts and resources exist to be tried out.\n";

/// One pixel in PrynAI blue, as PNG in Base64.
const LOGO: &str = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNkaPhfDwADgwGA5r3XHwAAAABJRU5ErkJggg==";

/// The notes, by name.
pub(super) const NOTES: [(&str, &str); 4] = [
    (
        "architecture",
        "Gateways hold the connections, workers run the tools.",
    ),
    ("cancel", "A cancelled call writes nothing more."),
    (
        "resume",
        "A broken legacy stream goes on with Last-Event-ID.",
    ),
    (
        "retry",
        "A call whose worker died runs again only if it may.",
    ),
];

/// All resources that are not made by a template.
pub(super) fn list() -> ListResourcesResult {
    ListResourcesResult::with_all_items(vec![
        Resource::new(README_URI, "readme")
            .with_title("Read me")
            .with_description("What this server is")
            .with_mime_type("text/markdown"),
        Resource::new(LOGO_URI, "logo")
            .with_title("Logo")
            .with_description("A very small picture")
            .with_mime_type("image/png"),
        Resource::new(COUNTER_URI, COUNTER)
            .with_title("Counter")
            .with_description("The value of the counter that bump_counter counts up")
            .with_mime_type("text/plain"),
        skills::resource(),
        apps::resource(),
    ])
}

/// All templates.
pub(super) fn templates() -> ListResourceTemplatesResult {
    ListResourceTemplatesResult::with_all_items(vec![
        ResourceTemplate::new(NOTE_TEMPLATE, "note")
            .with_title("Note")
            .with_description("A short note on how this server works")
            .with_mime_type("text/plain"),
    ])
}

/// Whether a URI names a resource.
pub(super) fn exists(uri: &str) -> bool {
    [README_URI, LOGO_URI, COUNTER_URI].contains(&uri)
        || note(uri).is_some()
        || skills::read(uri).is_some()
        || apps::read(uri).is_some()
}

/// The key of a counter in the state store.
pub(super) fn counter_key(name: &str) -> String {
    format!("counter:{name}")
}

/// The key of the number of updates of a resource in the state store.
pub(super) fn touched_key(uri: &str) -> String {
    format!("touched:{uri}")
}

/// Reads a resource.
pub(super) async fn read(
    uri: &str,
    extensions: &Extensions,
) -> Result<ReadResourceResult, ErrorData> {
    let contents = match uri {
        README_URI => ResourceContents::text(README, uri).with_mime_type("text/markdown"),
        LOGO_URI => ResourceContents::blob(LOGO, uri).with_mime_type("image/png"),
        COUNTER_URI => {
            let value = number(extensions, &counter_key(COUNTER)).await?;
            ResourceContents::text(value.to_string(), uri)
        }
        _ => match note(uri) {
            Some(text) => {
                let updates = number(extensions, &touched_key(uri)).await?;
                ResourceContents::text(format!("{text}\n(updated {updates} times)"), uri)
            }
            None => skills::read(uri)
                .or_else(|| apps::read(uri))
                .ok_or_else(|| not_found(uri))?,
        },
    };
    Ok(ReadResourceResult::new(vec![contents]))
}

fn note(uri: &str) -> Option<&'static str> {
    let name = uri.strip_prefix(NOTE_PREFIX)?;
    let (_, text) = NOTES.into_iter().find(|(known, _)| *known == name)?;
    Some(text)
}

async fn number(extensions: &Extensions, key: &str) -> Result<i64, ErrorData> {
    let state = extensions
        .get::<State>()
        .ok_or_else(|| ErrorData::internal_error("the state store needs a prynai worker", None))?;
    Ok(state.global().get(key).await?.unwrap_or(0))
}

fn not_found(uri: &str) -> ErrorData {
    ErrorData::resource_not_found("resource not found", Some(json!({ "uri": uri })))
}
