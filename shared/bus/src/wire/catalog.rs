//! What the workers serve, announced so that gateways can answer while no worker runs.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::message::RawJson;
use super::{WireError, check_format};

/// The announcement of a pool of workers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogRecord {
    /// Format version.
    pub v: u32,
    /// `serverInfo` as the handler states it.
    pub server_info: RawJson,
    /// `capabilities` as the handler states them.
    pub capabilities: RawJson,
    /// `instructions` of the handler.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instructions: Option<String>,
    /// Revisions the handler can serve, newest last.
    pub protocol_versions: Vec<String>,
    /// The tools, by name, as far as gateways and redelivery need them.
    #[serde(default)]
    pub tools: BTreeMap<String, CatalogTool>,
    /// The names of the first prompts, [`CatalogRecord::MOST_PROMPTS`] at most: gateways count by them.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub prompts: BTreeSet<String>,
}

/// What is known of one tool outside its handler.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct CatalogTool {
    /// The call may run again when its worker died: as the tool's author says, or else by
    /// `readOnlyHint` and `idempotentHint`.
    #[serde(default)]
    pub repeatable: bool,
    /// The tool says that it only reads (`readOnlyHint`).
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// Argument paths mirrored in `Mcp-Param-*` headers (2026-07-28, `x-mcp-header`),
    /// by header name without the prefix.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub header_params: BTreeMap<String, Vec<String>>,
    /// The arguments that the audit is to have, by name.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub audit: Vec<String>,
    /// The scopes of other APIs for which its handler wants a token of its caller.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub downstream: Vec<String>,
    /// When its calls become tasks.
    #[serde(default, skip_serializing_if = "TaskUse::is_usual")]
    pub tasks: TaskUse,
}

/// When calls of a tool become tasks, if their clients take tasks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TaskUse {
    /// Never.
    Never,
    /// After the time that the workers are set to.
    #[default]
    AfterATime,
    /// At once.
    Always,
    /// At once, and no client is served that takes none.
    Required,
    /// What a newer release says: its workers know what it means, to all others it is as usual.
    #[serde(other)]
    Other,
}

impl TaskUse {
    fn is_usual(&self) -> bool {
        *self == Self::AfterATime
    }
}

impl CatalogRecord {
    /// Prompts whose names are announced.
    pub const MOST_PROMPTS: usize = 128;

    /// The JSON that is stored.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> Result<String, WireError> {
        Ok(serde_json::to_string(self)?)
    }

    /// Reads what [`CatalogRecord::to_json`] wrote, here or in a neighbouring release.
    ///
    /// # Errors
    ///
    /// When it is not a catalog, or of a newer format.
    pub fn from_json(text: &str) -> Result<Self, WireError> {
        let record: Self = serde_json::from_str(text)?;
        check_format(record.v)?;
        Ok(record)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_release_says_of_a_tool_is_read() {
        let tool: CatalogTool =
            serde_json::from_str(r#"{"tasks":"by_its_size"}"#).expect("is read");
        assert_eq!(tool.tasks, TaskUse::Other);
        let tool: CatalogTool = serde_json::from_str(r#"{"tasks":"required"}"#).expect("is read");
        assert_eq!(tool.tasks, TaskUse::Required);
    }
}
