//! What the gateway answers by itself, from the catalog, so that it is fast and works while no
//! worker runs.

use std::sync::Arc;

use prynai_shared::wire::absent::{is_empty_list, tidy_capabilities};
use prynai_shared::wire::catalog::CatalogRecord;
use prynai_shared::wire::message::RawJson;
use prynai_shared::wire::session::LogLevel;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::error::RequestError;
use crate::state::AppState;
use crate::versions;

/// How long a client may keep the answer to `server/discover`, in milliseconds (2026-07-28,
/// Caching). Short, since a deploy of the workers changes it.
const DISCOVER_TTL_MS: u32 = 60_000;

/// `params` of `initialize`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct InitializeParams {
    pub(crate) protocol_version: String,
    #[serde(default)]
    capabilities: Option<Object>,
    pub(crate) client_info: Object,
}

/// `params` of `logging/setLevel`.
#[derive(Debug, Deserialize)]
pub(crate) struct SetLevelParams {
    pub(crate) level: LogLevel,
}

/// `params` of `resources/subscribe` and `resources/unsubscribe`.
#[derive(Debug, Deserialize)]
pub(crate) struct ResourceParams {
    pub(crate) uri: String,
}

/// A JSON object, kept as it is.
#[derive(Debug, Deserialize)]
#[serde(try_from = "RawJson")]
pub(crate) struct Object(pub(crate) RawJson);

impl TryFrom<RawJson> for Object {
    type Error = String;

    fn try_from(raw: RawJson) -> Result<Self, Self::Error> {
        if is_empty_list(raw.as_str()) {
            let empty = RawJson::parse("{}").map(Self);
            return empty.map_err(|error| error.to_string());
        }
        // To the last level, since it is kept: neither a worker nor the bus could read what cannot be read here.
        match raw.read::<Map<String, Value>>() {
            Ok(_) => Ok(Self(raw)),
            Err(error) => Err(format!("an object is expected: {error}")),
        }
    }
}

impl InitializeParams {
    /// What the client can do: nothing, if it says nothing.
    pub(crate) fn capabilities(&self) -> Result<RawJson, RequestError> {
        let none = || RawJson::parse("{}");
        let given = self.capabilities.as_ref().map(|object| object.0.clone());
        let given = given.map_or_else(none, Ok);
        let given = given.map_err(|error| RequestError::InvalidParams(error.to_string()))?;
        Ok(tidy_capabilities(&given).unwrap_or(given))
    }
}

/// The catalog, or the refusal while there is none.
pub(crate) async fn catalog(state: &AppState) -> Result<Arc<CatalogRecord>, RequestError> {
    state.catalog.get().await?.ok_or(RequestError::NoCatalog)
}

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

/// A response with a result that is JSON already.
pub(crate) fn response(id: &RawJson, result: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        id.as_str()
    )
}

/// A notification with params that are JSON already.
pub(crate) fn notification(method: &'static str, params: Option<&str>) -> String {
    match params {
        Some(params) => format!(r#"{{"jsonrpc":"2.0","method":"{method}","params":{params}}}"#),
        None => format!(r#"{{"jsonrpc":"2.0","method":"{method}"}}"#),
    }
}

fn to_json(value: &impl Serialize) -> Result<String, RequestError> {
    serde_json::to_string(value).map_err(|error| {
        RequestError::Bus(prynai_shared::bus::BusError::Unexpected(error.to_string()))
    })
}
