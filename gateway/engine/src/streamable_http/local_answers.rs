//! What the gateway answers by itself, from the catalog, so that it is fast and works while no
//! worker runs.

use prynai_bus::wire::catalog::CatalogRecord;
use prynai_bus::wire::message::RawJson;
use serde::Serialize;

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
        capabilities: &'a RawJson,
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
        capabilities: &catalog.capabilities,
        instructions: catalog.instructions.as_deref(),
        ttl_ms: DISCOVER_TTL_MS,
        cache_scope: "public",
        meta: Meta {
            server_info: &catalog.server_info,
        },
    })
}

fn to_json(value: &impl Serialize) -> Result<String, RequestError> {
    serde_json::to_string(value)
        .map_err(|error| RequestError::Bus(prynai_bus::BusError::Unexpected(error.to_string())))
}
