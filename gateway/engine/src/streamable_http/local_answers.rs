//! What the gateway answers by itself, from the catalog, so that it is fast and works while no
//! worker runs.

use prynai_bus::BusError;
use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::message::RawJson;
use prynai_bus::wire::task::TASKS;
use serde::Serialize;
use serde_json::value::RawValue;
use serde_json::{Value, json};

use crate::refusal::RequestError;
use crate::versions;

/// How long a client may keep the answer to `server/discover`, in milliseconds (2026-07-28,
/// Caching). Short, since a deploy of the workers changes it.
const DISCOVER_TTL_MS: u32 = 60_000;

/// The result of `initialize`.
pub(crate) fn initialize_result(
    catalog: &CatalogRecord,
    version: &str,
) -> Result<String, RequestError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct InitializeResult<'a> {
        protocol_version: &'a str,
        capabilities: &'a RawJson,
        server_info: &'a RawJson,
        #[serde(skip_serializing_if = "Option::is_none")]
        instructions: Option<&'a str>,
    }
    to_json(&InitializeResult {
        protocol_version: version,
        capabilities: &catalog.capabilities,
        server_info: &catalog.server_info,
        instructions: catalog.instructions.as_deref(),
    })
}

/// The result of `server/discover` (2026-07-28, Discovery).
pub(crate) fn discover_result(catalog: &CatalogRecord) -> Result<String, RequestError> {
    #[derive(Serialize)]
    #[serde(rename_all = "camelCase")]
    struct DiscoverResult<'a> {
        result_type: &'static str,
        supported_versions: Vec<String>,
        capabilities: Box<RawValue>,
        #[serde(skip_serializing_if = "Option::is_none")]
        instructions: Option<&'a str>,
        ttl_ms: u32,
        cache_scope: &'static str,
        #[serde(rename = "_meta")]
        meta: Meta<'a>,
    }
    #[derive(Serialize)]
    struct Meta<'a> {
        #[serde(rename = "io.modelcontextprotocol/serverInfo")]
        server_info: &'a RawJson,
    }
    to_json(&DiscoverResult {
        result_type: "complete",
        supported_versions: versions::served_with(&catalog.protocol_versions),
        capabilities: with_tasks(catalog.capabilities.as_str()).map_err(unwritable)?,
        instructions: catalog.instructions.as_deref(),
        ttl_ms: DISCOVER_TTL_MS,
        cache_scope: "public",
        meta: Meta {
            server_info: &catalog.server_info,
        },
    })
}

/// The capabilities of the handler, and that any of its tools may answer with a task (ext-tasks, draft, Capability
/// Negotiation).
fn with_tasks(capabilities: &str) -> serde_json::Result<Box<RawValue>> {
    let mut read: serde_json::Map<String, Value> = serde_json::from_str(capabilities)?;
    let extensions = read.entry("extensions").or_insert_with(|| json!({}));
    if let Value::Object(extensions) = extensions {
        extensions.insert(TASKS.to_owned(), json!({}));
    }
    serde_json::value::to_raw_value(&read)
}

fn to_json(value: &impl Serialize) -> Result<String, RequestError> {
    serde_json::to_string(value).map_err(unwritable)
}

fn unwritable(error: serde_json::Error) -> RequestError {
    RequestError::Bus(BusError::Unexpected(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tasks_are_announced_beside_what_the_handler_says() {
        let said = r#"{"tools":{"listChanged":true},"extensions":{"a/b":{"c":1}}}"#;
        let shown: Value =
            serde_json::from_str(with_tasks(said).expect("is JSON").get()).expect("is JSON");
        let expected = json!({
            "tools": { "listChanged": true },
            "extensions": { "a/b": { "c": 1 }, TASKS: {} },
        });
        assert_eq!(shown, expected);
        let alone = with_tasks("{}").expect("is JSON");
        assert_eq!(
            alone.get(),
            r#"{"extensions":{"io.modelcontextprotocol/tasks":{}}}"#
        );
    }
}
