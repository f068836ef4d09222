//! What is asked.

use serde_json::{Value, json};

/// The legacy revision that is spoken.
pub(crate) const LEGACY: &str = "2025-11-25";

/// The modern revision.
pub(crate) const MODERN: &str = "2026-07-28";

/// The id of the first request; as many digits as all others have.
pub(crate) const FIRST_ID: u32 = 100_000;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Request {
    ModernCall,
    LegacyCall,
    List,
    Progress,
    Ping,
    /// Makes the task.
    Later,
    /// Asks about it.
    Task,
}

impl Request {
    /// The message with the first id.
    pub(crate) fn message(self) -> Value {
        let mut params = match self {
            Self::ModernCall | Self::LegacyCall => {
                json!({ "name": "echo", "arguments": { "text": "hello" } })
            }
            Self::List => json!({}),
            Self::Progress | Self::Later => json!({ "name": self.name(), "arguments": {} }),
            Self::Ping | Self::Task => json!({}),
        };
        if !self.is_legacy() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientInfo": { "name": "cost", "version": "1" },
                "io.modelcontextprotocol/clientCapabilities": {},
            });
        }
        if matches!(self, Self::Later | Self::Task) {
            let tasks = json!({ "extensions": { "io.modelcontextprotocol/tasks": {} } });
            params["_meta"]["io.modelcontextprotocol/clientCapabilities"] = tasks;
        }
        if self == Self::Progress {
            params["_meta"]["progressToken"] = json!("p");
        }
        json!({ "jsonrpc": "2.0", "id": FIRST_ID, "method": self.method(), "params": params })
    }

    pub(crate) fn method(self) -> &'static str {
        match self {
            Self::List => "tools/list",
            Self::Ping => "ping",
            Self::Task => "tasks/get",
            _ => "tools/call",
        }
    }

    /// The name of the tool.
    pub(crate) fn name(self) -> Option<&'static str> {
        match self {
            Self::ModernCall | Self::LegacyCall => Some("echo"),
            Self::List | Self::Ping | Self::Task => None,
            Self::Progress => Some("ten_steps"),
            Self::Later => Some("later"),
        }
    }

    pub(crate) fn is_legacy(self) -> bool {
        matches!(self, Self::LegacyCall | Self::Ping)
    }
}
